"""Losses by timestamps: drops are counted; jitter, drift and a late stamp are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kilohear.capture.frame_clock import JITTER_S, FrameClock

RATE_HZ = 8_000
BLOCK = 800


def _stamps(blocks: int, drops: dict[int, int], late_s: np.ndarray, ppm: float = 0.0) -> list[int]:
    """What the clock says at each block; `drops` are samples lost before a block."""
    clock, found, at_s = FrameClock(RATE_HZ), [], 1e6
    for i in range(blocks):
        at_s += (BLOCK + drops.get(i, 0)) / RATE_HZ * (1 + 1e-6 * ppm)
        found.append(clock.lost((i + 1) * BLOCK, round(1e9 * (at_s + late_s[i]))))
    return found


@given(st.integers(0, 2**32 - 1), st.floats(-200, 200))
def test_an_hour_of_jitter_and_drift_loses_nothing(seed: int, ppm: float) -> None:
    late_s = np.random.default_rng(seed).uniform(0, 0.8 * JITTER_S, 3_600)
    assert sum(_stamps(3_600, {}, late_s, ppm)) == 0


@given(st.dictionaries(st.integers(5, 190), st.integers(1_000, 40_000), max_size=5))
def test_every_drop_is_counted(drops: dict[int, int]) -> None:
    late_s = np.random.default_rng(0).uniform(0, 0.2 * JITTER_S, 200)
    found = sum(_stamps(200, drops, late_s))
    assert abs(found - sum(drops.values())) <= 0.2 * JITTER_S * RATE_HZ * max(1, len(drops))


def test_one_late_stamp_is_no_loss_and_two_the_same_are_one() -> None:
    late_s = np.zeros(20)
    late_s[7] = 0.4
    assert sum(_stamps(20, {}, late_s)) == 0
    assert _stamps(20, {5: 2_000}, late_s)[6:8] == [2_000, 0]  # nor after a loss
    clock = FrameClock(RATE_HZ)
    assert [clock.lost(800, 10**9)] + [clock.lost(1_600, 2 * 10**9) for _ in range(5)] == [0] * 6
