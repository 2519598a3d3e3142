"""The window buffer: a stream of samples cut into overlapping windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import ConfigError


class WindowBuffer:
    """Cut a stream into windows of fixed length at a fixed distance.

    Parameters
    ----------
    window, hop
        Length and distance of windows, samples; hop is 1 to window.
    """

    def __init__(self, window: int, hop: int) -> None:
        if not 1 <= hop <= window:
            raise ConfigError(f"windows: hop is {hop} samples; give 1 to the window, {window}")
        self._window, self._hop = window, hop
        self._samples = np.empty(0, np.float32)
        self._start = 0  # stream index of _samples[0], where the next window starts
        self.taken = 0
        """Samples so far."""

    def push(self, samples: NDArray[np.float32]) -> list[tuple[int, NDArray[np.float32]]]:
        """Take samples; return each window (window,) they complete, after its start index."""
        self._samples = np.concatenate([self._samples, samples])
        self.taken += len(samples)
        windows = []
        while len(self._samples) >= self._window:
            windows.append((self._start, self._samples[: self._window].copy()))
            self._samples = self._samples[self._hop :].copy()
            self._start += self._hop
        return windows

    def flush(self) -> list[tuple[int, NDArray[np.float32]]]:
        """End the stream; return one more window, padded with zeros, where enough is left over.

        Enough is any sound at all where no window was full yet, else half a hop that no window
        has covered.
        """
        overlap = self._window - self._hop if self._start else 0
        fresh = len(self._samples) - overlap
        enough = self._hop / 2 if self._start else 1
        if fresh < enough:
            return []
        padded = np.zeros(self._window, np.float32)
        padded[: len(self._samples)] = self._samples
        return [(self._start, padded)]
