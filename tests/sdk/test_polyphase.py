"""Strided rows are numpy's sliding windows, and never leave the samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.polyphase import PolyphaseResampler, strided_rows


@given(
    length=st.integers(1, 9),
    step=st.integers(1, 9),
    count=st.integers(1, 9),
    start=st.integers(0, 9),
)
def test_rows_are_sliding_windows(length: int, step: int, count: int, start: int) -> None:
    samples = np.arange(start + length + (count - 1) * step, dtype=np.float32)
    rows = strided_rows(samples, start, length, step, count)
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)
    np.testing.assert_array_equal(rows, windows[start::step])
    assert np.shares_memory(rows, samples)


@pytest.mark.parametrize(("start", "count"), [(0, 4), (1, 3), (-1, 1)])
def test_a_row_beyond_the_samples_is_refused(start: int, count: int) -> None:
    with pytest.raises(ValueError, match="incompatible"):
        strided_rows(np.arange(10.0), start, 4, 3, count)


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), [(16_000, 1_000), (44_100, 2_000), (1, 2)])
def test_an_older_numpy_gives_the_same_bits(
    rate_in_hz: int, rate_out_hz: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = np.random.default_rng(0).uniform(-1, 1, 4_000).astype(np.float32)
    newer = PolyphaseResampler(rate_in_hz, rate_out_hz).resample(clip)
    monkeypatch.delattr(np, "vecdot")
    older = PolyphaseResampler(rate_in_hz, rate_out_hz).resample(clip)
    np.testing.assert_array_equal(older, newer)
