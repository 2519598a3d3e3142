"""What a live run is made of: a sequence of sounds with marks, and what is computed of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.capture.synthetic import Scene
from kilohear.capture.wav import Recording
from kilohear.decimator import decimate
from kilohear.errors import ConfigError
from kilohear_bench.clips import Clip

RATE_HZ = 16_000
SLOT_S = 5.0
MARK_EVERY_S = 60.0
MARK_LEVEL = 0.8
"""Marks rise above, nothing else does."""

_MARK_S = 0.02
_MARK_HZ = 300.0
_MARK_PEAK = 0.95
_CLIP_PEAK = 0.5
_FLOOR = 1e-4  # no room is silent to the bit, and exact zeros mean a muted microphone


class Sounds:
    """A source: recordings and synthetic scenes in random order, made slot by slot, kept nowhere.

    The first slot and the last are faint noise. A mark, a loud blip of 20 ms, stands at the start
    of the second slot and every minute from there on: where it is found says what was lost in
    between. The same seed gives the same samples, those of 16-bit PCM.

    Parameters
    ----------
    duration_s
        Length in whole slots of 5 s, the first and the last of them included.
    clips
        Recordings to draw from; none: scenes alone.
    seed
        Of everything random.
    start_s
        Where to begin; below 0: after that much more of silence.
    """

    name = "generated sounds"
    lost_samples = 0
    rate_hz = requested_hz = RATE_HZ

    def __init__(
        self, duration_s: float, clips: Sequence[Clip] = (), seed: int = 0, start_s: float = 0.0
    ) -> None:
        if duration_s < 3 * SLOT_S or duration_s % SLOT_S:
            raise ConfigError(
                f"sounds: duration_s is {duration_s}; give a multiple of {SLOT_S:g}, 15 or more"
            )
        self.duration_s, self._clips, self._seed = duration_s, list(clips), seed
        self._start = round(start_s * RATE_HZ)

    @property
    def marks_s(self) -> NDArray[np.float64]:
        """When each mark begins, shape (marks,)."""
        return np.arange(SLOT_S, self.duration_s - SLOT_S, MARK_EVERY_S)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the slots (samples,) one after the other."""
        if self._start < 0:
            yield np.zeros(-self._start, np.float32)
        size = round(SLOT_S * RATE_HZ)
        for slot in range(round(self.duration_s / SLOT_S)):
            skip = min(max(self._start - slot * size, 0), size)
            if skip < size:
                yield self._slot(slot)[skip:].copy()

    def _slot(self, slot: int) -> NDArray[np.float32]:
        random = np.random.default_rng((self._seed, slot))
        sound = _FLOOR * random.standard_normal(round(SLOT_S * RATE_HZ))
        is_last = (slot + 1) * SLOT_S >= self.duration_s
        if slot and not is_last:
            sound += self._sound(random)
        if (slot * SLOT_S - SLOT_S) % MARK_EVERY_S == 0 and not is_last:
            time_s = np.arange(round(_MARK_S * RATE_HZ)) / RATE_HZ
            sound[: len(time_s)] = _MARK_PEAK * np.sin(2 * np.pi * _MARK_HZ * time_s)
        return (np.round(sound * 32_767) / 32_768).astype(np.float32)

    def _sound(self, random: np.random.Generator) -> NDArray[np.float32]:
        if not self._clips or random.uniform() < 0.25:
            return Scene(SLOT_S, RATE_HZ, int(random.integers(2**31))).clip()
        clip = read_at(self._clips[random.integers(len(self._clips))].path)
        clip = clip[: round(SLOT_S * RATE_HZ)]
        clip *= _CLIP_PEAK / max(float(np.abs(clip).max()), _CLIP_PEAK)
        return np.pad(clip, (0, round(SLOT_S * RATE_HZ) - len(clip)))


def read_at(path: Path, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Return a recording, shape (samples,), at a rate that is at most its own."""
    recording = Recording(path)
    return decimate(np.concatenate(list(recording.blocks())), recording.rate_hz, rate_hz)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Two listeners' events side by side.

    Attributes
    ----------
    first, second
        How many events each has.
    same
        Pairs with one label whose starts and ends lie within the tolerance.
    only_first, only_second
        The events without a partner.
    worst_start_s, worst_end_s, worst_probability
        The largest difference within a pair.
    """

    first: int
    second: int
    same: int
    only_first: tuple[dict[str, Any], ...]
    only_second: tuple[dict[str, Any], ...]
    worst_start_s: float
    worst_end_s: float
    worst_probability: float


def compare_events(
    first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]], tolerance_s: float
) -> Agreement:
    """Pair events (label, probability, start_s, end_s) in order of time, each with the nearest."""
    left = list(second)
    pairs, alone = [], []
    for event in first:
        near = [
            other
            for other in left
            if other["label"] == event["label"]
            and abs(other["start_s"] - event["start_s"]) <= tolerance_s
            and abs(other["end_s"] - event["end_s"]) <= tolerance_s
        ]
        if not near:
            alone.append(event)
            continue
        partner = min(near, key=lambda other: abs(other["start_s"] - event["start_s"]))
        left.remove(partner)
        pairs.append((event, partner))

    def worst(key: str) -> float:
        return max((abs(a[key] - b[key]) for a, b in pairs), default=0.0)

    return Agreement(
        first=len(first),
        second=len(second),
        same=len(pairs),
        only_first=tuple(alone),
        only_second=tuple(left),
        worst_start_s=worst("start_s"),
        worst_end_s=worst("end_s"),
        worst_probability=worst("probability"),
    )


def unreported_s(
    marks: Sequence[int], rate_hz: int, gaps: Sequence[dict[str, Any]]
) -> tuple[float, ...]:
    """Return for each mark after the first how much sound was lost since and no gap says.

    `marks` are indices of samples that were given, so that what was lost is missing between them.
    """
    lost = np.zeros(len(marks))
    for gap in gaps:
        # A gap's time counts what was lost before it, a mark's index doesn't.
        before_s = sum(g["lost_s"] for g in gaps if g["start_s"] < gap["start_s"])
        lost += np.where(np.asarray(marks) / rate_hz >= gap["start_s"] - before_s, gap["lost_s"], 0)
    heard_s = (np.asarray(marks) - marks[0]) / rate_hz + lost - lost[0]
    due_s = MARK_EVERY_S * np.round(heard_s / MARK_EVERY_S)
    return tuple(float(missing) for missing in (due_s - heard_s)[1:])
