"""Latency: one window of waveform to probabilities, timed in turns so that drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from kilohear.bundle import Card
from kilohear.errors import ConfigError

WINDOWS = 30
WARM_UP = 5


def time_in_turns(
    calls: Mapping[str, Callable[[], object]],
    windows: int = WINDOWS,
    warm_up: int = WARM_UP,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, tuple[float, ...]]:
    """Time calls in turns: in every round each call once, after warm-up rounds.

    The order within a round is drawn anew, always from the same seed: what ran before leaves its
    data in the processor's caches, and no call shall always follow the same one. Sample i of
    every call belongs to round i, so that samples can be compared in pairs.

    Parameters
    ----------
    calls
        What to time, by name.
    windows, warm_up
        Rounds that are timed, and untimed rounds before them.
    clock_ns
        Nanoseconds; `time.process_time_ns` counts the computing of all threads instead.

    Returns
    -------
    Milliseconds of every timed call, by name.

    Raises
    ------
    ConfigError
        Where `windows` is below 30 or `warm_up` below 1: too few to say anything.
    """
    require_rounds(windows, warm_up)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    random, names = np.random.default_rng(0), list(calls)
    for i in range(warm_up + windows):
        for name in (names[j] for j in random.permutation(len(names))):
            call = calls[name]
            started_ns = clock_ns()
            call()
            elapsed_ns = clock_ns() - started_ns
            if i >= warm_up:
                samples[name].append(elapsed_ns / 1e6)
    return {name: tuple(values) for name, values in samples.items()}


def require_rounds(windows: int, warm_up: int) -> None:
    """Raise ConfigError where rounds are too few to say anything."""
    if windows < WINDOWS or warm_up < 1:
        raise ConfigError(
            f"latency: windows is {windows} and warm_up is {warm_up}; give {WINDOWS} and 1 at least"
        )


def real_time_factor(window_s: float, latency_ms: float) -> float:
    """Return seconds of sound classified per second of computing: above 1 keeps up with time."""
    return window_s / (latency_ms / 1e3)


def noise_window(card: Card) -> np.ndarray:
    """Return a window of quiet noise (samples,) float32, always the same, as the card takes it."""
    noise = np.random.default_rng(0).standard_normal(card.samples)
    return (0.1 * noise).astype(np.float32)
