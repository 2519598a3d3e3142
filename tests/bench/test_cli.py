"""The command: one run end to end, errors without a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kilohear.cli import main


def test_bench_writes_a_run_and_wont_write_it_twice(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["bench", "--bundle", str(bundle_path), "--no-memory", "--out", str(out)]
    assert main(arguments) == 0
    assert (out / "report.md").is_file()
    before = (out / "run.json").read_bytes()
    capsys.readouterr()
    assert main(arguments) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (out / "run.json").read_bytes() == before


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["bench", "--bundle", str(tmp_path / "gone"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no bundle at")
    assert not out.exists()


def test_its_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, kilohear_bench.cli; "
        "print(sorted({'numpy', 'torch', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bench_runs_a_simulated_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["bench", "--device", "apollo3-simulator", "--rate", "1000", "--windows", "1"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "simulated" in capsys.readouterr().out
    assert {"run.json", "report.html", "report.md", "report.csv"} < {f.name for f in out.iterdir()}
    own = {file.name for file in (out / "apollo3-simulator").iterdir()}
    assert {"steps.jsonl", "samples.csv", "report.md", "counts.json", "work.png"} < own


def test_a_board_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["bench", "--device", f"apollo3:{tmp_path / 'tty'}", "--out", str(out)]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "can't be opened" in error
    assert "Traceback" not in error
    assert not out.exists()


def test_flashing_checks_before_it_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "flash", "--svl", "/dev/null"]) == 2
    assert "SVL=1" in capsys.readouterr().err
    assert main(["board", "flash", "--bundle", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_a_board_without_windows_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "--device", "apollo3-simulator", "--windows", "0"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "windows is 0" in capsys.readouterr().err
