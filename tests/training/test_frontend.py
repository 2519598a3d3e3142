"""The torch front end gives what the numpy one gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kilohear.config import from_dict
from kilohear.frontend import PRESETS, FrontEnd
from kilohear_training.frontend import TorchFrontEnd

GOLDEN = Path(__file__).parents[1] / "golden"
TOLERANCE_DB = 1e-3


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rate_hz", [1_000, 2_000, 16_000])
def test_torch_equals_numpy(preset: str, rate_hz: int) -> None:
    front_end = FrontEnd.preset(preset, rate_hz)
    random = np.random.default_rng(rate_hz)
    clips = 0.1 * random.standard_normal((3, 2 * rate_hz)).astype(np.float32)
    clips[1] *= 1e-3  # a quiet clip
    clips[2, rate_hz:] = 0  # and one that falls silent
    features = TorchFrontEnd(front_end)(torch.from_numpy(clips)).numpy()  # (3, 1, frames, bands)
    for clip, own in zip(clips, features, strict=True):
        np.testing.assert_allclose(own[0], front_end.log_mel(clip), atol=TOLERANCE_DB, rtol=0)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_golden_vectors(file: Path) -> None:
    golden = json.loads(file.read_text())
    front_end = from_dict(FrontEnd, golden["front_end"])
    clip = np.array(golden["waveform"], np.float32)
    expected = np.array(golden["log_mel"], np.float32)
    np.testing.assert_allclose(front_end.log_mel(clip), expected, atol=TOLERANCE_DB, rtol=0)
    torch_log_mel = TorchFrontEnd(front_end)(torch.from_numpy(clip)[None])[0, 0].numpy()
    np.testing.assert_allclose(torch_log_mel, expected, atol=TOLERANCE_DB, rtol=0)


def test_there_are_golden_vectors() -> None:
    assert len(list(GOLDEN.glob("*.json"))) >= 4
