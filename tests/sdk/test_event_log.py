"""The event log: labels and times in JSON lines, rotated by size."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kilohear.errors import ConfigError, KilohearError
from kilohear.event_log import EventLog
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
        {"start_s": 3.0, "reason": "muted"},
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
