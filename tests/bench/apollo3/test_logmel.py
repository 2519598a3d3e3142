"""The board's log-mel: the golden vectors, and numpy's front end on the same samples."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.bench.apollo3.images import front_end_image

from apollo3.checks.arm import ArmKernel
from kilohear.config import from_dict
from kilohear.frontend import FrontEnd

GOLDEN = Path(__file__).parents[2] / "golden"
F32_DB = 1e-2
Q15_DB = {-20.0: 0.6, -30.0: 1.2, -40.0: 2.5}
"""The largest error of q15 by how far a band lies below the loudest one of its frame, dB.

Sixteen bits add noise some 60 dB below a frame's loudest bin, whatever the frame's level.
"""
PRESETS = [
    (preset, rate_hz)
    for preset in ("cropped", "native")
    for rate_hz in (1_000, 2_000, 4_000, 8_000, 16_000)
]


def frames_of(clip: NDArray, front_end: FrontEnd) -> NDArray:
    """Cut a clip as the front end does: (frames, window), contiguous."""
    if front_end.centred:
        margin = front_end.fft // 2
        clip = np.concatenate([clip[margin:0:-1], clip, clip[-2 : -margin - 2 : -1]])
    frames = np.lib.stride_tricks.sliding_window_view(clip, front_end.window)[:: front_end.hop]
    return np.ascontiguousarray(frames)


def host_log_mel(
    host: ctypes.CDLL, function: str, front_end: FrontEnd, frames: NDArray
) -> NDArray[np.float32]:
    image = front_end_image(front_end)
    values = np.zeros((len(frames), front_end.live_bands), np.float32)
    for frame, row in zip(frames, values, strict=True):
        host[function](image, frame.ctypes, row.ctypes)
    return values


def noise(front_end: FrontEnd, level: float) -> NDArray[np.int16]:
    """Four frames of noise that falls towards high frequencies, as sound does."""
    white = np.random.default_rng(3).standard_normal(front_end.window + 3 * front_end.hop)
    coloured = white.copy()
    coloured[1:] += 0.9 * white[:-1]
    return np.round(coloured / np.abs(coloured).max() * level * 32_767).astype(np.int16)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_golden_vectors(host: ctypes.CDLL, file: Path) -> None:
    golden = json.loads(file.read_text())
    front_end = from_dict(FrontEnd, golden["front_end"])
    frames = frames_of(np.array(golden["waveform"], np.float32), front_end)
    values = host_log_mel(host, "logmel_frame_of_floats", front_end, frames)
    np.testing.assert_allclose(values, golden["log_mel"], rtol=0, atol=F32_DB)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_golden_waveform_in_16_bits(host: ctypes.CDLL, file: Path) -> None:
    """What 16 bits leave of the waveform is given as exactly as numpy's front end gives it."""
    golden = json.loads(file.read_text())
    front_end = from_dict(FrontEnd, golden["front_end"])
    samples = np.round(np.array(golden["waveform"]) * 32_768).clip(-32_768, 32_767)
    frames = frames_of(samples.astype(np.int16), front_end)
    values = host_log_mel(host, "logmel_frame_f32", front_end, frames)
    expected = front_end.log_mel((samples / 32_768).astype(np.float32))
    np.testing.assert_allclose(values, expected, rtol=0, atol=F32_DB)


@pytest.mark.parametrize(("preset", "rate_hz"), PRESETS)
@pytest.mark.parametrize("level", [1.0, 0.001, 0.0])
def test_every_preset_agrees_with_numpy(
    host: ctypes.CDLL, preset: str, rate_hz: int, level: float
) -> None:
    front_end = FrontEnd.preset(preset, rate_hz)
    frames = frames_of(noise(front_end, level), front_end)
    values = host_log_mel(host, "logmel_frame_f32", front_end, frames)
    expected = front_end._log_mel_of_frames(frames / 32_768)
    np.testing.assert_allclose(values, expected, rtol=0, atol=F32_DB)


@pytest.mark.parametrize(("preset", "rate_hz"), PRESETS)
@pytest.mark.parametrize("function", ["logmel_frame_f32", "logmel_frame_q15"])
def test_on_the_board_equals_the_host_bit_for_bit(
    host: ctypes.CDLL, arm: ArmKernel, function: str, preset: str, rate_hz: int
) -> None:
    front_end = FrontEnd.preset(preset, rate_hz)
    frames = frames_of(noise(front_end, 0.5), front_end)[:1]
    expected = host_log_mel(host, function, front_end, frames)
    db = arm.place(bytes(4 * front_end.live_bands))
    arm.call(function, arm.place(front_end_image(front_end)), arm.place(frames), db)
    np.testing.assert_array_equal(arm.read(db, np.float32, front_end.live_bands), expected[0])


def assert_within_q15_bound(values: NDArray, expected: NDArray) -> None:
    below_loudest = expected - expected.max(axis=1, keepdims=True)
    for level, bound in Q15_DB.items():
        assert np.abs(values - expected)[below_loudest > level].max() <= bound


@pytest.mark.parametrize(("preset", "rate_hz"), PRESETS)
@pytest.mark.parametrize("level", [1.0, 0.01, 0.0003])
def test_q15_stays_within_its_bound(
    host: ctypes.CDLL, preset: str, rate_hz: int, level: float
) -> None:
    front_end = FrontEnd.preset(preset, rate_hz)
    frames = frames_of(noise(front_end, level), front_end)
    expected = front_end._log_mel_of_frames(frames / 32_768)
    values = host_log_mel(host, "logmel_frame_q15", front_end, frames)
    assert_within_q15_bound(values, expected)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_q15_of_the_golden_waveform(host: ctypes.CDLL, file: Path) -> None:
    golden = json.loads(file.read_text())
    front_end = from_dict(FrontEnd, golden["front_end"])
    samples = np.round(np.array(golden["waveform"]) * 32_768).clip(-32_768, 32_767)
    frames = frames_of(samples.astype(np.int16), front_end)
    values = host_log_mel(host, "logmel_frame_q15", front_end, frames)
    assert_within_q15_bound(values, np.array(golden["log_mel"]))


def test_q15_keeps_its_bits_where_a_click_is_tapered_away(host: ctypes.CDLL) -> None:
    front_end = FrontEnd.preset("native", 1_000)
    frames = frames_of(noise(front_end, 0.01), front_end)
    frames[:, 0] = 32_767
    expected = front_end._log_mel_of_frames(frames / 32_768)
    values = host_log_mel(host, "logmel_frame_q15", front_end, frames)
    assert_within_q15_bound(values, expected)


def test_q15_of_silence_and_of_one_step_is_finite(host: ctypes.CDLL) -> None:
    front_end = FrontEnd.preset("native", 1_000)
    frames = np.zeros((2, front_end.window), np.int16)
    frames[1, 64] = 1
    values = host_log_mel(host, "logmel_frame_q15", front_end, frames)
    np.testing.assert_allclose(values[0], front_end.floor_db, atol=1e-3)
    np.testing.assert_allclose(
        values[1], front_end._log_mel_of_frames(frames[1:] / 32_768)[0], atol=0.1
    )


def test_q15_takes_another_image_at_the_same_place(host: ctypes.CDLL) -> None:
    buffer = ctypes.create_string_buffer(8_192)
    for rate_hz in (1_000, 2_000):
        front_end = FrontEnd.preset("native", rate_hz)
        frames = frames_of(noise(front_end, 0.5), front_end)[:1]
        image = front_end_image(front_end)
        buffer[: len(image)] = image
        db = np.zeros(front_end.live_bands, np.float32)
        host.logmel_frame_q15(buffer, frames.ctypes, db.ctypes)
        np.testing.assert_array_equal(
            db, host_log_mel(host, "logmel_frame_q15", front_end, frames)[0]
        )


@pytest.mark.parametrize("function", ["logmel_frame_f32", "logmel_frame_q15"])
def test_1_khz_costs_a_fifteenth_of_16_khz(arm: ArmKernel, function: str) -> None:
    """Per second of audio, for the same frames: the paper's bands every 10 ms."""
    per_second = []
    for rate_hz in (1_000, 16_000):
        front_end = FrontEnd.preset("cropped", rate_hz)
        samples = arm.place(noise(front_end, 0.5))
        image, db = arm.place(front_end_image(front_end)), arm.place(bytes(4 * 64))
        calls = [arm.call(function, image, samples, db) for _ in range(2)]  # the first makes tables
        per_second.append(calls[1].instructions / front_end.hop_s)
    assert per_second[1] / per_second[0] >= 15
