"""The synthetic scene: seeded, labelled as synthetic, written without soundfile."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import kilohear
from kilohear.capture import Source
from kilohear.capture.synthetic import Scene
from kilohear.errors import ConfigError


def test_a_seed_gives_the_same_scene() -> None:
    np.testing.assert_array_equal(Scene(seed=3).clip(), Scene(seed=3).clip())
    assert not np.array_equal(Scene(seed=3).clip(), Scene(seed=4).clip())


def test_a_scene_is_a_source_of_its_own_clip() -> None:
    scene = Scene(duration_s=6.3)
    assert isinstance(scene, Source)
    heard = np.concatenate(list(scene.blocks()))
    assert len(heard) == round(6.3 * 16_000)
    np.testing.assert_array_equal(heard, scene.clip())


def test_every_part_says_that_it_is_synthetic() -> None:
    parts = Scene(duration_s=20).parts
    assert all(part.label.startswith("synthetic ") for part in parts)
    assert {part.label.split(" ", 1)[1] for part in parts} == {"tone", "silence", "noise burst"}
    assert parts[0].start_s == 0
    assert parts[-1].end_s == 20
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(parts))


def test_silence_is_quiet_and_the_rest_is_not() -> None:
    scene = Scene()
    for part in scene.parts:
        rate_hz = scene.rate_hz
        clip = scene.clip()[round(part.start_s * rate_hz) : round(part.end_s * rate_hz)]
        assert (np.sqrt(np.mean(clip**2)) < 1e-3) == part.label.endswith("silence")


def test_a_written_scene_is_heard_again(tmp_path: Path) -> None:
    scene = Scene(duration_s=3)
    scene.write(tmp_path / "scene.wav")
    source = kilohear.open_source(tmp_path / "scene.wav")
    assert source.rate_hz == scene.rate_hz
    np.testing.assert_allclose(np.concatenate(list(source.blocks())), scene.clip(), atol=1e-4)


@pytest.mark.parametrize("name", ["duration_s", "part_s", "block_s"])
def test_a_scene_of_no_length_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0"):
        Scene(**{name: 0.0})  # type: ignore[arg-type]
