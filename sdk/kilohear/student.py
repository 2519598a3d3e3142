"""The student's stage: a stream of low-rate samples in, the probabilities of each window out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from kilohear.capture.feed import Item, Part, Restart
from kilohear.classifier import Classifier
from kilohear.events import Gap
from kilohear.window import WindowBuffer


@dataclasses.dataclass(frozen=True)
class Window:
    """One window, seconds since the start of the stream.

    Attributes
    ----------
    probabilities
        (classes,); zeros where the gate skipped inference.
    bundle
        Who heard it.
    lost_s
        How much of it was lost and is silence in its place.
    skipped
        Whether it was too quiet for the gate.
    """

    start_s: float
    end_s: float
    probabilities: NDArray[np.float32]
    bundle: str = ""
    lost_s: float = 0.0
    skipped: bool = False


class Student:
    """One bundle at work: its windows, its gate, its classifier.

    Parameters
    ----------
    classifier
        The bundle in its runtime.
    gate_db
        Windows whose level (RMS, dB of full scale) is below aren't looked at; None: all are.
    """

    def __init__(self, classifier: Classifier, gate_db: float | None = None) -> None:
        self.classifier = classifier
        card = classifier.card
        self._rate_hz, self._window_s = card.rate_hz, card.samples / card.rate_hz
        self._hop = round(card.hop_s * card.rate_hz)
        self._floor = None if gate_db is None else 10 ** (gate_db / 10)
        self._begin(0.0)

    def take(self, item: Item) -> list[Window]:
        """Take what the feed gives; return the windows it completes."""
        if isinstance(item, Part):
            return self._classify(self._buffer.push(item.samples[self._rate_hz]))
        if isinstance(item, Gap):
            self._gaps.append((item.start_s, item.start_s + item.lost_s))
        elif isinstance(item, Restart):
            windows = self.flush()
            self._begin(item.at_s)
            return windows
        return []

    def flush(self) -> list[Window]:
        """End the stream: return one more window where enough sound is left."""
        return self._classify(self._buffer.flush())

    def _begin(self, at_s: float) -> None:
        self._base_s = at_s
        self._buffer = WindowBuffer(self.classifier.card.samples, self._hop)
        self._gaps: list[tuple[float, float]] = []

    def _classify(self, windows: list[tuple[int, NDArray[np.float32]]]) -> list[Window]:
        return [self._window(start, waveform) for start, waveform in windows]

    def _window(self, start: int, waveform: NDArray[np.float32]) -> Window:
        start_s = self._base_s + start / self._rate_hz
        heard = min(start + len(waveform), self._buffer.taken)  # not into the padding
        end_s = self._base_s + heard / self._rate_hz
        self._gaps = [gap for gap in self._gaps if gap[1] > start_s]
        lost_s = sum(
            max(0.0, min(to_s, end_s) - max(from_s, start_s)) for from_s, to_s in self._gaps
        )
        card = self.classifier.card
        if self._is_quiet(waveform):
            nothing = np.zeros(len(card.labels), np.float32)
            return Window(start_s, end_s, nothing, card.name, lost_s, skipped=True)
        return Window(start_s, end_s, self.classifier(waveform), card.name, lost_s)

    def _is_quiet(self, waveform: NDArray[np.float32]) -> bool:
        power = float(np.dot(waveform, waveform)) / len(waveform)
        # A NaN isn't quiet: the classifier refuses it.
        return self._floor is not None and math.isfinite(power) and power < self._floor
