"""A physical board's steps, with a simulator's serial port for a board and a meter's stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.board.conftest import FakeMeter, quiet, recording_of

from kilohear.errors import BundleError
from kilohear_bench.board import physical
from kilohear_bench.board.report import markdown, tables
from kilohear_bench.board.run import board_view
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import DeviceLost
from kilohear_bench.devices.apollo3_simulator import Simulator
from kilohear_bench.devices.choose import open_device
from kilohear_bench.meters import MeterError, Recording
from kilohear_bench.run import RunStopped, resume_bench, run_bench
from kilohear_bench.store import load_run, read_traces

SUBJECT = "esc10-1khz c int8"


def metered(monkeypatch: pytest.MonkeyPatch, recording: Recording) -> FakeMeter:
    meter = FakeMeter(recording)
    monkeypatch.setattr(physical, "open_meter", lambda _spec: meter)
    return meter


def config_of(port: str, **settings: object) -> BenchConfig:
    return BenchConfig(devices=(f"apollo3:{port}",), rates_hz=(1_000,), **settings)  # type: ignore[arg-type]


def test_a_window_is_timed_and_metered_from_label_to_label(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered(monkeypatch, recording_of())
    run = run_bench(config_of(port, windows=2, meter="fake"), tmp_path / "run", quiet)
    found = {m.name: m for m in run.measurements}
    assert {m.kind for m in run.measurements} == {"measured"}
    assert {len(m.samples) for m in run.measurements} == {2}
    mean_ma = (2.5 * 0.5 + 0.5 * 3.0) / 3.0
    for name, value in (
        ("current", mean_ma),
        ("window_power", 3.0 * mean_ma),
        ("window_time", 3.0),
        ("window_energy", 3.0 * mean_ma * 3.0),
    ):
        assert found[name].samples == pytest.approx(2 * (value,))
        assert found[name].meter == "PPK2 of the test"
        assert "from label to label" in found[name].conditions["window_is"]
    assert found["cycles_student"].mean > 1e5
    device = run.devices[0].name
    traces = list(read_traces(tmp_path / "run", device))
    assert len(traces) == 2
    for _, columns in traces:
        assert list(columns) == ["time_s", "current_ma", "power_mw", "window"]
        assert columns["window"].sum() == 1_000
    board = board_view(run, device)
    assert "measured" in next(iter(tables(board)))
    assert "7.50" not in markdown(board)
    assert f"{found['window_energy'].mean:.2f}" in markdown(board)


def test_without_a_meter_it_is_timed(port: str, tmp_path: Path) -> None:
    run = run_bench(config_of(port, windows=1), tmp_path / "run", quiet)
    assert run.find("latency", SUBJECT) is not None
    assert run.find("current", SUBJECT) is None


KILLED_AFTER_A_STEP = """
import os, signal, sys
from pathlib import Path
from tests.bench.board.conftest import FakeMeter, recording_of
from kilohear_bench.board import physical
from kilohear_bench.config import BenchConfig
from kilohear_bench.run import run_bench
from kilohear_bench.store import Store

append = Store.append

def kill(*arguments):
    append(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

Store.append = kill
physical.open_meter = lambda _spec: FakeMeter(recording_of())
_, port, folder = sys.argv
config = BenchConfig((f"apollo3:{port}",), rates_hz=(1_000,), windows=2, meter="fake")
run_bench(config, Path(folder), print)
"""


def test_a_killed_run_goes_on_in_another_process(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    path = os.pathsep.join(part for part in (os.getcwd(), *sys.path) if part)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_A_STEP, port, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    metered(monkeypatch, recording_of())
    run = resume_bench(folder, quiet)
    assert run.finished_at is not None
    assert {len(m.samples) for m in run.measurements} == {2}
    assert len(list(read_traces(folder, run.devices[0].name))) == 2


def test_a_meter_that_stops_is_named_and_the_run_goes_on_later(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = metered(monkeypatch, recording_of())
    stop = meter.stop

    def fail_at_the_second() -> Recording:
        recording = stop()
        monkeypatch.setattr(meter, "stop", broken)
        return recording

    def broken() -> Recording:
        raise MeterError("PPK2 of the test: its port is gone; plug it in")

    monkeypatch.setattr(meter, "stop", fail_at_the_second)
    with pytest.raises(RunStopped, match=r"its port is gone.*bench resume"):
        run_bench(config_of(port, windows=2, meter="fake"), tmp_path / "run", quiet)
    energy = load_run(tmp_path / "run").find("window_energy", SUBJECT)
    assert energy is not None
    assert len(energy.samples) == 1
    metered(monkeypatch, recording_of())
    energy = resume_bench(tmp_path / "run", quiet).find("window_energy", SUBJECT)
    assert energy is not None
    assert len(energy.samples) == 2


@pytest.mark.parametrize("pulses", [1, 3])
def test_a_gate_that_is_not_the_boards_is_refused(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulses: int
) -> None:
    metered(monkeypatch, recording_of(pulses))
    with pytest.raises(RunStopped, match=rf"{pulses} labels where the board said 2"):
        run_bench(config_of(port, windows=1, meter="fake"), tmp_path / "run", quiet)


def test_a_window_that_a_brown_out_cuts_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator() as simulator:
        meter = metered(monkeypatch, recording_of())
        start, troubles = meter.start, ["brown-out"]

        def sag() -> None:
            start()
            if troubles:
                simulator.reset(troubles.pop())

        monkeypatch.setattr(meter, "start", sag)
        run = run_bench(config_of(simulator.port, windows=1, meter="fake"), tmp_path / "run", quiet)
    assert not troubles
    assert {len(m.samples) for m in run.measurements} == {1}


def test_a_link_that_stays_lost_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physical, "_RECONNECT_S", 0.2)
    with Simulator() as simulator:
        config = config_of(simulator.port, windows=2)
        with open_device(config.devices[0], config) as device:
            first, second = device.plan()
            assert first.measure().measurements
            simulator.unplug()
            with pytest.raises(DeviceLost, match="plug"):
                second.measure()


def test_a_bundle_that_is_not_on_the_board_is_refused_before_anything(
    port: str, tmp_path: Path
) -> None:
    config = config_of(port, bundles=("esc10-1khz-fold1",))
    with pytest.raises(BundleError, match=r"not esc10-1khz-fold1.*board flash"):
        run_bench(config, tmp_path / "run", quiet)
    assert not (tmp_path / "run").exists()
