"""Pacing changes when a block comes, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kilohear.capture import Source
from kilohear.capture.paced import Paced


def test_blocks_wait_for_their_time(array_source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    monkeypatch.setattr("time.sleep", lambda wait_s: now_s.__setitem__(0, now_s[0] + wait_s))
    clip = np.random.default_rng(0).standard_normal(2_500).astype(np.float32)
    paced = Paced(array_source(clip, 1_000, block=1_000, lost_samples=7))
    assert isinstance(paced, Source)
    came_s, heard = [], []
    for block in paced.blocks():
        came_s.append(now_s[0] - 10.0)
        heard.append(block)
    assert came_s == pytest.approx([1.0, 2.0, 2.5])
    np.testing.assert_array_equal(np.concatenate(heard), clip)
    assert (paced.rate_hz, paced.requested_hz, paced.lost_samples) == (1_000, 1_000, 7)
