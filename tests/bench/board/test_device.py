"""The simulator as a device: counted from power-on, gone on with as if never stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.bench.board.conftest import quiet

from kilohear.errors import BundleError, DataError
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.board.device import BoardDevice
from kilohear_bench.board.students import load_student
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices.choose import open_device
from kilohear_bench.measurement import Measurement
from kilohear_bench.run import RunStopped, resume_bench, run_bench
from kilohear_bench.store import STEPS, load_run, read_traces


def device_of(**settings: object) -> BoardDevice:
    device = open_device(SIMULATOR, BenchConfig(devices=(SIMULATOR,), **settings))  # type: ignore[arg-type]
    assert isinstance(device, BoardDevice)
    return device


def but_when(measurements: tuple[Measurement, ...]) -> list[Measurement]:
    return [dataclasses.replace(m, started_at=None) for m in measurements]


def test_it_says_the_same_each_time() -> None:
    said = []
    for _ in range(2):
        with device_of(rates_hz=(8_000, 1_000), windows=2) as device:
            plan = [step.name for step in device.plan()]
            said.append((device.name, device.describe(), device.subjects(), plan))
    assert said[0] == said[1]
    name, what, subjects, plan = said[0]
    assert name == SIMULATOR
    assert "simulated" in what["board"]
    assert [(s.name, s.rate_hz, s.runtime, s.precision) for s in subjects] == [
        ("esc10-8khz c int8", 8_000, "c", "int8"),
        ("esc10-1khz c int8", 1_000, "c", "int8"),
    ]
    assert len(set(plan)) == len(plan) == 2 * (2 + 1)


@pytest.mark.parametrize("kept", [0, 2])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(run_folder: Path, kept: int) -> None:
    """Counts, times and currents to the last digit, whichever steps the second process takes."""
    whole = load_run(run_folder)
    journal = run_folder / SIMULATOR / STEPS
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    torn = lines[kept][:100]
    journal.write_bytes(b"".join(lines[:kept]) + torn)
    again = resume_bench(run_folder, quiet)
    assert but_when(again.measurements) == but_when(whole.measurements)
    assert again.devices == whole.devices


def test_steps_count_the_same_in_any_order() -> None:
    with device_of(rates_hz=(1_000,), windows=2) as device:
        steps = {step.name: step for step in device.plan()}
        first = {name: step.measure() for name, step in steps.items()}
        for name in reversed(steps):
            again = steps[name].measure()
            assert but_when(tuple(again.measurements)) == but_when(tuple(first[name].measurements))


def test_energy_is_power_by_time_and_current_by_the_supply(run_folder: Path) -> None:
    run = load_run(run_folder)
    for subject in run.subjects:
        energy, power, time, current = (
            run.find(name, subject.name)
            for name in ("window_energy", "window_power", "window_time", "current_physical")
        )
        assert energy is not None
        assert power is not None
        assert time is not None
        assert current is not None
        assert {m.kind for m in (energy, power, time, current)} == {"modelled"}
        assert energy.samples == pytest.approx([power.mean * time.mean])
        assert power.mean == pytest.approx(current.mean * energy.conditions["supply_v"])
        assert time.mean == pytest.approx(subject.window_s * 1.024)  # the board is 2.3% slow


def test_a_windows_current_over_time_is_modelled_the_student_marked(run_folder: Path) -> None:
    run = load_run(run_folder)
    traces = [columns for _, columns in read_traces(run_folder, SIMULATOR)]
    assert len(traces) == 2
    for columns, subject in zip(traces, run.subjects, strict=True):
        student = columns["window"] == 1
        edges = np.flatnonzero(np.diff(columns["window"]))
        assert len(edges) == 2  # it runs once
        assert columns["current_ma"][student].min() > 1.3 * np.median(columns["current_ma"])
        mean = run.find("current_physical", subject.name)
        assert mean is not None
        assert columns["current_ma"].mean() == pytest.approx(mean.mean, rel=0.03)
    latency = run.find("latency", "esc10-1khz c int8")
    assert latency is not None
    # The student's time is all of the latency but the last block's log-mel.
    shortest = min(columns["window"].sum() for columns in traces)
    assert 0.5 * latency.mean < shortest <= latency.mean


def test_clips_are_heard_scored_and_compared(dataset: str, tmp_path: Path) -> None:
    config = BenchConfig(
        devices=(SIMULATOR,), rates_hz=(1_000,), windows=1, dataset=dataset, clips=2
    )
    run = run_bench(config, tmp_path / "run", quiet)
    tested = run.subjects[-1].name
    assert tested == "esc10-1khz-fold1 c int8"
    accuracy = run.find("macro_accuracy", tested)
    assert accuracy is not None
    assert accuracy.conditions["classes"] == ["dog", "rain"]
    assert accuracy.conditions["dataset"] == "noise"
    assert "card_score" not in accuracy.conditions  # its card knows nothing of noise
    for what in ("label", "logit"):
        agreed = run.find(f"{what}_agreement", tested)
        assert agreed is not None
        assert agreed.kind == "simulated"
        assert agreed.samples == (1.0, 1.0)
    assert run.failures == ()


def test_a_bundle_is_flashed_before_it_is_counted() -> None:
    with device_of(rates_hz=(1_000,), bundles=("esc10-1khz-fold1",), windows=1) as device:
        (subject,) = device.subjects()
        assert subject.bundle == "esc10-1khz-fold1"
        outcome = device.plan()[0].measure()
        assert {m.subject for m in outcome.measurements} == {subject.name}


def test_a_student_that_the_board_says_is_another_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = load_student("esc10-1khz-fold1")
    monkeypatch.setattr("kilohear_bench.board.session.bundle_of", lambda *_: other)
    with (
        pytest.raises(BundleError, match=r"esc10-1khz .*not esc10-1khz-fold1"),
        device_of(rates_hz=(1_000,)),
    ):
        pass


def test_a_simulator_that_fails_keeps_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kilohear_bench.apollo3.block import SimulatorError
    from kilohear_bench.board.simulated import Simulated

    def fail(*_: object) -> None:
        raise SimulatorError("a register that nobody models; name it")

    monkeypatch.setattr(Simulated, "_paper", fail)
    config = BenchConfig(devices=(SIMULATOR,), rates_hz=(1_000,), windows=1)
    with pytest.raises(RunStopped, match=r"nobody models.*bench resume"):
        run_bench(config, tmp_path / "run", quiet)
    assert load_run(tmp_path / "run").find("latency", "esc10-1khz c int8") is not None


@pytest.mark.data
def test_labels_of_real_clips_are_the_references(data_dir: Path, tmp_path: Path) -> None:
    config = BenchConfig(
        devices=(SIMULATOR,), rates_hz=(1_000,), windows=1, dataset="esc10", clips=2
    )
    run = run_bench(config, tmp_path / "run", quiet)
    tested = "esc10-1khz-fold1 c int8"
    labels, logits = (run.find(f"{what}_agreement", tested) for what in ("label", "logit"))
    assert labels is not None
    assert logits is not None
    assert labels.samples == logits.samples == 2 * (1.0,)
    accuracy = run.find("macro_accuracy", tested)
    assert accuracy is not None
    assert accuracy.conditions["card_score"] == 0.8125
    assert "kept from training" in accuracy.conditions["note"]


@pytest.mark.data
def test_a_student_is_never_scored_on_what_trained_it(data_dir: Path) -> None:
    device = device_of(rates_hz=(1_000,), bundles=("esc10-1khz",), dataset="esc10")
    with pytest.raises(DataError, match="was trained on"), device:  # before anything ran
        pass
