"""The computer that this runs on: what it is, what runs on it, what else it does."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import kilohear
from kilohear import extras
from kilohear.errors import ConfigError

HOST = "host"
"""What results call this computer."""


def describe() -> dict[str, Any]:
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


def choose_core(asked: int | None = None) -> int | None:
    """Return the core to stay on: the one asked for, else the last that is allowed.

    None where the system can't keep a thread on a core, as macOS and Windows can't by Python.

    Raises
    ------
    ConfigError
        Where the core that is asked for isn't allowed, naming those that are.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if asked is not None and asked not in allowed:
        there = ", ".join(map(str, sorted(allowed))) or "none, as this system can't pin"
        raise ConfigError(f"core {asked} isn't one that may be used here ({there}); name another")
    return max(allowed) if asked is None and allowed else asked


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core; then as before. None: don't."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
