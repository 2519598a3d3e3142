"""What was heard, day by day, from the event log; knows nothing of Kivy.

The log is written meanwhile, by another process on Android: it is read as far as it goes, what has
been added since is read on, and a full file being renamed in between loses nothing and doubles
nothing.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import BinaryIO, Literal

from kilohear.errors import ConfigError, KilohearError
from kilohear.event_log import from_line, log_files
from kilohear.events import Event, Fault, Gap
from kilohear.files import write_text

_TRIES = 20
"""So often a file may be renamed while all are being opened."""

_MOST_LINE_BYTES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes
    ----------
    at
        When it began, in the time zone that is shown.
    kind
        `sound`, `gap` (nobody heard, though it was to be heard) or `fault` (what keeps from
        hearing).
    label, probability, bundle
        Of a sound.
    lasted_s
        Of a sound; None: it lasts, or its end isn't in the log.
    lost_s
        Of a gap.
    cause, reason
        Of a gap or fault; see `kilohear.events`.
    """

    at: datetime
    kind: Literal["sound", "gap", "fault"]
    label: str = ""
    probability: float | None = None
    lasted_s: float | None = None
    bundle: str = ""
    lost_s: float | None = None
    cause: str = ""
    reason: str = ""


FIELDS = tuple(field.name for field in dataclasses.fields(Entry))


@dataclasses.dataclass(frozen=True)
class Day:
    """What happened on one day, newest first, and how often each label."""

    date: date
    entries: tuple[Entry, ...]
    counts: dict[str, int]


class History:
    """The event log, read by `update`.

    Parameters
    ----------
    path
        The log's newest file; see `kilohear.event_log.EventLog`.
    zone
        Whose days these are; None: the system's.

    Attributes
    ----------
    broken
        Lines that couldn't be read; the others are there.
    """

    def __init__(self, path: Path, zone: tzinfo | None = None) -> None:
        self._path, self._zone = path, zone
        self._forget()

    @property
    def entries(self) -> list[Entry]:
        """Everything, in the order of the log."""
        return self._entries

    def update(self) -> bool:
        """Read what is new; return whether anything is.

        Raises
        ------
        KilohearError
            Where the log can't be read.
        """
        if _clearing(self._path).exists():
            self.clear()
        try:
            return self._update()
        except OSError as error:
            raise KilohearError(
                f"{self._path}: the event log can't be read ({error.strerror}); check the folder"
            ) from None

    def counts(self, hidden: Collection[str] = ()) -> dict[str, int]:
        """Return how often each label was heard, the most frequent first."""
        counted = Counter(e.label for e in self._entries if e.kind == "sound")
        return {label: count for label, count in counted.most_common() if label not in hidden}

    def days(self, hidden: Collection[str] = (), label: str | None = None) -> list[Day]:
        """Return the days, newest first.

        Parameters
        ----------
        hidden
            Labels left out.
        label
            Only these sounds; gaps and faults, too, are left out then. None: everything.
        """
        in_order = sorted(self._entries, key=lambda entry: entry.at)
        shown = (
            entry
            for entry in reversed(in_order)
            if entry.label not in hidden and (label is None or entry.label == label)
        )
        days = []
        for day, those in itertools.groupby(shown, key=lambda entry: entry.at.date()):
            entries = tuple(those)
            counts = Counter(entry.label for entry in entries if entry.kind == "sound")
            days.append(Day(day, entries, dict(counts.most_common())))
        return days

    def export(self, file: Path) -> Path:
        """Write everything to `file`, a `.csv` or `.jsonl` file, whole or not at all.

        Raises
        ------
        DiskFull
            Where no space is left; what was there before is as it was.
        KilohearError
            Where it can't be written otherwise.
        """
        write_text(
            file, _as_csv(self._entries) if file.suffix == ".csv" else _as_lines(self._entries)
        )
        return file

    def clear(self) -> None:
        """Remove all of the log and the exports: after a crash amid it the next `update` goes on.

        Raises
        ------
        KilohearError
            Where a file can't be removed; clear again then.
        """
        clearing = _clearing(self._path)
        try:
            if self._path.parent.exists():
                clearing.touch()
            for file in log_files(self._path):
                file.unlink(missing_ok=True)
            if self.exports.exists():
                shutil.rmtree(self.exports)
            clearing.unlink(missing_ok=True)
        except OSError as error:
            raise KilohearError(
                f"{error.filename}: can't be removed ({error.strerror}); clear the history again"
            ) from None
        self._forget()

    @property
    def exports(self) -> Path:
        """The folder for `export`."""
        return self._path.parent / "exports"

    def _forget(self) -> None:
        self._entries: list[Entry] = []
        self._lasting: dict[tuple[str, str, float], int] = {}
        self.broken = 0
        self._newest: int | None = None  # its inode
        self._read_bytes = 0

    def _update(self) -> bool:
        files = _open_all(self._path)
        try:
            # The newest was replaced, by a rotation or by clearing: everything is read anew.
            *older, newest = files or [None]
            inode = None if newest is None else os.fstat(newest.fileno()).st_ino
            size = 0 if newest is None else os.fstat(newest.fileno()).st_size
            if inode == self._newest and size == self._read_bytes:
                return False
            if inode != self._newest or size < self._read_bytes:
                self._forget()
                self._newest = inode
                for file in older:
                    if file is not None:
                        self._take(file, is_newest=False)
            if newest is not None:
                newest.seek(self._read_bytes)
                self._read_bytes += self._take(newest, is_newest=True)
            return True
        finally:
            for file in files:
                file.close()

    def _take(self, file: BinaryIO, is_newest: bool) -> int:
        """Read the lines of a file; return the bytes of the whole ones."""
        taken = 0
        while line := file.readline(_MOST_LINE_BYTES):
            if is_newest and not line.endswith(b"\n") and len(line) < _MOST_LINE_BYTES:
                break  # it is being written
            taken += len(line)
            if not line.strip():
                continue
            try:
                at, heard = from_line(line.decode())
                if at is None:
                    raise ConfigError("no time of day")
                self._add(at, heard)
            except (ConfigError, UnicodeDecodeError, OverflowError):
                self.broken += 1
        return taken

    def _add(self, at: datetime, heard: Event | Gap | Fault) -> None:
        here = at.astimezone(self._zone)
        if isinstance(heard, Gap):
            entry = Entry(here, "gap", lost_s=heard.lost_s, cause=heard.cause)
        elif isinstance(heard, Fault):
            entry = Entry(here, "fault", cause=heard.cause, reason=heard.reason)
        else:
            key = (heard.bundle, heard.label, heard.start_s)
            lasted_s = None if heard.end_s is None else max(0.0, heard.end_s - heard.start_s)
            place = None
            if lasted_s is None:
                self._lasting[key] = len(self._entries)
            elif (place := self._lasting.pop(key, None)) is not None:
                here = self._entries[place].at
            else:  # its beginning is in a file that is gone, or wasn't asked for
                began = at - timedelta(seconds=min(lasted_s, 86_400))
                here = began.astimezone(self._zone)
            entry = Entry(here, "sound", heard.label, heard.probability, lasted_s, heard.bundle)
            if place is not None:
                self._entries[place] = entry
                return
        self._entries.append(entry)


def _clearing(path: Path) -> Path:
    """The file that is there while the log is being removed."""
    return path.with_name(f"{path.name}.clearing")


def _open_all(path: Path) -> list[BinaryIO]:
    """Open the log's files, oldest first, at a moment at which none was being renamed."""
    for _ in range(_TRIES):
        opened: list[BinaryIO] = []
        try:
            opened += (file.open("rb") for file in log_files(path))
        except FileNotFoundError:
            pass
        else:
            there = [os.stat(file).st_ino for file in log_files(path)]
            if there == [os.fstat(file.fileno()).st_ino for file in opened]:
                return opened
        for file in opened:
            file.close()
    raise KilohearError(f"{path}: the event log's files keep being renamed; try again")


def _plain(entry: Entry) -> Iterator[tuple[str, object]]:
    for name in FIELDS:
        value = getattr(entry, name)
        yield name, value.isoformat() if isinstance(value, datetime) else value


def _as_csv(entries: list[Entry]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(FIELDS)
    rows.writerows([value for _, value in _plain(entry)] for entry in entries)
    return text.getvalue()


def _as_lines(entries: list[Entry]) -> str:
    kept = ({name: v for name, v in _plain(e) if v not in (None, "")} for e in entries)
    return "".join(f"{json.dumps(each)}\n" for each in kept)
