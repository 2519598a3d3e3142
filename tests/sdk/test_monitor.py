"""The monitor: the same columns from any blocks, levels that are right, nothing kept for longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kilohear.capture.feed import Feed, Switch
from kilohear.monitor import BANDS, COLUMN_S, FLOOR_DB, SHOWN_S, Monitor, Spectrum


def fed(clip: NDArray[np.float32], rate_hz: int, *sizes: int, monitor: Monitor) -> None:
    """Let a feed read a clip in blocks of these sizes, one after another, again and again."""

    class Source:
        name, requested_hz, lost_samples = "clip", rate_hz, 0

        def __init__(self) -> None:
            self.rate_hz = rate_hz

        def blocks(self) -> Iterator[NDArray[np.float32]]:
            start, turn = 0, 0
            while start < len(clip):
                size = sizes[turn % len(sizes)]
                yield clip[start : start + size].copy()
                start, turn = start + size, turn + 1

    for _ in Feed(Source(), frozenset({1_000, 2_000}), Switch(), monitor=monitor).items():
        pass


def watched(clip: NDArray[np.float32], rate_hz: int, *sizes: int) -> Spectrum:
    monitor = Monitor()
    monitor.watch()
    fed(clip, rate_hz, *sizes, monitor=monitor)
    spectrum = monitor.spectrum()
    assert spectrum is not None
    return spectrum


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
)
def test_columns_are_the_same_for_any_blocks(sizes: list[int], rate_hz: int) -> None:
    clip = np.random.default_rng(0).uniform(-0.5, 0.5, rate_hz // 2).astype(np.float32)
    whole, pieces = watched(clip, rate_hz, len(clip)), watched(clip, rate_hz, max(sizes), *sizes)
    np.testing.assert_allclose(pieces.before_db, whole.before_db, atol=1e-3)
    np.testing.assert_allclose(pieces.after_db, whole.after_db, atol=1e-3)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("tone_hz", [200.0, 3_000.0])
def test_a_tone_is_in_its_band_before_and_after_if_the_student_hears_it(
    rate_hz: int, tone_hz: float
) -> None:
    time_s = np.arange(6 * rate_hz) / rate_hz
    spectrum = watched(np.sin(2 * np.pi * tone_hz * time_s).astype(np.float32), rate_hz, 1_600)
    assert spectrum.before_db.shape == spectrum.after_db.shape
    assert spectrum.before_db.shape[0] * spectrum.column_s == pytest.approx(SHOWN_S, abs=0.1)
    assert (spectrum.before_hz, spectrum.after_hz) == (rate_hz / 2, 500)
    loudest = int(spectrum.before_db[-1].argmax())
    assert loudest + 0.5 == pytest.approx(tone_hz / spectrum.before_hz * BANDS, abs=1)
    power = 10 ** (spectrum.before_db / 10)
    np.testing.assert_allclose(power.sum(axis=1), 0.5, rtol=0.1)  # a sine's mean square
    if tone_hz < 500:
        loudest = int(spectrum.after_db[-2].argmax())
        assert loudest + 0.5 == pytest.approx(tone_hz / 500 * BANDS, abs=1)
    else:
        assert spectrum.after_db[-2].max() < -80


@pytest.mark.parametrize("amplitude", [1.0, 0.01])
def test_levels_are_of_the_low_rate_signal(amplitude: float) -> None:
    monitor = Monitor()
    time_s = np.arange(16_000) / 8_000
    low, high = (np.sin(2 * np.pi * hz * time_s) for hz in (100.0, 3_000.0))
    fed((amplitude * (low + high) / 2).astype(np.float32), 8_000, 800, monitor=monitor)
    levels = monitor.levels()
    steady = [level.level_db for level in levels[3:-3]]
    np.testing.assert_allclose(steady, 20 * np.log10(amplitude / 2) - 3.01, atol=0.1)
    times_s = [level.at_s for level in levels]
    assert times_s == sorted(times_s)
    assert monitor.levels() == []


def test_levels_that_nobody_fetches_are_bounded_and_the_newest() -> None:
    monitor = Monitor()
    fed(np.full(80_000, 0.1, np.float32), 8_000, 80, monitor=monitor)
    levels = monitor.levels()
    assert len(levels) == 64
    assert levels[-1].at_s == pytest.approx(10.0, abs=0.1)


def test_bands_are_watched_only_while_asked_and_overwritten_after() -> None:
    monitor = Monitor()
    clip = np.full(8_000, 0.3, np.float32)
    fed(clip, 8_000, 100, monitor=monitor)
    assert monitor.spectrum() is None
    monitor.watch()
    monitor.before(clip[:100].copy())
    bands = monitor._bands
    assert bands is not None
    fed(clip, 8_000, 100, monitor=monitor)
    assert bands[0]._columns.max() > FLOOR_DB
    monitor.before(clip[:100].copy())
    assert bands[0]._scratch.any()
    monitor.end()
    assert not bands[0]._scratch.any()
    monitor.before(clip[:100].copy())
    monitor.unwatch()
    assert monitor.spectrum() is None
    for each in bands:
        assert not each._scratch.any()
        assert not each._tapered.any()
        assert np.all(each._columns == FLOOR_DB)


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_no_more_samples_are_held_than_a_column_needs(rate_hz: int) -> None:
    monitor = Monitor()
    monitor.watch()
    fed(np.full(rate_hz, 0.3, np.float32), rate_hz, 777, monitor=monitor)
    bands: Any = monitor._bands
    held = [each._scratch.size / each.rate_hz for each in bands]
    assert held == pytest.approx([2 * COLUMN_S] * 2, abs=1 / 1_000)
