"""The decimator: block sizes change no bit, no aliases, a flat pass band, nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.decimator import Decimator, decimate
from kilohear.errors import RateError

PAIRS = [
    (16_000, 2_000),
    (16_000, 1_000),
    (44_100, 1_000),
    (15_625, 2_000),
    (48_000, 2_000),
    (8_000, 1_000),
    (11_025, 1_000),
]
pairs = pytest.mark.parametrize(("granted_hz", "rate_hz"), PAIRS)


@pairs
@settings(max_examples=15)
@given(sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=12), seed=st.integers(0, 99))
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
