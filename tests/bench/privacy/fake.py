"""A recogniser that makes things up, always the same."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


class FakeRecogniser:
    """Answers words picked by the samples' hash; is interrupted after `breaks`."""

    name, version = "fake", "1"

    def __init__(self, breaks: int | None = None) -> None:
        self.calls, self._breaks = 0, breaks

    def transcribe(self, samples: NDArray[np.float32], rate_hz: int) -> str:
        if self.calls == self._breaks:
            raise KeyboardInterrupt
        self.calls += 1
        words = ("he", "could", "wait", "no", "longer", "his", "belly", "had", "apples")
        digest = hashlib.sha256(samples.tobytes() + bytes([rate_hz % 251])).digest()
        return " ".join(words[byte % len(words)] for byte in digest[:5])
