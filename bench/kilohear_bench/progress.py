"""How far long work is, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

_EVERY_S = 15.0


class Progress:
    """Says how much is done and how long the rest will take, at most every 15 s and at the end.

    Parameters
    ----------
    what
        Is counted, in words.
    total, done
        How many there are, and how many are done already.
    say
        Told.
    """

    def __init__(self, what: str, total: int, done: int, say: Callable[[str], None]) -> None:
        self._what, self._total, self._done, self._before = what, total, done, done
        self._say = say
        self._started = self._said = time.monotonic()

    def step(self) -> None:
        """Count one more."""
        self._done += 1
        at = time.monotonic()
        if at - self._said < _EVERY_S and self._done < self._total:
            return
        self._said = at
        each_s = (at - self._started) / (self._done - self._before)
        left_s = each_s * (self._total - self._done)
        self._say(
            f"{self._what}: {self._done} of {self._total} done, {each_s:.2g} s each, "
            f"{left_s / 60:.0f} min left"
        )
