"""The runner: labels, counts and words of the C++ program, in QEMU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kilohear.bundle import Bundle, Precision
from kilohear.errors import KilohearError
from kilohear_bench.android.adb import AdbPhone
from kilohear_bench.android.build import Build
from kilohear_bench.android.runner import FOLDER, Runner
from kilohear_bench.android.stand_in import StandIn

BUNDLE = "esc10-1khz"


def windows(count: int) -> np.ndarray:
    samples = Bundle.load(BUNDLE).card.samples
    noise = np.random.default_rng(1).standard_normal((count, samples))
    return (np.geomspace(1e-3, 0.5, count)[:, None] * noise).astype(np.float32)


def model(runner: Runner, precision: str) -> str:
    bundle = Bundle.load(BUNDLE)
    exports = bundle.card.exports
    file = next(e.file for e in exports if (e.runtime, e.precision) == ("executorch", precision))
    return runner.put(file, (bundle.path / file).read_bytes())


@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-5), ("int8", 0.1)])
def test_it_gives_what_the_host_gives(runner: Runner, precision: Precision, near: float) -> None:
    given = windows(4)
    done = runner.infer(model(runner, precision), given)
    classifier = Bundle.load(BUNDLE).open("executorch", precision)
    expected = np.array([classifier(window) for window in given])
    np.testing.assert_allclose(done.outputs, expected, atol=near)
    assert (done.outputs.argmax(1) == expected.argmax(1)).all()
    assert len(done.latency_ms) == 4
    assert min(done.latency_ms) > 0


def test_instructions_repeat_in_and_across_processes(runner: Runner) -> None:
    path, given = model(runner, "int8"), np.tile(windows(1), (2, 1))
    counts = [count for _ in range(2) for count in runner.infer(path, given, 1).instructions]
    assert len(counts) == 4
    assert max(counts) - min(counts) <= 0.002 * min(counts)
    assert min(counts) > 1e6


def test_it_loops_idles_and_has_no_microphone_here(runner: Runner) -> None:
    assert runner.loop(model(runner, "int8"), windows(1), 0.05) >= 1
    runner.idle(0.01)
    with pytest.raises(KilohearError, match=r"listen failed: no microphone: libaaudio\.so"):
        runner.listen(0.1, 8_000)


def test_wrong_windows_and_models_are_named(runner: Runner, phone: AdbPhone) -> None:
    path = model(runner, "int8")
    with pytest.raises(KilohearError, match="a window of this model is 20000 bytes"):
        runner.infer(path, windows(1)[:, :-1])
    damaged = bytearray(phone.pull(path))
    damaged[8:64] = bytes(56)
    with pytest.raises(KilohearError, match="infer failed: can't load"):
        runner.infer(runner.put("damaged.pte", bytes(damaged)), windows(1))
    with pytest.raises(KilohearError, match=r"infer failed: can't load .*none\.pte"):
        runner.infer(f"{FOLDER}/none.pte", windows(1))
    for words in ("", "infer", "loop a b c d", "idle soon"):
        done = phone.shell(f"{FOLDER}/runner {words}")
        assert done.code == 1
        assert list(json.loads(done.output)) == ["error"]


def test_what_is_there_isnt_sent_again(stand_in: StandIn, runner: Runner, build: Build) -> None:
    sent: list[str] = []
    stand_in.fault = lambda service: sent.append(service) if "SEND" in service else None
    runner.forget()
    runner.install(build)
    assert sent == []
    runner.put("new", b"new")
    runner.put("new", b"new")
    assert len(sent) == 1


def test_recordings_dont_stay_on_the_phone(stand_in: StandIn, runner: Runner) -> None:
    runner.infer(model(runner, "int8"), windows(1), keep=False)
    assert not list(stand_in.path(FOLDER).glob("*.f32"))
    parent = stand_in.path(FOLDER).parent
    (parent / "a source's note").touch()
    runner.remove()
    assert [path.name for path in parent.iterdir()] == ["a source's note"]
    (parent / "a source's note").unlink()
    runner.remove()
    assert not parent.exists()


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ('echo \'{"runner": "old", "executorch": "1"}\'', "of version 'old'"),
        ("echo no such loader >&2; exit 127", r"doesn't start \(no such loader\).*NDK"),
    ],
)
def test_another_runner_is_refused(
    phone: AdbPhone, tmp_path: Path, script: str, match: str
) -> None:
    other = tmp_path / "other"
    other.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(KilohearError, match=match):
        Runner(phone, "adb").install(Build(other))
