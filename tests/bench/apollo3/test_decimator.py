"""The board's decimator: its response, its stream, and C against Python bit for bit."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from apollo3 import tables
from apollo3.checks.arm import ArmKernel
from kilohear_bench.apollo3.decimator import DELAY, HALF_TAPS, TAPS, HalfRate

STATE_BYTES = 4 + 2 * (136 + 256)
LENGTH = 8_192
AMPLITUDE = 32_000


def noise(samples: int, seed: int = 0) -> NDArray[np.int16]:
    """White noise of full scale, its second half the two extremes alone."""
    random = np.random.default_rng(seed)
    values = random.integers(-32_768, 32_768, samples)
    values[samples // 2 :] = np.where(values[samples // 2 :] < 0, -32_768, 32_767)
    return values.astype(np.int16)


def on_host(host: ctypes.CDLL, blocks: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    state = ctypes.create_string_buffer(STATE_BYTES)
    host.decimator_reset(state)
    outputs = []
    for block in blocks:
        out = np.zeros(len(block) // 2 + 1, np.int16)
        count = host.decimator_push(state, block.ctypes, len(block), out.ctypes)
        outputs.append(out[:count])
    return np.concatenate(outputs)


def gain(cycles_per_sample: float) -> float:
    """Amplitude of a tone in int16 that comes out, at whatever frequency, over that going in.

    Noise of a few steps rides on the tone, or rounding would swallow what is below half a step;
    over all samples it weighs less than -105 dB.
    """
    phase = 2 * np.pi * cycles_per_sample * np.arange(2 * LENGTH)
    rough = np.random.default_rng(0).normal(0, 4, 2 * LENGTH)
    out = HalfRate().push(np.round(AMPLITUDE * np.cos(phase) + rough).astype(np.int16))[len(TAPS) :]
    phase_out = 4 * np.pi * cycles_per_sample * np.arange(len(out))
    # A real tone meets its own mirror image near half a turn: both are fitted.
    basis = np.stack([np.cos(phase_out), np.sin(phase_out)], axis=1) * np.hanning(len(out))[:, None]
    fit, *_ = np.linalg.lstsq(basis, out * np.hanning(len(out)), rcond=1e-6)
    return float(np.hypot(*fit)) / AMPLITUDE


def test_pass_band_is_flat() -> None:
    decibels = [20 * np.log10(gain(f)) for f in np.linspace(0.003, 0.9 / 4, 60)]
    assert np.abs(decibels).max() <= 0.1


def test_aliases_are_80_db_down() -> None:
    # At 0.25 and 0.5 cycles per sample a tone is a constant or alternates: kept off by a little.
    decibels = [20 * np.log10(gain(f)) for f in np.linspace(0.2505, 0.497, 120)]
    assert max(decibels) <= -80


def test_response_of_the_taps_themselves() -> None:
    cycles = np.linspace(0, 0.5, 8_001)
    response = np.abs(np.exp(-2j * np.pi * np.outer(cycles, np.arange(len(TAPS)))) @ TAPS) / 65_536
    assert np.abs(20 * np.log10(response[cycles <= 0.9 / 4])).max() <= 0.1
    assert response[cycles >= 0.25].max() <= 1e-4


def test_taps_are_designed_again() -> None:
    pytest.importorskip("scipy", reason="scipy designs the taps")
    np.testing.assert_array_equal(tables.decimator_half(), HALF_TAPS)


def test_delay_is_that_of_an_impulse() -> None:
    taps = [HalfRate().push(np.eye(1, 200, start, np.int16)[0] * 16_384) for start in (0, 1)]
    energy = np.zeros(200)
    energy[1::2], energy[0::2] = taps[0].astype(float) ** 2, taps[1].astype(float) ** 2
    assert np.average(np.arange(200), weights=energy) == pytest.approx(DELAY, abs=0.01)


@given(st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=50)
def test_stream_equals_whole(host: ctypes.CDLL, sizes: list[int]) -> None:
    clip = noise(sum(sizes))
    blocks = np.split(clip, np.cumsum(sizes)[:-1]) if sizes else [clip]
    whole = HalfRate().push(clip)
    stream = HalfRate()
    np.testing.assert_array_equal(np.concatenate([stream.push(b) for b in blocks]), whole)
    np.testing.assert_array_equal(on_host(host, blocks), whole)


def test_saturates_alike_on_all_three(host: ctypes.CDLL, arm: ArmKernel) -> None:
    clip = noise(1_001)
    signs = np.sign(TAPS)  # the clip for which a sum is largest
    clip[400 : 400 + len(TAPS)] = np.where(signs > 0, 32_767, -32_768)
    clip[700 : 700 + len(TAPS)] = np.where(signs > 0, -32_768, 32_767)
    expected = HalfRate().push(clip)
    assert expected.max() == 32_767
    assert expected.min() == -32_768
    np.testing.assert_array_equal(on_host(host, [clip]), expected)
    state, out = arm.place(bytes(STATE_BYTES)), arm.place(bytes(len(clip) + 1))
    arm.call("decimator_reset", state)
    total = 0
    for block in np.split(clip, [1, 8, 300, 303, 800]):
        total += arm.call(
            "decimator_push", state, arm.place(block), len(block), out + 2 * total
        ).result
    np.testing.assert_array_equal(arm.read(out, np.int16, total), expected)


def test_reset_leaves_nothing_of_the_stream(host: ctypes.CDLL) -> None:
    state = ctypes.create_string_buffer(STATE_BYTES)
    host.decimator_reset(state)
    fresh = state.raw
    host.decimator_push(state, noise(500).ctypes, 500, np.zeros(251, np.int16).ctypes)
    assert state.raw != fresh
    host.decimator_reset(state)
    assert state.raw == fresh
