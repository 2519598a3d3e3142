"""The event log: one JSON line for each event, gap or fault; labels and times, never sound."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import os
import typing
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from kilohear.errors import ConfigError, DiskFull, KilohearError
from kilohear.events import Event, Fault, Gap
from kilohear.files import is_full

_KINDS = {Event: "sound", Gap: "gap", Fault: "fault"}
_CLASSES = {kind: made for made, kind in _KINDS.items()}


def to_line(heard: Event | Gap | Fault, at: datetime | None = None) -> str:
    """Return an event as one line of JSON; `at` is the time of day, where it is to be said."""
    when = {"at": at.isoformat(timespec="milliseconds")} if at else {}
    return json.dumps({**when, "kind": _KINDS[type(heard)], **dataclasses.asdict(heard)})


def from_line(line: str) -> tuple[datetime | None, Event | Gap | Fault]:
    """Return the time of day and the event that `to_line` made a line of.

    Raises
    ------
    ConfigError
        Where it isn't such a line.
    """
    try:
        fields = json.loads(line)
        at = fields.pop("at", None)
        made = _CLASSES[fields.pop("kind")](**fields)
        when = None if at is None else datetime.fromisoformat(at)
        if _is_whole(made) and (when is None or when.tzinfo is not None):
            return when, made
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        pass
    raise ConfigError(
        f"event log: not a line of it: {line[:80]!r}; remove the line, the others are fine"
    )


def log_files(path: str | Path) -> list[Path]:
    """Return the files of the log whose newest is `path`, those that are there, oldest first."""
    path = Path(path)
    numbers = (
        file.name.removeprefix(f"{path.name}.") for file in path.parent.glob(f"{path.name}.*")
    )
    older = sorted((int(n) for n in numbers if n.isascii() and n.isdigit()), reverse=True)
    files = [*(Path(f"{path}.{n}") for n in older), path]
    return [file for file in files if file.is_file()]


class EventLog:
    """Append JSON lines to a file; a full one is renamed and another begun.

    A line is `{"at": UTC time, "kind": "sound"|"gap"|"fault", ...}` with the fields of the event.

    Parameters
    ----------
    path
        The newest file; older ones get `.1`, `.2` and so on behind their name.
    max_bytes
        Of one file.
    keep
        How many older files are kept.
    now
        The time of day.
    """

    def __init__(
        self,
        path: str | Path,
        max_bytes: int = 1_000_000,
        keep: int = 4,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if max_bytes < 1 or keep < 0:
            raise ConfigError(
                f"event log: max_bytes is {max_bytes} and keep is {keep}; give 1 and 0 at least"
            )
        self.path, self._max_bytes, self._keep, self._now = Path(path), max_bytes, keep, now

    def write(self, heard: Event | Gap | Fault) -> None:
        """Append one line, whole or not at all.

        Raises
        ------
        DiskFull
            Where no space is left.
        KilohearError
            Where the file can't be written.
        """
        line = to_line(heard, self._now()) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = self.path.stat().st_size if self.path.exists() else 0
            if size and size + len(line) > self._max_bytes:
                self._rotate()
            self._append(line.encode())
        except OSError as error:
            kind = DiskFull if is_full(error) else KilohearError
            raise kind(
                f"{self.path}: the event log can't be written ({error.strerror}); "
                "free some space or choose another path"
            ) from None

    def _append(self, line: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            size = file.tell()
            written = 0
            try:
                while written < len(line):
                    written += file.write(line[written:])
            except OSError:
                with suppress(OSError):
                    file.truncate(size)
                raise

    def _rotate(self) -> None:
        files = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._keep + 1))]
        for newer, older in reversed(list(itertools.pairwise(files))):
            if newer.exists():
                os.replace(newer, older)
        if not self._keep:
            self.path.unlink()


def _is_whole(heard: Event | Gap | Fault) -> bool:
    """Whether the fields are of the types, and causes of the kinds, that the screens count on."""
    if isinstance(heard, Event):
        numbers, texts = [heard.probability, heard.start_s], [heard.label, heard.bundle]
        if heard.end_s is not None:
            numbers.append(heard.end_s)
    else:
        numbers = [heard.start_s, heard.lost_s if isinstance(heard, Gap) else 0.0]
        texts = [heard.reason] if isinstance(heard, Fault) else []
        if heard.cause not in _causes(type(heard)):
            return False
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in numbers
    )


@functools.cache
def _causes(kind: type[Gap] | type[Fault]) -> tuple[str, ...]:
    return typing.get_args(typing.get_type_hints(kind)["cause"])
