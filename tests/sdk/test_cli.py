"""The command: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

import kilohear
from kilohear import cli
from kilohear.capture.microphone import Device
from kilohear.errors import DataError

Recordings = Callable[..., Path]


@pytest.fixture
def loud(recording_factory: Recordings) -> Path:
    return recording_factory(0.5 * np.sin(np.arange(16_000)), name="loud.wav")


def test_classify_shows_events_and_the_three_rates(
    bundle_path: Path, loud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["classify", str(loud), "--bundle", str(bundle_path)]) == 0
    shown = capsys.readouterr().out
    assert "requested 8,000 Hz, granted 8,000 Hz, effective 1,000 Hz" in shown
    assert "loud.wav" in shown
    assert "2.00 s" in shown


def test_classify_writes_json(
    bundle_path: Path, loud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["classify", str(loud), "--bundle", str(bundle_path), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    (event,) = result["events"]
    assert (event["start_s"], event["end_s"]) == (0.0, 2.0)
    assert (result["granted_hz"], result["effective_hz"]) == (8_000, 1_000)
    assert result["top_label"] == event["label"]


def test_classify_says_when_nothing_reaches_the_threshold(
    bundle_factory: Callable[..., Path], loud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unsure = bundle_factory("unsure", gain=0.0)
    assert cli.main(["classify", str(loud), "--bundle", str(unsure)]) == 0
    assert "quiet at 0.33, below the threshold of 0.50" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_classify_tries_every_file_and_fails_if_one_did(
    bundle_path: Path,
    loud: Path,
    tmp_path: Path,
    recording_factory: Recordings,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    (tmp_path / "empty.wav").touch()
    slow = recording_factory(np.zeros(500), 500, "slow.wav")
    files = [str(tmp_path / "empty.wav"), str(slow), str(loud)]
    assert cli.main(["classify", *files, "--bundle", str(bundle_path), *options]) == 2
    printed = capsys.readouterr()
    assert "error: " in printed.err
    assert "empty, 0 bytes" in printed.err
    assert "500 Hz, below the student's 1,000 Hz" in printed.err
    assert "2 of 3 files" in printed.err
    assert "loud.wav" in printed.out


@pytest.mark.parametrize("pace", ["--realtime", "--no-realtime"])
def test_listen_streams_a_file(
    bundle_path: Path,
    loud: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pace: str,
) -> None:
    waits_s: list[float] = []
    monkeypatch.setattr("time.sleep", waits_s.append)
    assert cli.main(["listen", str(loud), "--bundle", str(bundle_path), pace]) == 0
    shown = capsys.readouterr().out
    assert "effective 1,000 Hz" in shown
    assert "loud.wav: events" in shown
    assert bool(waits_s) == (pace == "--realtime")


def test_listen_writes_json_lines_and_a_log_of_several_bundles(
    bundle_factory: Callable[..., Path],
    loud: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / "events.jsonl"
    command = ["listen", str(loud), "--no-realtime", "--json", "--log", str(log)]
    for name in ("first", "second"):
        command += ["--bundle", str(bundle_factory(name, name=name))]
    assert cli.main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # Its 1.3 kHz is beyond the students' band.
    assert [(line["bundle"], line["label"], line["end_s"]) for line in lines] == [
        ("first", "quiet", None),
        ("second", "quiet", None),
        ("first", "quiet", 2.0),
        ("second", "quiet", 2.0),
    ]
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry.pop("at") is not None for entry in logged] == [True] * 4
    assert logged == lines


def test_listen_rests_on_duty_and_says_what_the_gate_saved(
    bundle_path: Path, recording_factory: Recordings, capsys: pytest.CaptureFixture[str]
) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(80_000) / 8_000)
    tone[16_000:] = 0.0
    path = recording_factory(tone, name="half.wav")
    command = ["listen", str(path), "--no-realtime", "--bundle", str(bundle_path)]
    assert cli.main([*command, "--duty", "2/4", "--gate-db", "-40"]) == 0
    assert "67% of the inferences were saved" in capsys.readouterr().out
    for wrong, says in (("often", "--duty is 'often'"), ("9/3", "listen_s is 9.0")):
        assert cli.main([*command, "--duty", wrong]) == 2
        assert says in capsys.readouterr().err


def test_bundles_lists_what_ships(
    bundle_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "shipped", lambda: {"tiny-test": bundle_path})
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["bundles"]) == 0
    shown = capsys.readouterr().out
    for part in ("tiny-test", "1,000 Hz", "loudness", "0.900", "measured", "kB"):
        assert part in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["classify", "gone.wav", "--bundle", "nowhere"], "no bundle at nowhere"),
        (["listen", "gone.wav", "--bundle", "nowhere"], "gone.wav: no such file"),
    ],
)
def test_an_error_is_plain_text_and_ends_with_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert says in printed
    assert "Traceback" not in printed


def test_other_packages_add_commands_and_their_errors_are_caught(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        def __init__(self, load: Callable[[], Callable[[typer.Typer], None]]) -> None:
            self.load = load

    def missing_package() -> Callable[[typer.Typer], None]:
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    def add_commands(app: typer.Typer) -> None:
        @app.command()
        def fail(how: str) -> None:
            raise {
                "data": DataError("clips.csv: names a missing clip"),
                "extra": ModuleNotFoundError("No module named 'torch'", name="torch"),
                "interrupt": KeyboardInterrupt(),
            }[how]

    entries = [Entry(missing_package), Entry(lambda: add_commands)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
    assert cli.main(["fail", "data"]) == 2
    assert capsys.readouterr().err == "error: clips.csv: names a missing clip\n"
    assert cli.main(["fail", "extra"]) == 2
    assert "torch isn't installed; run: pip install 'kilohear[" in capsys.readouterr().err
    assert cli.main(["fail", "interrupt"]) == 130


def test_the_installed_command_ends_with_its_code(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kilohear.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"kilohear {kilohear.__version__}\n")
    failed = run("classify", "x.wav", "--bundle", "nowhere")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: no bundle at nowhere")
    assert run("classify").returncode == 2


def test_scene_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "scene.wav"
    assert cli.main(["scene", str(file)]) == 0
    assert "synthetic tone" in capsys.readouterr().out
    before = file.read_bytes()
    assert cli.main(["scene", str(file), "--seed", "7"]) == 2
    assert "exists" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_microphones_are_listed_or_says_there_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Device] = []
    monkeypatch.setattr("kilohear.capture.microphone.devices", lambda: found)
    assert cli.main(["microphones"]) == 2
    assert "no device here records" in capsys.readouterr().err
    found.append(Device("Built-in", True, 2, (8_000, 16_000)))
    assert cli.main(["microphones"]) == 0
    assert "8,000, 16,000" in capsys.readouterr().out
