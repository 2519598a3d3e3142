"""Listening: the sound is made as it is heard, a fresh process tells, memory's drift is found."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from kilohear.bundle import shipped
from kilohear.errors import BackendError
from kilohear_bench.fresh import run_fresh
from kilohear_bench.speed import listening
from kilohear_bench.speed.listening import SAMPLES, MadeSound, Run, drift

ONNX = Run(str(shipped()["esc10-1khz"]), "onnx", 8_000, 20.0, 0.1, False)


@pytest.mark.parametrize("block_s", [0.1, 0.5])
def test_the_sound_is_loud_and_quiet_and_as_long_as_it_says(block_s: float) -> None:
    sound = MadeSound(8_000, 60.0, block_s)
    levels, samples = [], 0
    for block in sound.blocks():
        assert block.shape == (round(8_000 * block_s),)
        assert np.abs(block).max() < 1
        levels.append(float(np.sqrt(np.mean(block**2))))
        samples += len(block)
    assert samples == 60 * 8_000
    assert min(levels) < 1e-3 < 0.05 < max(levels)
    assert len(sound.cpu_s) == len(sound.resident) == SAMPLES + 1
    assert sound.every_s * SAMPLES == pytest.approx(60.0)
    assert np.all(np.diff(sound.cpu_s) >= 0)


def test_a_fresh_process_listens_without_torch() -> None:
    heard = run_fresh(listening.__name__, [json.dumps(dataclasses.asdict(ONNX))], "a test", 60)
    assert heard["windows"] == 16
    assert not heard["torch_imported"]
    assert len(heard["cpu_s"]) == len(heard["resident"])
    assert 0 < heard["resident"][-1] <= heard["peak"]


def test_a_process_that_fails_is_named() -> None:
    gone = dataclasses.replace(ONNX, bundle="gone")
    with pytest.raises(BackendError, match=r"hour of onnx.*no bundle at gone"):
        run_fresh(listening.__name__, [json.dumps(dataclasses.asdict(gone))], "hour of onnx", 60)


def test_a_leak_is_found_and_the_first_minutes_dont_count() -> None:
    at_s = 60.0 * np.arange(1, 61)
    leaking = 5e7 + 1_000 * at_s
    leaking[:4] = 9e7
    found = drift(leaking.tolist(), 60.0)
    assert found is not None
    assert found[0] == pytest.approx(3_600_000)
    assert found[1] == pytest.approx(55 * 60_000)
    assert drift([5e7] * 60, 60.0) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert drift([5e7] * 4, 60.0) is None
