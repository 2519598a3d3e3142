"""The host: the computer that this runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kilohear
from kilohear import backends, extras
from kilohear.classifier import Classifier
from kilohear_bench.latency import noise_window, time_in_turns
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.memory import measure_peak
from kilohear_bench.subject import Subject


class Host:
    """This computer; see `kilohear_bench.devices.Device`."""

    name = "host"

    def describe(self) -> dict[str, Any]:
        """Return processor, cores, memory, kernel and Python; no host name."""
        psutil = extras.load("psutil")
        return {
            "cpu": _cpu_model(),
            "architecture": platform.machine(),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
        }

    def runtimes(self) -> tuple[str, ...]:
        """Return the runtimes whose packages are installed."""
        return backends.available()

    def open(self, subject: Subject) -> Classifier:
        """Load a subject, one thread."""
        return subject.bundle.open(subject.export.runtime, subject.export.precision, threads=1)

    def latency(
        self, classifiers: dict[str, Classifier], windows: int, warm_up: int
    ) -> list[Measurement]:
        """Time one window of each classifier in turns."""
        started_at, conditions = now(), load_conditions()
        calls = {name: partial(c, noise_window(c.card)) for name, c in classifiers.items()}
        samples = time_in_turns(calls, windows, warm_up)
        return [
            Measurement(
                name="latency",
                subject=name,
                samples=samples[name],
                unit="ms",
                kind="measured",
                device=self.name,
                meter="time.perf_counter_ns",
                versions=versions() | {classifier.runtime: classifier.backend.version},
                started_at=started_at,
                conditions={
                    "threads": 1,
                    "warm_up": warm_up,
                    "in_turns_with": len(classifiers) - 1,
                    "window_s": classifier.card.window_s,
                    **conditions,
                },
            )
            for name, classifier in classifiers.items()
        ]

    def peak_memory(self, subjects: Sequence[Subject]) -> list[Measurement]:
        """Measure the peak memory of each subject in a fresh process, as many at once as cores."""
        started_at = now()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            peaks = list(pool.map(measure_peak, subjects))
        return [
            Measurement(
                name="peak_memory",
                subject=subject.name,
                samples=(float(measured["peak_bytes"]),),
                unit="bytes",
                kind="measured",
                device=self.name,
                meter=measured["meter"],
                versions=versions(),
                started_at=started_at,
                conditions={
                    "threads": 1,
                    "before_loading_bytes": measured["imported_bytes"],
                    "includes": "interpreter, numpy and what the runtime imports",
                },
            )
            for subject, measured in zip(subjects, peaks, strict=True)
        ]


def versions() -> dict[str, str]:
    """Return the versions of what takes part in every measurement on the host."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kilohear": kilohear.__version__,
    }


def load_conditions() -> dict[str, Any]:
    """Return what else the computer was doing: load, processor clock and temperature."""
    psutil = extras.load("psutil")
    clock = psutil.cpu_freq()
    sensors = getattr(psutil, "sensors_temperatures", dict)()
    hottest = [reading.current for group in sensors.values() for reading in group]
    return {
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "clock_mhz": round(clock.current) if clock else None,
        "hottest_celsius": max(hottest) if hottest else None,
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
