"""A recording given at the pace of a microphone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kilohear.capture import Source


class Paced:
    """Give a source's blocks when a microphone would have heard them.

    Parameters
    ----------
    source
        The source to slow down to real time.
    most_late_s
        A reader that is later goes on from where it is, as after a pause, and doesn't catch up.
    """

    def __init__(self, source: Source, most_late_s: float = math.inf) -> None:
        self._source, self._most_late_s = source, most_late_s
        self.name = source.name
        self.requested_hz = source.requested_hz
        self.rate_hz = source.rate_hz

    @property
    def lost_samples(self) -> int:
        """Samples that the source underneath dropped."""
        return self._source.lost_samples

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,), each once its last sample's time has come."""
        started_s = time.monotonic()
        heard = 0
        for block in self._source.blocks():
            heard += len(block)
            early_s = started_s + heard / self.rate_hz - time.monotonic()
            if early_s < -self._most_late_s:
                started_s -= early_s
            time.sleep(max(0.0, early_s))
            yield block
