"""The board's FFT: equal to numpy's, and to itself on both processors."""

from __future__ import annotations

import ctypes
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from apollo3.checks import compare
from apollo3.checks.arm import ARM_CC, ArmKernel

POINTS = (32, 64, 128, 256, 512)
RESULTS = Path(__file__).parents[3] / "bench" / "results" / "apollo3"


def signal_of(points: int) -> NDArray[np.float32]:
    return np.random.default_rng(points).standard_normal(points).astype(np.float32)


def host_fft_f32(host: ctypes.CDLL, signal: NDArray[np.float32]) -> NDArray[np.complex64]:
    spectrum = np.zeros(len(signal) // 2 + 1, np.complex64)
    host.fft_f32(signal.ctypes, spectrum.ctypes, len(signal))
    return spectrum


@pytest.mark.parametrize("points", POINTS)
def test_f32_is_the_dft(host: ctypes.CDLL, points: int) -> None:
    signal = signal_of(points)
    error = np.abs(host_fft_f32(host, signal) - np.fft.rfft(signal.astype(np.float64)))
    assert error.max() < 2e-7 * np.log2(points) * np.sqrt(points)


@pytest.mark.parametrize("points", POINTS)
def test_f32_of_every_pure_tone(host: ctypes.CDLL, points: int) -> None:
    for k in range(points // 2 + 1):
        tone = np.cos(2 * np.pi * k * np.arange(points) / points + 0.3).astype(np.float32)
        expected = np.fft.rfft(tone.astype(np.float64))
        np.testing.assert_allclose(host_fft_f32(host, tone), expected, atol=1e-6 * points)


@pytest.mark.parametrize("points", POINTS)
def test_power_is_that_of_the_spectrum(host: ctypes.CDLL, points: int) -> None:
    signal = signal_of(points)
    work, power = np.zeros(points // 2, np.complex64), np.zeros(points // 2 + 1, np.float32)
    host.fft_power_f32(signal.ctypes, work.ctypes, power.ctypes, points)
    np.testing.assert_allclose(power, np.abs(host_fft_f32(host, signal)) ** 2, rtol=1e-6)


@pytest.mark.parametrize("points", POINTS)
def test_f32_on_the_board_equals_the_host_bit_for_bit(
    host: ctypes.CDLL, arm: ArmKernel, points: int
) -> None:
    signal = signal_of(points)
    spectrum = arm.place(bytes(8 * (points // 2 + 1)))
    arm.call("fft_f32", arm.place(signal), spectrum, points)
    on_board = arm.read(spectrum, np.complex64, points // 2 + 1)
    np.testing.assert_array_equal(on_board, host_fft_f32(host, signal))


def host_fft_q15(host: ctypes.CDLL, signal: NDArray[np.int16]) -> NDArray[np.complex128]:
    spectrum = np.zeros((len(signal) // 2 + 1, 2), np.int16)
    host.fft_q15(signal.ctypes, spectrum.ctypes, len(signal))
    return spectrum[:, 0] + 1j * spectrum[:, 1]


def loud_signals(points: int) -> list[NDArray[np.int16]]:
    """Half scale, where sums are largest: noise, extremes, constants, and tones like squares."""
    random = np.random.default_rng(points)
    phases = np.arange(points)
    signals = [random.uniform(-1, 1, points), np.ones(points), -np.ones(points)]
    signals += [np.sign(np.cos(2 * np.pi * k * phases / points + 0.7)) for k in range(points // 2)]
    signals += [np.cos(2 * np.pi * k * phases / points) for k in (1, 5, points // 2)]
    return [np.round(16_383 * signal).astype(np.int16) for signal in signals]


@pytest.mark.parametrize("points", POINTS)
def test_q15_is_the_dft_and_never_overflows(host: ctypes.CDLL, points: int) -> None:
    for signal in loud_signals(points):
        error = np.abs(host_fft_q15(host, signal) - np.fft.rfft(signal) * 2 / points)
        assert error.max() < 8  # steps of 2^-15
        assert np.sqrt(np.mean(error**2)) < 3


@pytest.mark.parametrize("points", POINTS)
def test_q15_power_is_that_of_the_spectrum(host: ctypes.CDLL, points: int) -> None:
    for signal in loud_signals(points):
        work, power = np.zeros(points, np.int16), np.zeros(points // 2 + 1, np.float32)
        host.fft_power_q15(signal.ctypes, work.ctypes, power.ctypes, points)
        expected = np.abs(host_fft_q15(host, signal)) ** 2
        np.testing.assert_allclose(power, expected, rtol=1e-6)


@pytest.mark.parametrize("points", POINTS)
def test_q15_on_the_board_equals_the_host_bit_for_bit(
    host: ctypes.CDLL, arm: ArmKernel, points: int
) -> None:
    signal = loud_signals(points)[0]
    spectrum = arm.place(bytes(4 * (points // 2 + 1)))
    arm.call("fft_q15", arm.place(signal), spectrum, points)
    on_board = arm.read(spectrum, np.int16, points + 2)
    expected = host_fft_q15(host, signal)
    np.testing.assert_array_equal(on_board[0::2] + 1j * on_board[1::2], expected)


@pytest.mark.parametrize("points", [0, 16, 48, 1024])
def test_other_lengths_are_left_alone(host: ctypes.CDLL, points: int) -> None:
    spectrum = np.full(4, 7, np.complex64)
    host.fft_f32(np.ones(4, np.float32).ctypes, spectrum.ctypes, points)
    np.testing.assert_array_equal(spectrum, 7)


def test_block_sums_the_power_of_whole_stretches(host: ctypes.CDLL) -> None:
    samples = np.random.default_rng(0).integers(-9_000, 9_000, 3 * 64 + 5, np.int16)
    host.fft_block.restype = ctypes.c_float
    spectra = np.fft.rfft(samples[: 3 * 64].reshape(3, 64))
    expected = np.sum(np.abs(spectra) ** 2)
    assert host.fft_block(samples.ctypes, len(samples), 64) == pytest.approx(expected, rel=1e-5)


def test_published_counts_are_these_and_near_those_of_cmsis(arm_elf: Path) -> None:
    published = json.loads((RESULTS / "fft.json").read_text())
    assert published["kind"] == "simulated"
    for row in published["rows"]:
        assert row["ratio"] <= compare.WITHIN
    done = subprocess.run([ARM_CC, "-dumpfullversion"], capture_output=True, text=True)
    if done.stdout.strip() != published["versions"]["gcc"]:
        pytest.skip(f"counted with gcc {published['versions']['gcc']}, here is {done.stdout}")
    for row in published["rows"]:
        counts = compare.count_own(arm_elf, row["points"])
        assert counts[row["format"]] == row["instructions"]
