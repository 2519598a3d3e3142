"""Treatments: aligned in time, nothing above the band left, the attack keeps the low band."""

from __future__ import annotations

import numpy as np
import pytest

from kilohear.decimator import decimate
from kilohear.errors import ConfigError
from kilohear_bench.privacy.stoi import stoi
from kilohear_bench.privacy.treatments import MEANING, Heard, extend_band, resample, treat

RATE_HZ = 16_000


@pytest.fixture
def clip() -> np.ndarray:
    """A second of a tone that stays and one that a rate of 1 kHz can't hold."""
    time = np.arange(RATE_HZ) / RATE_HZ
    low, high = np.sin(2 * np.pi * 200 * time), np.sin(2 * np.pi * 3_000 * time)
    return (0.3 * low + 0.3 * high).astype(np.float32)


@pytest.mark.parametrize("name", MEANING)
def test_the_tone_below_stays_where_it_is_and_the_one_above_goes(
    name: str, clip: np.ndarray
) -> None:
    before = clip.copy()
    heard = treat(name, clip, RATE_HZ, 1_000)
    assert np.array_equal(clip, before)
    back = resample(heard.samples, heard.rate_hz, RATE_HZ)
    middle = slice(4_000, 12_000)
    spectrum = np.fft.rfft(back[middle]) / 4_000
    assert spectrum[100] == pytest.approx(np.fft.rfft(clip[middle])[100] / 4_000, abs=0.01)
    assert abs(spectrum[1_500]) < 0.01  # 3 kHz is no mirror image of 200 Hz


@pytest.mark.parametrize("name", MEANING)
def test_the_same_clip_gives_the_same_samples(name: str, clip: np.ndarray) -> None:
    first, second = (treat(name, clip, RATE_HZ, 2_000) for _ in range(2))
    assert first.rate_hz == second.rate_hz
    assert np.array_equal(first.samples, second.samples)


def test_band_extension_fills_the_band_with_falling_images(clip: np.ndarray) -> None:
    extended = extend_band(decimate(clip, RATE_HZ, 1_000), 1_000)
    levels = np.abs(np.fft.rfft(extended[4_000:12_000])) / 4_000
    images = [levels[hz // 2] for hz in (800, 1_800, 3_800)]
    assert images == sorted(images, reverse=True)
    assert images[0] == pytest.approx(0.3 * 500 / 800, rel=0.05)  # -6 dB an octave from 500 Hz


def test_what_cant_be_is_refused(clip: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="no treatment 'phone'"):
        treat("phone", clip, RATE_HZ, 1_000)
    with pytest.raises(ConfigError, match="divides"):
        extend_band(clip, 3_000)


def test_stoi_falls_with_what_is_lost() -> None:
    random = np.random.default_rng(0)
    envelope = np.repeat(random.random(40), 800)
    clip = (envelope * random.standard_normal(32_000)).astype(np.float32)
    whole = stoi(clip, RATE_HZ, Heard(clip, RATE_HZ))
    less = stoi(clip, RATE_HZ, treat("decimator", clip, RATE_HZ, 1_000))
    assert whole == pytest.approx(1)
    assert less < 0.9
