"""One run of three devices: this computer, the simulated board, the stand-in for a phone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kilohear.cli import main
from kilohear_bench.android.stand_in import StandIn
from kilohear_bench.board.students import STUDENTS
from kilohear_bench.store import load_run

BUNDLE = STUDENTS / "esc10-1khz-fold1"


@pytest.mark.data
def test_one_run_gives_one_report_of_three_devices(
    data_dir: Path, furnished: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    devices = ["--device", "host", "--device", "apollo3-simulator", "--device", "adb:stand-in"]
    chosen = ["--bundle", str(BUNDLE), "--rate", "1000", "--runtime", "executorch"]
    small = ["--dataset", "esc10", "--clips", "3", "--no-memory", "--out", str(folder)]
    assert main(["bench", *devices, *chosen, *small]) == 0, capsys.readouterr().err
    run = load_run(folder)
    assert run.finished_at is not None
    assert [device.name for device in run.devices] == ["host", "apollo3-simulator", "adb-stand-in"]
    heard = {
        m.device: list(m.conditions["clips_true_predicted"])
        for m in run.measurements
        if m.name == "macro_accuracy" and "fold1" in m.subject
    }
    assert len(heard) == 3
    assert len({tuple(sorted(clips)) for clips in heard.values()}) == 1  # the same clips on each
    agreed = [m for m in run.measurements if m.name == "label_agreement"]
    assert {m.device for m in agreed} == {"apollo3-simulator", "adb-stand-in"}
    assert all(m.mean == 1 for m in agreed)
    page = (folder / "report.html").read_text()
    for device in run.devices:
        assert device.name in page
    with (folder / "report.csv").open(newline="") as file:
        kinds = {(row["device"], row["quantity"]): row["kind"] for row in csv.DictReader(file)}
    assert kinds["host", "latency"] == "measured"
    assert kinds["apollo3-simulator", "latency"] == "simulated"
    assert kinds["adb-stand-in", "instructions"] == "simulated"
    assert ("adb-stand-in", "latency") not in kinds
    assert not [m for m in run.measurements if not m.unit]

    shown = capsys.readouterr().out
    assert main(["bench", "resume", str(folder)]) == 0  # nothing is left to do
    assert main(["bench", "compare", str(folder), str(folder)]) == 0
    assert "1.000" in capsys.readouterr().out.replace(shown, "")
