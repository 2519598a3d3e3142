"""Memory: the peak of a fresh process that classifies a few windows, and how it moves over time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kilohear import extras
from kilohear.bundle import Bundle
from kilohear_bench.fresh import run_fresh
from kilohear_bench.latency import noise_window
from kilohear_bench.machine import HOST, versions
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.subject import Subject

SETTLED_S = 300.0
"""What is loaded late, and the allocator, have come to rest by then: memory has to be flat."""

_WINDOWS = 5
_TIMEOUT_S = 120


def measure_peak(subject: Subject) -> dict[str, Any]:
    """Return `peak_bytes`, `imported_bytes` (before the model is loaded) and `meter`.

    The whole process counts: the interpreter, numpy and whatever the runtime imports; the
    ExecuTorch wheel's Python bindings import torch.

    Raises
    ------
    BackendError
        Where the process fails.
    """
    arguments = [str(subject.bundle.path), subject.export.runtime, subject.export.precision]
    return run_fresh(__name__, arguments, f"memory of {subject.name}", _TIMEOUT_S)


def peak_memory(subject: Subject) -> Measurement:
    """Measure a subject's peak memory on this computer; see `measure_peak`."""
    started_at = now()
    measured = measure_peak(subject)
    return Measurement(
        name="peak_memory",
        subject=subject.name,
        samples=(float(measured["peak_bytes"]),),
        unit="bytes",
        kind="measured",
        device=HOST,
        meter=measured["meter"],
        versions=versions(),
        started_at=started_at,
        conditions={
            "rate_hz": subject.bundle.card.rate_hz,
            "threads": 1,
            "before_loading_bytes": measured["imported_bytes"],
            "includes": "interpreter, numpy and what the runtime imports",
        },
    )


def peak_bytes() -> tuple[int, str]:
    """Return this process's peak resident memory in bytes, and what said it.

    Linux hands the peak of the process that started this one down into `ru_maxrss`, so there the
    peak of this program alone is read from /proc.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024, "VmHWM of a fresh process"
    import resource  # not on Windows

    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    return peak, "ru_maxrss of a fresh process"


def resident_bytes() -> int:
    """Return this process's resident memory now, in bytes."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return extras.load("psutil").Process().memory_info().rss


def line(times_s: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return the least-squares slope per hour and the range, max - min, of values over time."""
    slope = np.polyfit(np.asarray(times_s), np.asarray(values), 1)[0]
    return float(slope * 3_600), float(np.ptp(values))


def _main(path: str, runtime: str, precision: str) -> None:
    imported, meter = peak_bytes()
    bundle = Bundle.load(path)
    classifier = bundle.open(runtime, precision)  # type: ignore[arg-type]
    waveform = noise_window(bundle.card)
    for _ in range(_WINDOWS):
        classifier(waveform)
    peak, _ = peak_bytes()
    print(json.dumps({"peak_bytes": peak, "imported_bytes": imported, "meter": meter}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
