"""The demo scene: what its parts say is what is heard, whatever the blocks."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from kilohear_ui import scene as scene_module
from kilohear_ui.scene import CLIPS, RATE_HZ, DemoScene, made_up

LONG_ENOUGH = 60 * RATE_HZ


@pytest.fixture(autouse=True)
def no_recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scene_module, "data_root", lambda: tmp_path)


@pytest.mark.parametrize("block_s", [0.1, 0.7])
def test_sound_is_where_parts_are_and_silence_between(block_s: float) -> None:
    scene = DemoScene(loops=False, block_s=block_s)
    assert scene.is_synthetic
    clip = np.concatenate(list(scene.blocks()))
    assert len(clip) == round(scene.duration_s * RATE_HZ)
    assert np.abs(clip).max() <= 1
    for part, after in zip(scene.parts, [*scene.parts[1:], None], strict=True):
        start, end = round(part.start_s * RATE_HZ), round(part.end_s * RATE_HZ)
        silence_ends = len(clip) if after is None else round(after.start_s * RATE_HZ)
        assert np.std(clip[start:end]) > 100 * np.std(clip[end:silence_ends]) > 0
    # Exact zeros would be a microphone that is switched off.
    assert all(block.any() for block in scene.blocks())


def test_it_begins_anew_and_is_the_same_again() -> None:
    scene = DemoScene(synthetic=True, block_s=1.0)
    rounds = round(2 * scene.duration_s)
    clip = np.concatenate(list(islice(scene.blocks(), rounds)))
    first, second = np.split(clip, 2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(made_up("rain"), made_up("rain"))


@pytest.mark.data
def test_recordings_are_taken_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if not (scene_module.data_root() / "esc50" / "audio").is_dir():
        pytest.skip("needs ESC-50 in KILOHEAR_DATA")
    scene = DemoScene(loops=False, block_s=1.0)
    assert not scene.is_synthetic
    assert [part.label for part in scene.parts] == list(CLIPS)
    assert DemoScene(synthetic=True).is_synthetic
    assert next(iter(scene.blocks())).any()
