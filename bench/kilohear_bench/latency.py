"""Latency: one window of waveform to probabilities, timed in turns so that drift hits all alike.

Rounds come in pairs. A round calls each subject once; each pair's order is drawn anew, and its
second round is the first in reverse: A B C, C B A. So each subject is timed before and after each
other, a drift within a pair favours none, and what remains between a subject's first and second
rounds is noise (`noise`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kilohear.bundle import Card
from kilohear.errors import ConfigError

WINDOWS = 30
WARM_UP = 5

_SEED = 0
_RESAMPLES = 2_000


@dataclasses.dataclass(frozen=True)
class Noise:
    """How much a subject differs from itself.

    Attributes
    ----------
    ratio
        Median of the second rounds of the pairs to the median of the first; 1 without noise.
    low, high
        Its 95% interval.
    """

    ratio: float
    low: float
    high: float


def order_of(names: Sequence[str], i: int) -> list[str]:
    """Return the order of round `i` (from 0), which depends on `names` and `i` alone."""
    pair, second = divmod(i, 2)
    order = np.random.default_rng([_SEED, pair]).permutation(len(names))
    return [names[int(j)] for j in (order[::-1] if second else order)]


def time_round(
    calls: Mapping[str, Callable[[], object]],
    i: int,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, float]:
    """Time round `i`: each call once.

    The round's last call is made once untimed before it: what ran before leaves its data in the
    processor's caches, and the round's first call shall follow another one as the others do,
    neither itself (it was the last of the pair's first round) nor a write to disk.

    Returns
    -------
    Milliseconds of each call, by name, in the order of `calls`.
    """
    order = order_of(list(calls), i)
    calls[order[-1]]()
    taken_ms = dict.fromkeys(calls, 0.0)
    for name in order:
        call = calls[name]
        started_ns = clock_ns()
        call()
        taken_ms[name] = (clock_ns() - started_ns) / 1e6
    return taken_ms


def time_in_turns(
    calls: Mapping[str, Callable[[], object]],
    windows: int = WINDOWS,
    warm_up: int = WARM_UP,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, tuple[float, ...]]:
    """Time calls in turns: rounds as `time_round` takes them, after warm-up rounds.

    Sample i of every call belongs to round i, so that samples can be compared in pairs.

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
    for i in range(warm_up):
        time_round(calls, i, clock_ns)
    rounds = [time_round(calls, i, clock_ns) for i in range(windows)]
    return {name: tuple(taken_ms[name] for taken_ms in rounds) for name in calls}


def noise(samples: Sequence[float]) -> Noise:
    """Return how a subject's second rounds compare with its first, A against A.

    Parameters
    ----------
    samples
        One a round, in the order of the rounds; of an odd number the last is left out.

    Returns
    -------
    The ratio, with the central 95% of those of 2,000 bootstrap samples of the pairs, drawn from
    one seed. Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), the percentile
    method.

    Raises
    ------
    ConfigError
        Where there is no pair.
    """
    pairs = len(samples) // 2
    if not pairs:
        raise ConfigError(f"noise: {len(samples)} rounds hold no pair; measure two at least")
    values = np.asarray(samples[: 2 * pairs], np.float64).reshape(pairs, 2)
    drawn = np.random.default_rng(_SEED).integers(0, pairs, (_RESAMPLES, pairs))
    first, second = np.median(values[drawn], axis=1).T
    low, high = np.percentile(second / first, [2.5, 97.5])
    first, second = np.median(values, axis=0)
    return Noise(float(second / first), float(low), float(high))


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
