"""The event log: labels and times in JSON lines, rotated by size."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kilohear.errors import ConfigError, KilohearError
from kilohear.event_log import EventLog, from_line, log_files, to_line
from kilohear.events import Event, Fault, Gap

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_line_says_what_when(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "logs" / "events.jsonl", now=lambda: NOON)
    for heard in (Event("dog", 0.75, 1.0, None), Gap(2.0, 0.5, "capture"), Fault(3.0, "muted")):
        log.write(heard)
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line.pop("kind") for line in lines] == ["sound", "gap", "fault"]
    assert {line.pop("at") for line in lines} == {"2026-01-02T12:00:00.000+00:00"}
    assert lines == [
        {"label": "dog", "probability": 0.75, "start_s": 1.0, "end_s": None, "bundle": ""},
        {"start_s": 2.0, "lost_s": 0.5, "cause": "capture"},
        {"start_s": 3.0, "reason": "muted", "cause": "lost"},
    ]


@pytest.mark.parametrize("keep", [0, 2])
def test_a_full_file_is_renamed_and_the_oldest_goes(tmp_path: Path, keep: int) -> None:
    log = EventLog(tmp_path / "events.jsonl", max_bytes=200, keep=keep, now=lambda: NOON)
    for i in range(9):
        log.write(Fault(float(i), "x" * 100))
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["events.jsonl", *(f"events.jsonl.{n}" for n in range(1, keep + 1))]
    newest_first = [json.loads((tmp_path / name).read_text())["start_s"] for name in files]
    assert newest_first == [8.0, 7.0, 6.0][: keep + 1]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KilohearError, match="event log can't be written"):
        EventLog(tmp_path / "file" / "events.jsonl").write(Fault(0.0, "muted"))
    with pytest.raises(ConfigError, match="max_bytes is 0"):
        EventLog(tmp_path / "events.jsonl", max_bytes=0)


@pytest.mark.parametrize("at", [None, NOON])
def test_a_line_is_read_as_written(at: datetime | None) -> None:
    for heard in (
        Event("dog", 0.75, 1.0, None),
        Event("dog", 0.75, 1.0, 2.5, "esc10"),
        Gap(2.0, 0.5, "student"),
        Fault(3.0, "muted", "silent"),
    ):
        assert from_line(to_line(heard, at)) == (at, heard)
    assert from_line('{"kind": "fault", "start_s": 3.0, "reason": "muted"}')[1] == Fault(3, "muted")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        '{"kind": "noise"}',
        '{"kind": "gap", "start_s": 1.0, "lost_s": "long", "cause": "capture"}',
        '{"kind": "gap", "start_s": NaN, "lost_s": 1.0, "cause": "capture"}',
        '{"kind": "gap", "start_s": 1' + "0" * 400 + ', "lost_s": 1.0, "cause": "capture"}',
        '{"kind": "gap", "start_s": 1.0, "lost_s": 1.0, "cause": "luck"}',
        '{"kind": "gap", "start_s": 1.0, "lost_s": 1.0, "cause": ["capture"]}',
        '{"kind": "fault", "start_s": 1.0, "reason": 7}',
        '{"kind": "fault", "start_s": 1.0, "reason": "muted", "at": "noon"}',
        '{"kind": "fault", "start_s": 1.0, "reason": "muted", "at": "2026-01-02T12:00:00"}',
        '{"kind": "fault", "start_s": 1.0, "reason": "muted", "sound": [0.0]}',
    ],
)
def test_what_is_no_line_of_it_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="not a line of it"):
        from_line(line)


def test_its_files_are_told_oldest_first(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", max_bytes=200, keep=11, now=lambda: NOON)
    assert log_files(log.path) == []
    for i in range(20):
        log.write(Fault(float(i), "x" * 100))
    (tmp_path / "events.jsonl.broken").touch()
    lines = [from_line(file.read_text())[1] for file in log_files(log.path)]
    assert [line.start_s for line in lines] == [float(i) for i in range(8, 20)]


FULL = """
import resource, signal, sys
from kilohear.errors import DiskFull
from kilohear.event_log import EventLog
from kilohear.events import Fault
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = EventLog(sys.argv[1])
log.write(Fault(0.0, "there"))
resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size + 10, resource.RLIM_INFINITY))
try:
    log.write(Fault(1.0, "no space"))
except DiskFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write(Fault(2.0, "there again"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    command = [sys.executable, "-c", FULL, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "free some space" in told
    reasons = [json.loads(line)["reason"] for line in path.read_text().splitlines()]
    assert reasons == ["there", "there again"]
