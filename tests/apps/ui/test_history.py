"""The history: whatever the event log holds comes back by day; clearing leaves nothing."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DiskFull, KilohearError
from kilohear.event_log import EventLog, log_files
from kilohear.events import Event, Fault, Gap
from kilohear_ui import history as history_module
from kilohear_ui.history import FIELDS, Entry, History

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=9))


class Log:
    """An event log with a clock that a test sets."""

    def __init__(self, folder: Path, max_bytes: int = 1_000_000, keep: int = 4) -> None:
        self.path = folder / "events.jsonl"
        self.now = NOON
        self._log = EventLog(self.path, max_bytes, keep, now=lambda: self.now)

    def write(self, heard: Event | Gap | Fault, after_s: float = 0) -> None:
        self.now += timedelta(seconds=after_s)
        self._log.write(heard)


def _text(characters: str) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=1, max_size=8)


seconds = st.floats(0, 1e6, allow_nan=False)
heard = st.one_of(
    st.builds(Event, _text('dog,"\n;é='), st.floats(0, 1), seconds, st.none(), _text("ab")),
    st.builds(
        lambda label, p, start_s, lasts_s: Event(label, p, start_s, start_s + lasts_s),
        _text("dog"),
        st.floats(0, 1),
        seconds,
        seconds,
    ),
    st.builds(Gap, seconds, seconds, st.sampled_from(["capture", "student", "outage"])),
    st.builds(Fault, seconds, _text("muted\n"), st.sampled_from(["busy", "silent"])),
)


@given(st.lists(st.tuples(heard, st.floats(0, 200_000)), max_size=30), st.integers(100, 2_000))
def test_whatever_was_logged_comes_back_by_day(
    written: list[tuple[Event | Gap | Fault, float]], max_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), max_bytes, keep=100)
        for each, after_s in written:
            log.write(each, after_s)
        history = History(log.path, EAST)
        history.update()
        assert history.broken == 0
        entries = history.entries
        begun = [e for e, _ in written if isinstance(e, Event) and e.end_s is None]
        ended = [e for e, _ in written if isinstance(e, Event) and e.end_s is not None]
        sounds = [entry for entry in entries if entry.kind == "sound"]
        joined = len(begun) + len(ended) - len(sounds)
        assert 0 <= joined <= min(len(begun), len(ended))
        assert {e.label for e in sounds} == {e.label for e in begun + ended}
        for kind, of_kind in (("gap", Gap), ("fault", Fault)):
            there = [(entry.lost_s, entry.cause) for entry in entries if entry.kind == kind]
            was = [e for e, _ in written if isinstance(e, of_kind)]
            assert there == [(getattr(e, "lost_s", None), e.cause) for e in was]  # pyright: ignore
        days = history.days()
        assert sorted((e.at for day in days for e in day.entries), reverse=True) == [
            entry.at for day in days for entry in day.entries
        ]
        assert {e.at.date() for e in entries} == {day.date for day in days}
        assert len({day.date for day in days}) == len(days)
        assert all(entry.at.utcoffset() == timedelta(hours=9) for entry in entries)
        counts = history.counts()
        assert sum(counts.values()) == len(sounds)
        for label in counts:
            those = [entry for day in history.days(label=label) for entry in day.entries]
            assert len(those) == counts[label] == sum(e.label == label for e in those)
            assert label not in history.counts(hidden=(label,))
            assert all(e.label != label for day in history.days({label}) for e in day.entries)


@given(st.lists(heard, max_size=20))
def test_an_export_parses_back(written: list[Event | Gap | Fault]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder))
        for each in written:
            log.write(each, 1.25)
        history = History(log.path, EAST)
        history.update()
        expected = [_plain(entry) for entry in history.entries]
        lines = history.export(history.exports / "events.jsonl").read_text().splitlines()
        assert [_plain(Entry(**json.loads(line))) for line in lines] == expected
        with history.export(history.exports / "events.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [tuple(row) for row in rows] == [FIELDS] * len(rows)
        for row, entry in zip(rows, expected, strict=True):
            assert row == {name: "" if v is None else str(v) for name, v in entry.items()}


def _plain(entry: Entry) -> dict[str, object]:
    fields = dataclasses.asdict(entry)
    return {**fields, "at": str(getattr(entry.at, "isoformat", lambda: entry.at)())}


def test_a_sound_is_one_entry_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.6, 1.0, None, "esc10"))
    log.write(Event("rain", 0.7, 1.5, None, "esc10"), 1)
    history = History(log.path, UTC)
    history.update()
    assert [entry.lasted_s for entry in history.entries] == [None, None]
    log.write(Event("dog", 0.9, 1.0, 4.0, "esc10"), 2)
    history.update()
    dog, rain = history.entries
    assert dog == Entry(NOON, "sound", "dog", 0.9, 3.0, "esc10")
    assert rain.lasted_s is None


def test_an_end_alone_began_as_long_before_as_it_lasted(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.9, 100.0, 160.0), 30)
    history = History(log.path, UTC)
    history.update()
    [entry] = history.entries
    assert entry.at == NOON - timedelta(seconds=30)


def test_a_stream_that_begins_anew_is_not_joined_with_the_one_before(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.6, 0.0, None))
    log.write(Event("dog", 0.7, 0.0, None), 3_600)
    log.write(Event("dog", 0.8, 0.0, 2.0), 2)
    history = History(log.path, UTC)
    history.update()
    assert [entry.lasted_s for entry in history.entries] == [None, 2.0]


def test_broken_lines_are_counted_and_the_others_are_there(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.9, 1.0, 2.0))
    with log.path.open("ab") as file:
        file.write(b'{"at": "2026\n\xff\xfe\n\n{"kind": "gap"}\n')
        file.write(b'{"kind": "fault", "start_s": 1.0, "reason": "no time of day"}\n')
        early = '{"at": "0001-01-01T00:00:00+14:00", "kind": "fault", "start_s": 1, "reason": ""}\n'
        file.write(early.encode())
    log.write(Event("cat", 0.9, 1.0, 2.0))
    history = History(log.path, timezone(-timedelta(hours=9)))
    history.update()
    assert [entry.label for entry in history.entries] == ["dog", "cat"]
    assert history.broken == 5


def test_a_line_being_written_waits_until_it_is_whole(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.9, 1.0, 2.0))
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[:40])
    history = History(log.path, UTC)
    assert history.update()
    assert (len(history.entries), history.broken) == (1, 0)
    with log.path.open("ab") as file:
        file.write(whole[40:])
    assert history.update()
    assert (len(history.entries), history.broken) == (2, 0)
    assert not history.update()


def test_what_is_written_meanwhile_is_read_on_across_rotations(tmp_path: Path) -> None:
    log = Log(tmp_path, max_bytes=500, keep=50)
    history = History(log.path, UTC)
    for i in range(40):
        log.write(Event(f"label{i}", 0.9, float(i), i + 1.0), 60)
        history.update()
    assert [entry.label for entry in history.entries] == [f"label{i}" for i in range(40)]
    assert len(log_files(log.path)) > 5


def test_a_file_renamed_while_all_are_opened_is_neither_lost_nor_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path, max_bytes=300, keep=50)
    for i in range(4):
        log.write(Event(f"label{i}", 0.9, float(i), i + 1.0), 60)
    rotations = iter(range(4, 10))

    def listing(path: Path) -> list[Path]:
        files = log_files(path)
        for i in rotations:  # one file is full just after the first look
            log.write(Event(f"label{i}", 0.9, float(i), i + 1.0), 60)
        return files

    monkeypatch.setattr(history_module, "log_files", listing)
    history = History(log.path, UTC)
    history.update()
    assert [entry.label for entry in history.entries] == [f"label{i}" for i in range(10)]


def test_no_log_is_no_history(tmp_path: Path) -> None:
    history = History(tmp_path / "nowhere" / "events.jsonl")
    assert not history.update()
    assert history.days() == []
    history.clear()
    assert not (tmp_path / "nowhere").exists()


def test_clearing_leaves_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path, max_bytes=300)
    for i in range(20):
        log.write(Event("dog", 0.9, float(i), i + 1.0), 60)
    (tmp_path / "settings.json").write_text("{}")
    history = History(log.path)
    history.update()
    history.export(history.exports / "events.csv")
    history.clear()
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]
    assert history.entries == []
    log.write(Event("cat", 0.9, 1.0, 2.0))
    history.update()
    assert [entry.label for entry in history.entries] == ["cat"]


def test_clearing_that_was_cut_off_is_finished_before_anything_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path, max_bytes=300)
    for i in range(20):
        log.write(Event("dog", 0.9, float(i), i + 1.0), 60)
    files = log_files(log.path)
    unlink, left = Path.unlink, [2]

    def cut_off(path: Path, missing_ok: bool = False) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    history = History(log.path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", cut_off)
        with pytest.raises(KilohearError, match=r"can't be removed.*clear the history again"):
            history.clear()
    assert 0 < len(log_files(log.path)) < len(files)
    later = History(log.path)
    later.update()
    assert later.entries == []
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_does_not_fit_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path)
    log.write(Event("dog", 0.9, 1.0, 2.0))
    history = History(log.path)
    history.update()
    before = history.export(history.exports / "events.csv").read_text()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="No space left"):
        history.export(history.exports / "events.csv")
    assert [file.read_text() for file in history.exports.iterdir()] == [before]
