"""Fixtures of the SDK's tests: a source and a backend made on the spot."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclasses.dataclass
class ArraySource:
    """A clip (samples,) as a source; keeps the blocks it gave, to look at afterwards."""

    clip: NDArray[np.float32]
    rate_hz: int
    block: int = 100
    name: str = "array"
    lost_samples: int = 0

    def __post_init__(self) -> None:
        self.requested_hz = self.rate_hz
        self.given: list[NDArray[np.float32]] = []

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self.clip), self.block):
            self.given.append(self.clip[start : start + self.block].astype(np.float32))
            yield self.given[-1]


class LoudnessBackend:
    """Says "loud" above an RMS of 0.1, else "quiet"; keeps the waveforms it was given."""

    runtime, version = "fake", "0"

    def __init__(self) -> None:
        self.waveforms: list[NDArray[np.float32]] = []

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        self.waveforms.append(waveform.copy())
        is_loud = float(np.sqrt(np.mean(waveform**2))) > 0.1
        return np.array([[0.1, 0.9, 0.0] if is_loud else [0.9, 0.1, 0.0]], np.float32)


@pytest.fixture
def array_source() -> type[ArraySource]:
    return ArraySource


@pytest.fixture
def loudness() -> LoudnessBackend:
    return LoudnessBackend()
