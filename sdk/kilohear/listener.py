"""The loop: source -> decimator -> window -> classifier -> events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Bundle
from kilohear.capture import Source, open_source
from kilohear.classifier import Classifier
from kilohear.decimator import Decimator
from kilohear.events import Detection, Event, EventDetector
from kilohear.window import WindowBuffer


@dataclasses.dataclass(frozen=True)
class Window:
    """The probabilities (classes,) of one window, seconds since the start of the stream."""

    start_s: float
    end_s: float
    probabilities: NDArray[np.float32]


class Listener:
    """Listen to a source; iterate to get events.

    Parameters
    ----------
    bundle
        A bundle's name or path, a Bundle, or a Classifier.
    source
        A recording's path, or any Source.
    runtime
        `auto`, `executorch` or `onnx`; see `Bundle.open`.
    detection
        Thresholds and smoothing.
    report
        `onset`: an event when it begins, `end_s` None; `ended`: when it is over, `end_s` set;
        `both`: twice.

    Raises
    ------
    KilohearError
        Here, before anything is heard, where the bundle or the source can't be used.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle | Classifier,
        source: str | Path | Source,
        *,
        runtime: str = "auto",
        detection: Detection | None = None,
        report: Literal["onset", "ended", "both"] = "onset",
    ) -> None:
        self.source = open_source(source) if isinstance(source, str | Path) else source
        if isinstance(bundle, str | Path):
            bundle = Bundle.load(bundle)
        card = bundle.card
        Decimator(self.source.rate_hz, card.rate_hz)  # refuses a rate too low
        self.classifier = bundle.open(runtime) if isinstance(bundle, Bundle) else bundle
        self.requested_hz = self.source.requested_hz
        self.granted_hz = self.source.rate_hz
        self.effective_hz = card.rate_hz
        self.detection = detection or Detection()
        self.report = report

    def __iter__(self) -> Iterator[Event]:
        """Yield events as `report` asks; ends with the source."""
        detector = EventDetector(self.classifier.card.labels, self.detection)
        for window in self.windows():
            found = detector.push(window.probabilities, window.start_s, window.end_s)
            yield from filter(self._is_wanted, found)
        yield from filter(self._is_wanted, detector.flush())

    def windows(self) -> Iterator[Window]:
        """Yield each window's probabilities; a short recording and a long rest are zero-padded."""
        card = self.classifier.card
        decimator = Decimator(self.granted_hz, self.effective_hz)
        buffer = WindowBuffer(card.samples, round(card.hop_s * card.rate_hz))
        for block in self.source.blocks():
            for start, waveform in buffer.push(decimator.push(block)):  # zeroes the block
                yield self._classify(start, waveform, buffer.taken)
        for start, waveform in buffer.push(decimator.flush()):
            yield self._classify(start, waveform, buffer.taken)
        for start, waveform in buffer.flush():
            yield self._classify(start, waveform, buffer.taken)

    def _classify(self, start: int, waveform: NDArray[np.float32], heard: int) -> Window:
        end = min(start + len(waveform), heard)  # not into the padding
        return Window(start / self.effective_hz, end / self.effective_hz, self.classifier(waveform))

    def _is_wanted(self, event: Event) -> bool:
        return self.report == "both" or (event.end_s is None) == (self.report == "onset")
