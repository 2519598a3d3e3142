"""The event log: one JSON line for each event, gap or fault; labels and times, never sound."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kilohear.errors import ConfigError, KilohearError
from kilohear.events import Event, Fault, Gap

_KINDS = {Event: "sound", Gap: "gap", Fault: "fault"}


def to_line(heard: Event | Gap | Fault, at: datetime | None = None) -> str:
    """Return an event as one line of JSON; `at` is the time of day, where it is to be said."""
    when = {"at": at.isoformat(timespec="milliseconds")} if at else {}
    return json.dumps({**when, "kind": _KINDS[type(heard)], **dataclasses.asdict(heard)})


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
        """Append one line.

        Raises
        ------
        KilohearError
            Where the file can't be written.
        """
        line = to_line(heard, self._now()) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = self.path.stat().st_size if self.path.exists() else 0
            if size and size + len(line) > self._max_bytes:
                self._rotate()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise KilohearError(
                f"{self.path}: the event log can't be written ({error.strerror}); "
                "free some space or choose another path"
            ) from None

    def _rotate(self) -> None:
        files = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._keep + 1))]
        for newer, older in reversed(list(itertools.pairwise(files))):
            if newer.exists():
                os.replace(newer, older)
        if not self._keep:
            self.path.unlink()
