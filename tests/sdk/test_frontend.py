"""The front end: a stream equals the clip, and the paper's features are librosa's."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.decimator import Decimator, decimate
from kilohear.errors import AudioError, ConfigError
from kilohear.frontend import FRAMES_AT_ONCE, PRESETS, FrontEnd
from kilohear.polyphase import PolyphaseResampler

RATES_HZ = [1_000, 2_000, 4_000, 8_000, 16_000]
LOW_RATES_HZ = [1_000, 2_000]
PAPER_EDGES_HZ = librosa.mel_frequencies(n_mels=66, fmin=50, fmax=8_000)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=8)
@given(chunks_ms=st.lists(st.integers(0, 700), max_size=8), seed=st.integers(0, 99))
def test_a_stream_equals_the_whole_clip(
    preset: str, rate_hz: int, chunks_ms: list[int], seed: int
) -> None:
    sizes = [chunk * rate_hz // 1_000 for chunk in [*chunks_ms, 300]]
    clip = _noise(sum(sizes), seed)
    front_end = FrontEnd.preset(preset, rate_hz)
    stream = front_end.stream()
    blocks = np.split(clip, np.cumsum(sizes)[:-1])
    parts = [stream.push(block) for block in blocks] + [stream.flush()]
    streamed, whole = np.concatenate(parts), front_end.log_mel(clip)
    assert streamed.shape == whole.shape == (front_end.frames(len(clip)), front_end.features)
    np.testing.assert_array_equal(streamed, whole)


@pytest.mark.parametrize(
    ("granted_hz", "rate_hz"),
    [
        (granted_hz, rate_hz)
        for granted_hz in (8_000, 11_025, 15_625, 16_000, 22_050, 44_100, 48_000)
        for rate_hz in (1_000, 2_000, 16_000)
        if granted_hz >= rate_hz
    ],
)
@settings(max_examples=8)
@given(data=st.data())
def test_a_stream_from_the_microphone_equals_the_whole_clip(
    granted_hz: int, rate_hz: int, data: st.DataObject
) -> None:
    sizes = data.draw(
        st.lists(st.integers(1, 64) | st.integers(1, granted_hz), min_size=1, max_size=6)
    )
    clip = _noise(sum(sizes) + granted_hz // 4)
    front_end = FrontEnd.preset("native", rate_hz)
    decimator, stream = Decimator(granted_hz, rate_hz), front_end.stream()
    blocks = np.split(clip.copy(), np.cumsum(sizes))
    parts = [stream.push(decimator.push(block)) for block in blocks]
    parts += [stream.push(decimator.flush()), stream.flush()]
    whole = front_end.log_mel(decimate(clip, granted_hz, rate_hz))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=10)
@given(
    before=st.integers(0, 900),
    at=st.integers(0, 99),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_what_is_no_number_is_refused_with_its_time_and_not_taken(
    preset: str, before: int, at: int, value: float
) -> None:
    front_end, clip = FrontEnd.preset(preset, 1_000), _noise(2_000)
    spoilt = clip[before : before + 100].copy()
    spoilt[at] = value
    stream = front_end.stream()
    parts = [stream.push(clip[:before])]
    sample = before + at
    with pytest.raises(AudioError, match=f"sample {sample} at {sample / 1_000:.3f} s is"):
        stream.push(spoilt)
    parts += [stream.push(clip[before:]), stream.flush()]
    np.testing.assert_array_equal(np.concatenate(parts), front_end.log_mel(clip))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("level", [1e-45, 1e-40, 1e-38, 1e18])
def test_the_smallest_and_the_largest_numbers_have_levels(preset: str, level: float) -> None:
    clip = (level * _noise(2_000) / 0.1).astype(np.float32)
    features = FrontEnd.preset(preset, 1_000).log_mel(clip)
    assert np.isfinite(features).all()
    if level < 1:
        silence = FrontEnd.preset(preset, 1_000).log_mel(np.zeros(2_000, np.float32))
        np.testing.assert_allclose(features, silence, atol=1e-3)


def test_paper_at_16_khz_is_librosas() -> None:
    clip = _noise(16_000)
    ours = FrontEnd.preset("paper", 16_000).log_mel(clip)
    np.testing.assert_allclose(ours, _librosa_paper(clip), atol=1e-2, rtol=0)


@pytest.mark.parametrize("rate_hz", LOW_RATES_HZ)
def test_paper_at_a_low_rate_is_librosas_of_the_up_sampled_clip(rate_hz: int) -> None:
    clip = _noise(2 * rate_hz)
    front_end = FrontEnd.preset("paper", rate_hz)
    live = front_end.live_bands
    up_sampled = PolyphaseResampler(rate_hz, 16_000).resample(clip)
    ours, theirs = front_end.log_mel(clip), _librosa_paper(up_sampled)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours[:, :live], theirs[:, :live], atol=1e-2, rtol=0)


@pytest.mark.parametrize("rate_hz", LOW_RATES_HZ)
def test_cropped_is_near_paper_below_nine_tenths_of_nyquist(rate_hz: int) -> None:
    clip = _noise(3 * rate_hz)
    cropped = FrontEnd.preset("cropped", rate_hz).log_mel(clip)
    paper = FrontEnd.preset("paper", rate_hz).log_mel(clip)
    below = int(np.sum(PAPER_EDGES_HZ[2:] <= 0.9 * rate_hz / 2))
    assert below >= 5
    inner = slice(10, -10)  # edge frames hold the mirrored end, which differs
    np.testing.assert_allclose(cropped[inner, :below], paper[inner, :below], atol=0.3, rtol=0)


@pytest.mark.parametrize("rate_hz", LOW_RATES_HZ)
def test_dead_bands_never_move(rate_hz: int) -> None:
    front_end = FrontEnd.preset("paper", rate_hz)
    features = front_end.log_mel(_noise(2 * rate_hz))
    assert features.shape[1] == 64
    assert front_end.live_bands < 64
    assert np.all(features[:, front_end.live_bands :] == np.float32(front_end.floor_db))


def test_live_bands_are_those_that_begin_below_nyquist() -> None:
    for rate_hz in LOW_RATES_HZ:
        expected = int(np.sum(PAPER_EDGES_HZ[:-2] < rate_hz / 2))
        assert FrontEnd.preset("cropped", rate_hz).features == expected


@pytest.mark.parametrize("preset", PRESETS)
def test_silence_is_finite_and_constant(preset: str) -> None:
    features = FrontEnd.preset(preset, 1_000).log_mel(np.zeros(2_000, np.float32))
    assert np.all(features == features.ravel()[0])
    assert np.isfinite(features).all()


def test_a_band_that_holds_no_point_of_the_dft_stays_at_the_floor() -> None:
    front_end = FrontEnd(
        rate_hz=1_000, window_s=0.032, hop_s=0.032, fft=32, bands=40, low_hz=20.0, high_hz=500.0
    )
    is_empty = ~front_end.filter_bank.any(axis=0)
    features = front_end.log_mel(_noise(1_000))
    assert 0 < is_empty.sum() < 40
    assert np.all(features[:, is_empty] == np.float32(front_end.floor_db))
    assert np.all(features[:, ~is_empty] > front_end.floor_db)


def test_a_long_clip_is_the_same_as_its_frames_one_by_one() -> None:
    front_end = FrontEnd.preset("native", 1_000)
    count = 2 * FRAMES_AT_ONCE + 3
    clip = _noise(front_end.window + (count - 1) * front_end.hop)
    starts = range(0, count * front_end.hop, front_end.hop)
    alone = [front_end.log_mel(clip[start : start + front_end.window]) for start in starts]
    np.testing.assert_array_equal(front_end.log_mel(clip), np.concatenate(alone))


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'papper'.*paper"):
        FrontEnd.preset("papper", 1_000)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"fft": 8}, "fft is 8"),
        ({"hop_s": 0.0}, "hop_s"),
        ({"hop_s": 0.2}, "hop_s"),
        ({"low_hz": 700.0}, "low_hz|empty"),
        ({"low_hz": 500.0, "high_hz": 600.0}, "Nyquist"),
        ({"bands": 0}, "bands is 0; give 1 to 4,096"),
        ({"fft": 10**12}, "fft is 1000000000000; give"),
        ({"window_s": 1e308}, "window_s is 1e\\+308 s, under one sample or over"),
    ],
)
def test_a_front_end_without_sense_is_refused(changes: dict[str, float], names: str) -> None:
    values = {"rate_hz": 1_000, "window_s": 0.064, "hop_s": 0.032, "fft": 64, "bands": 8}
    values |= {"low_hz": 20.0, "high_hz": 500.0}
    with pytest.raises(ConfigError, match=names):
        FrontEnd(**(values | changes))  # type: ignore[arg-type]


def _noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def _librosa_paper(clip: np.ndarray) -> np.ndarray:
    """PANNs' CNN14_16k features, (frames, 64)."""
    power = librosa.feature.melspectrogram(
        y=clip.astype(np.float32),
        sr=16_000,
        n_fft=512,
        hop_length=160,
        n_mels=64,
        fmin=50,
        fmax=8_000,
        pad_mode="reflect",
    )
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T
