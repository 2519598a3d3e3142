"""The window buffer: every window once, whatever the blocks; a rest padded where it matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import ConfigError
from kilohear.window import WindowBuffer


@given(
    sizes=st.lists(st.integers(0, 40), max_size=12),
    hop=st.integers(1, 20),
    more=st.integers(0, 20),
)
def test_windows_do_not_depend_on_blocks(sizes: list[int], hop: int, more: int) -> None:
    window, total = hop + more, sum(sizes)
    clip = np.arange(1, total + 1, dtype=np.float32)
    buffer = WindowBuffer(window, hop)
    found = []
    for block in np.split(clip, np.cumsum(sizes)[:-1]) if sizes else []:
        found += buffer.push(block)
    full = max(0, 1 + (total - window) // hop)
    assert [start for start, _ in found] == [i * hop for i in range(full)]
    for start, samples in found:
        np.testing.assert_array_equal(samples, clip[start : start + window])
    rest = buffer.flush()
    uncovered = total - ((full - 1) * hop + window if full else 0)
    assert len(rest) == int(uncovered >= (hop / 2 if full else 1))
    for start, samples in rest:
        tail = clip[start:]
        assert start == full * hop
        np.testing.assert_array_equal(samples[: len(tail)], tail)
        assert not samples[len(tail) :].any()


@pytest.mark.parametrize("hop", [0, 11])
def test_a_hop_outside_the_window_is_refused(hop: int) -> None:
    with pytest.raises(ConfigError, match=f"hop is {hop}"):
        WindowBuffer(10, hop)
