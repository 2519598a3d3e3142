"""The decimator: block sizes change no bit, no aliases, a flat pass band, nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.decimator import Decimator, decimate
from kilohear.errors import AudioError, RateError

GRANTED_HZ = (8_000, 11_025, 15_625, 16_000, 22_050, 44_100, 48_000)
PAIRS = [
    (granted_hz, rate_hz)
    for granted_hz in GRANTED_HZ
    for rate_hz in (1_000, 2_000, 16_000)
    if granted_hz > rate_hz
]
pairs = pytest.mark.parametrize(("granted_hz", "rate_hz"), PAIRS)


# Blocks of a single sample, of odd lengths, and up to a second of the highest rate.
block_sizes = st.lists(
    st.sampled_from([0, 1, 2, 3, 7]) | st.integers(0, 3_000) | st.sampled_from(GRANTED_HZ),
    min_size=1,
    max_size=12,
)


@pairs
@settings(max_examples=15)
@given(sizes=block_sizes, seed=st.integers(0, 99))
def test_a_stream_equals_the_whole_clip_bit_for_bit(
    granted_hz: int, rate_hz: int, sizes: list[int], seed: int
) -> None:
    clip = np.random.default_rng(seed).uniform(-1, 1, sum(sizes)).astype(np.float32)
    whole = decimate(clip, granted_hz, rate_hz)
    decimator = Decimator(granted_hz, rate_hz)
    blocks = np.split(clip.copy(), np.cumsum(sizes)[:-1])
    parts = [decimator.push(block) for block in blocks] + [decimator.flush()]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pairs
@given(samples=st.integers(0, 2_000))
@settings(max_examples=15)
def test_as_many_samples_come_out_as_their_time_holds(
    granted_hz: int, rate_hz: int, samples: int
) -> None:
    out = decimate(np.zeros(samples, np.float32), granted_hz, rate_hz)
    assert len(out) == -(-samples * rate_hz // granted_hz)


@pairs
def test_aliases_are_80_db_down(granted_hz: int, rate_hz: int) -> None:
    close = np.linspace(rate_hz / 2, 0.6 * rate_hz, 8)
    far = np.linspace(0.6 * rate_hz, granted_hz / 2, 17, endpoint=False)
    for frequency_hz in np.concatenate([close, far]):
        heard = _settled(frequency_hz, granted_hz, rate_hz)
        level_db = 20 * np.log10(np.abs(heard).max() + 1e-12)
        assert level_db <= -80.0, f"{frequency_hz:.1f} Hz comes through at {level_db:.1f} dB"


@pairs
def test_the_pass_band_is_flat_and_nothing_is_shifted(granted_hz: int, rate_hz: int) -> None:
    for frequency_hz in np.linspace(0.02, 0.9, 23) * rate_hz / 2:
        heard = _settled(frequency_hz, granted_hz, rate_hz, phase=0.3)
        time_s = (np.arange(len(heard)) + _settling(granted_hz, rate_hz)) / rate_hz
        turn = np.exp(1j * (2 * np.pi * frequency_hz * time_s + 0.3))
        basis = np.stack([turn.real, turn.imag], axis=1)
        cosine, sine = np.linalg.lstsq(basis, heard.astype(float), rcond=None)[0]
        assert abs(20 * np.log10(np.hypot(cosine, sine))) <= 0.1, f"at {frequency_hz:.1f} Hz"
        assert abs(np.arctan2(cosine, sine)) <= 0.01, f"shifted at {frequency_hz:.1f} Hz"


@pairs
def test_the_delay_is_what_it_says(granted_hz: int, rate_hz: int) -> None:
    decimator = Decimator(granted_hz, rate_hz)
    samples = granted_hz // 2
    given_out = len(decimator.push(np.zeros(samples, np.float32)))
    newest_s, heard_s = (given_out - 1) / rate_hz, (samples - 1) / granted_hz
    slack_s = 1 / rate_hz + 2 / granted_hz
    assert newest_s + decimator.delay_s <= heard_s + slack_s
    assert newest_s + decimator.delay_s >= heard_s - slack_s


@pairs
@settings(max_examples=15)
@given(
    at=st.integers(0, 2_999),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    before=st.integers(0, 5_000),
)
def test_what_is_no_number_is_refused_with_its_time_and_not_taken(
    granted_hz: int, rate_hz: int, at: int, value: float, before: int
) -> None:
    clip = np.random.default_rng(at).uniform(-1, 1, before + 3_000).astype(np.float32)
    decimator = Decimator(granted_hz, rate_hz)
    parts = [decimator.push(clip[:before].copy())]
    spoilt = clip[before:].copy()
    spoilt[at] = value
    sample = before + at
    with pytest.raises(AudioError, match=f"sample {sample} at {sample / granted_hz:.3f} s is"):
        decimator.push(spoilt)
    parts += [decimator.push(clip[before:].copy()), decimator.flush()]
    assert np.concatenate(parts).tobytes() == decimate(clip, granted_hz, rate_hz).tobytes()


@pairs
@settings(max_examples=5)
@given(level=st.sampled_from([1e-45, 1e-40, 1e-38, 1e30]))
def test_the_smallest_and_the_largest_numbers_pass(
    granted_hz: int, rate_hz: int, level: float
) -> None:
    clip = (np.random.default_rng(1).uniform(-1, 1, 4_000) * level).astype(np.float32)
    heard = decimate(clip, granted_hz, rate_hz)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 10 * level


def test_a_rate_that_needs_millions_of_taps_is_refused_at_once() -> None:
    with pytest.raises(RateError, match=r"999,983 Hz to 1,000 Hz needs a filter of millions"):
        Decimator(999_983, 1_000)


def test_the_block_is_overwritten() -> None:
    block = np.ones(1_000, np.float32)
    Decimator(16_000, 1_000).push(block)
    assert not block.any()


def test_the_same_rate_passes_every_bit() -> None:
    clip = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    np.testing.assert_array_equal(decimate(clip, 16_000, 16_000), clip)


def test_a_whole_clip_is_kept() -> None:
    clip = np.ones(1_000, np.float32)
    decimate(clip, 16_000, 1_000)
    assert clip.all()


def test_a_rate_below_the_students_is_refused_naming_both() -> None:
    with pytest.raises(RateError, match=r"8,000 Hz.*16,000 Hz"):
        Decimator(8_000, 16_000)


@pytest.mark.parametrize(("granted_hz", "rate_hz"), [(0, 0), (16_000, 0), (16_000, -1)])
def test_a_rate_of_nothing_is_refused(granted_hz: int, rate_hz: int) -> None:
    with pytest.raises(RateError, match="whole number"):
        Decimator(granted_hz, rate_hz)


def _settling(granted_hz: int, rate_hz: int) -> int:
    """Outputs at either end that a tone's sudden start or end reaches."""
    return int(np.ceil(Decimator(granted_hz, rate_hz).delay_s * rate_hz)) + 1


def _settled(frequency_hz: float, granted_hz: int, rate_hz: int, phase: float = 0.0) -> np.ndarray:
    edge = _settling(granted_hz, rate_hz)
    samples = (2 * edge + 200) * granted_hz // rate_hz
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(samples) / granted_hz + phase)
    return decimate(tone, granted_hz, rate_hz)[edge : -edge - 1]
