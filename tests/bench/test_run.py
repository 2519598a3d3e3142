"""The run: every step once, whatever stops it; what a device failed to give is said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bench.fake_device import STEPS, Fake, opener

from kilohear.errors import ConfigError, KilohearError
from kilohear_bench import run as run_module
from kilohear_bench.config import BenchConfig
from kilohear_bench.result import Run
from kilohear_bench.run import RunStopped, resume_bench, run_bench
from kilohear_bench.store import load_run, read_traces

CONFIG = BenchConfig(devices=("fake",))


def quiet(_: str) -> None:
    pass


class Killed(BaseException):
    """Stands for a kill: nothing may handle it."""


def begin(monkeypatch: pytest.MonkeyPatch, folder: Path, *devices: Fake) -> Run:
    monkeypatch.setattr(run_module, "open_device", opener(*devices))
    return run_bench(BenchConfig(devices=tuple(d.name for d in devices)), folder, quiet)


def go_on(monkeypatch: pytest.MonkeyPatch, folder: Path, *devices: Fake) -> Run:
    monkeypatch.setattr(run_module, "open_device", opener(*devices))
    return resume_bench(folder, quiet)


def files(folder: Path) -> dict[str, bytes]:
    """The run's files but for what holds times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".jsonl", ".txt", ".json")
    }


def test_every_step_is_kept_and_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = begin(monkeypatch, tmp_path / "run", Fake())
    latency = run.find("latency", "a onnx float32")
    assert latency is not None
    assert latency.samples == tuple(v for i in range(STEPS) for v in (float(i), i + 0.5))
    accuracy = run.find("macro_accuracy", "a onnx float32")
    assert accuracy is not None
    assert len(accuracy.conditions["clips_true_predicted"]) == STEPS
    assert run.finished_at is not None
    assert load_run(tmp_path / "run") == run
    traces = list(read_traces(tmp_path / "run", "fake"))
    assert len(traces) == STEPS
    trace, columns = traces[3]
    assert (trace.rate_hz, trace.kind, trace.meter) == (1_000, "simulated", "by script")
    assert columns["current_ma"].tolist() == [8.0] * 4
    table = (tmp_path / "run" / "fake" / "samples.csv").read_text().splitlines()
    assert len(table) == 1 + 3 * STEPS


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(stops=st.lists(st.integers(0, STEPS - 1), max_size=4, unique=True), torn=st.booleans())
def test_a_run_that_is_stopped_anywhere_ends_as_one_that_isnt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[int], torn: bool
) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    whole = begin(monkeypatch, tmp_path / "whole", Fake())
    folder, taken = tmp_path / "stopped", []
    for stop in sorted(stops):

        def kill(i: int, stop: int = stop) -> None:
            if i == stop:
                raise Killed

        device = Fake(on_step=kill, taken=taken)
        with pytest.raises(Killed):
            (go_on if folder.exists() else begin)(monkeypatch, folder, device)
        journal = folder / "fake" / "steps.jsonl"
        if torn and journal.exists():  # the kill came in the middle of the next line
            with journal.open("a") as file:
                file.write('{"step": "window/')
            with (folder / "fake" / "samples.csv").open("a") as file:
                file.write("window/")
    device = Fake(taken=taken)
    run = (go_on if folder.exists() else begin)(monkeypatch, folder, device)
    assert taken == list(range(STEPS))
    assert run.measurements == whole.measurements
    assert files(folder) == files(tmp_path / "whole")


def test_a_finished_run_isnt_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = begin(monkeypatch, tmp_path / "run", Fake())
    device = Fake()
    assert go_on(monkeypatch, tmp_path / "run", device) == run
    assert device.taken == []


def test_a_device_that_fails_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad, good = Fake("bad", fails_at=2), Fake("good")
    folder = tmp_path / "run"
    with pytest.raises(RunStopped, match=f"the cable is out.*resume {folder}"):
        begin(monkeypatch, folder, bad, good)
    assert good.taken == list(range(STEPS))
    run = load_run(folder)
    assert run.finished_at is None
    assert "cable" in run.failures[0]
    assert len(run.of("bad").measurements[0].samples) == 4
    run = go_on(monkeypatch, folder, bad, good)
    assert bad.taken == good.taken == list(range(STEPS))
    assert not run.failures
    assert not bad.is_open
    assert not good.is_open


def test_another_device_is_refused_with_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin(monkeypatch, tmp_path / "run", Fake())
    with pytest.raises(ConfigError, match=r"'a script'.*'another'"):
        go_on(monkeypatch, tmp_path / "run", Fake(what="another"))
    with pytest.raises(ConfigError, match="6 and is 7"):
        go_on(monkeypatch, tmp_path / "run", Fake(steps=7))


def test_a_folder_is_written_by_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    def again(_: int) -> None:
        with pytest.raises(KilohearError, match="another process"):
            resume_bench(folder, quiet)

    begin(monkeypatch, folder, Fake(steps=1, on_step=again))


def test_what_cant_be_written_or_read_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        resume_bench(tmp_path, quiet)
    with pytest.raises(KilohearError, match="never overwritten"):
        begin(monkeypatch, tmp_path, Fake())
    (tmp_path / "file").touch()
    with pytest.raises(KilohearError, match="can't write here"):
        begin(monkeypatch, tmp_path / "file" / "run", Fake())


def test_a_trace_that_was_changed_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin(monkeypatch, tmp_path / "run", Fake())
    os.truncate(tmp_path / "run" / "fake" / "traces" / "window-0-power.csv.gz", 10)
    with pytest.raises(KilohearError, match=r"window-0.*window/0.*restore"):
        go_on(monkeypatch, tmp_path / "run", Fake())


def test_a_device_that_can_not_be_had_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Gone(Fake):
        def plan(self) -> list:  # type: ignore[type-arg]
            raise KilohearError("no such bundle")

    with pytest.raises(KilohearError, match="no such bundle"):
        begin(monkeypatch, tmp_path / "run", Gone())
    assert not (tmp_path / "run").exists()


def test_the_head_is_there_from_the_first_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, heads = tmp_path / "run", []

    def look(_: int) -> None:
        heads.append(json.loads((folder / "run.json").read_text()))

    begin(monkeypatch, folder, Fake(on_step=look))
    assert heads[0]["machine"]["cpu"]
    assert heads[0]["finished_at"] is None
