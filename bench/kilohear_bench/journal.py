"""A journal: a line of JSON for what is finished, on disk before the next begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kilohear.errors import DataError, KilohearError


class Journal:
    """Lines of JSON in a file that only grows; killed at any moment, it loses the line in hand.

    Parameters
    ----------
    path
        The file; made at the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iterator[Any]:
        """Yield what the finished lines hold; a last one without its end is left out.

        Raises
        ------
        DataError
            Where a line isn't JSON.
        """
        if not self.path.is_file():
            return
        for i, line in enumerate(self.path.read_bytes().split(b"\n")[:-1], start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{self.path}: line {i} isn't one of a run's ({error}); choose another --out"
                ) from None

    def mend(self) -> None:
        """Cut off a last line that a kill left torn."""
        if self.path.is_file():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self.path, whole)

    def append(self, entry: Any) -> None:
        """Write a line and sync it.

        Raises
        ------
        KilohearError
            Where the disk is full or gone; the lines before are there.
        """
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                written = file.write(line)
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        if written != len(line):
            raise self._unwritable("the disk is full")

    def _unwritable(self, why: str) -> KilohearError:
        return KilohearError(
            f"{self.path}: can't be written ({why}); free some space and go on: the lines that "
            "are there are kept"
        )
