"""Features are cached under their configuration; both rates of a pair are the same clip."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kilohear.errors import AudioError
from kilohear.frontend import FrontEnd
from kilohear_training.data.features import compute_features, load_features, read_clip
from kilohear_training.data.recordings import load_recordings

NATIVE = FrontEnd.preset("native", 1_000)


def test_cache_gives_the_same_and_is_keyed_by_configuration(
    recordings: Path, tmp_path: Path
) -> None:
    dataset = load_recordings(recordings)
    first = load_features(dataset, NATIVE, 1.0, tmp_path)
    assert first.shape == (24, NATIVE.frames(1_000), NATIVE.features)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    np.testing.assert_array_equal(load_features(dataset, NATIVE, 1.0, tmp_path), first)
    other = dataclasses.replace(NATIVE, floor_db=-60.0)
    load_features(dataset, other, 1.0, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_changed_data_are_not_taken_from_the_cache(recordings: Path, tmp_path: Path) -> None:
    dataset = load_recordings(recordings)
    fewer = dataclasses.replace(dataset, clips=dataset.clips[:5])
    assert len(load_features(dataset, NATIVE, 1.0, tmp_path)) == 24
    assert len(load_features(fewer, NATIVE, 1.0, tmp_path)) == 5


def test_both_rates_of_a_pair_start_together(tmp_path: Path) -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000] = 1.0
    path = tmp_path / "click.wav"
    soundfile.write(path, click, 16_000, subtype="FLOAT")
    for rate_hz in (1_000, 2_000, 16_000):
        assert np.argmax(np.abs(read_clip(path, rate_hz, 1.0))) == rate_hz // 2


def test_short_clips_are_padded_and_long_ones_cut(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.full(8_000, 0.5), 16_000)
    assert len(read_clip(path, 1_000, 2.0)) == 2_000
    assert len(read_clip(path, 1_000, 0.25)) == 250


def test_heard_at_a_low_rate_holds_nothing_above_it(recordings: Path) -> None:
    path = load_recordings(recordings).clips[0].path
    paper = FrontEnd.preset("paper", 16_000)
    full = compute_features(path, paper, 1.0)
    heard = compute_features(path, paper, 1.0, heard_at_hz=1_000)
    # The window's skirt reaches a few bands above the Nyquist frequency.
    dead = FrontEnd.preset("paper", 1_000).live_bands + 5
    assert full[5:-5, dead:].min() > -60  # noise fills the bands of the whole recording
    assert heard[5:-5, dead:].max() < -70


def test_damaged_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("not audio")
    with pytest.raises(AudioError, match=r"text\.wav: not audio"):
        read_clip(path, 1_000, 1.0)
