"""The loop: source -> decimator -> window -> student -> events."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from kilohear.bundle import Bundle
from kilohear.capture import Source, open_source
from kilohear.capture.feed import Backlog, Duty, Feed, Item, Switch
from kilohear.classifier import Classifier
from kilohear.decimator import Decimator
from kilohear.errors import ConfigError, KilohearError
from kilohear.event_log import EventLog
from kilohear.events import Detection, Event, EventDetector, Fault, Gap
from kilohear.monitor import Monitor
from kilohear.student import Student, Window

AnyBundle = str | Path | Bundle | Classifier
Heard = Event | Gap | Fault

_LOGGER = logging.getLogger("kilohear")


@dataclasses.dataclass
class Statistics:
    """What a listener has done so far.

    Attributes
    ----------
    windows, skipped
        Windows heard, and those of them that the gate spared an inference.
    lost_s
        Sound that was to be heard and wasn't: the lengths of all gaps.
    faults
        How often something went wrong.
    """

    windows: int = 0
    skipped: int = 0
    lost_s: float = 0.0
    faults: int = 0

    @property
    def saving(self) -> float:
        """The share of inferences that the gate saved, 0 to 1."""
        return self.skipped / self.windows if self.windows else 0.0


class Listener:
    """Listen to a source; iterate to get events.

    Parameters
    ----------
    bundle
        A bundle's name or path, a Bundle, a Classifier; or several, which share the source.
    source
        A recording's path, `microphone` or another address of `open_source`, or any Source.
    runtime
        `auto`, `executorch`, `onnx` or `coreml`; see `Bundle.open`.
    detection
        Thresholds and smoothing.
    report
        `onset`: an event when it begins, `end_s` None; `ended`: when it is over, `end_s` set;
        `both`: twice.
    duty
        When to listen; always, where there is none.
    gate_db
        Windows whose level (RMS, dB of full scale) is below are silence, without an inference.
    log
        Gets every event, gap and fault: labels and times, never sound.
    monitor
        Tells a display the sound's levels; of several students, at the lowest rate.

    Raises
    ------
    KilohearError
        Here, before anything is heard, where the bundle or the source can't be used.
    """

    def __init__(
        self,
        bundle: AnyBundle | Sequence[AnyBundle],
        source: str | Path | Source,
        *,
        runtime: str = "auto",
        detection: Detection | None = None,
        report: Literal["onset", "ended", "both"] = "onset",
        duty: Duty | None = None,
        gate_db: float | None = None,
        log: EventLog | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self.source = open_source(source) if isinstance(source, str | Path) else source
        one = isinstance(bundle, str | Path | Bundle | Classifier)
        several: Sequence[AnyBundle] = [bundle] if one else bundle  # pyright: ignore
        if not several:
            raise ConfigError("a listener needs a bundle; give one at least")
        loaded = [Bundle.load(b) if isinstance(b, str | Path) else b for b in several]
        names = [each.card.name for each in loaded]
        if len(set(names)) < len(names):
            raise ConfigError(f"bundles {', '.join(names)}: two have one name; give each its own")
        for each in loaded:
            Decimator(self.source.rate_hz, each.card.rate_hz)  # refuses a rate too low
        self.classifiers = tuple(b.open(runtime) if isinstance(b, Bundle) else b for b in loaded)
        self.effective_hz = tuple(classifier.card.rate_hz for classifier in self.classifiers)
        self.requested_hz = self.source.requested_hz
        self.granted_hz = self.source.rate_hz
        self.detection = detection or Detection()
        self.report = report
        self.duty, self.gate_db, self.log = duty, gate_db, log
        self.monitor = monitor
        self.statistics = Statistics()
        self._switch = Switch()
        self._thread: threading.Thread | None = None

    def hear(self) -> Iterator[Heard]:
        """Yield events as `report` asks, gaps and faults; ends with the source or `stop`."""
        with closing(self.watch()) as watched:
            yield from (heard for heard in watched if not isinstance(heard, Window))

    def watch(self) -> Generator[Window | Heard]:
        """Yield what `hear` does, and each window before the events that it begins or ends."""
        detectors = {
            classifier.card.name: EventDetector(
                classifier.card.labels, self.detection, classifier.card.name
            )
            for classifier in self.classifiers
        }
        for window in self._windows():
            if not isinstance(window, Window):
                yield self._note(window)
                continue
            yield window
            detector = detectors[window.bundle]
            found = detector.push(window.probabilities, window.start_s, window.end_s)
            yield from map(self._note, filter(self._is_wanted, found))
        for detector in detectors.values():
            yield from map(self._note, filter(self._is_wanted, detector.flush()))

    def __iter__(self) -> Iterator[Event]:
        """Yield the events of `hear`; gaps and faults go to the logger `kilohear` as warnings."""
        for heard in self.hear():
            if isinstance(heard, Event):
                yield heard
            else:
                _LOGGER.warning("%s: %s", self.source.name, heard)

    def windows(self) -> Iterator[Window]:
        """Yield each window's probabilities; a short recording and a long rest are zero-padded."""
        for window in self._windows():
            if isinstance(window, Window):
                yield window
            else:
                _LOGGER.warning("%s: %s", self.source.name, window)

    async def __aiter__(self) -> AsyncIterator[Heard]:
        """Yield what `hear` does, without blocking the event loop."""
        import asyncio  # 3 MB that nobody else needs

        heard = self.hear()
        try:
            while (item := await asyncio.to_thread(next, heard, None)) is not None:
                yield item
        finally:
            self.stop()
            await asyncio.to_thread(_close, heard)

    def start(self, callback: Callable[[Heard], None]) -> None:
        """Listen in a thread and call back with what `hear` yields; see `stop`.

        Raises
        ------
        ConfigError
            Where it listens already.
        """
        if self._thread is not None and self._thread.is_alive():
            raise ConfigError(f"{self.source.name}: is listened to already; call stop() first")
        self._thread = threading.Thread(
            target=self._call, args=(callback,), name="kilohear listener", daemon=True
        )
        self._switch = Switch()
        self._thread.start()

    def pause(self) -> None:
        """Let go of a microphone, or stand still in a recording, until `resume`."""
        self._switch.set(paused=True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._switch.set(paused=False)

    def stop(self) -> None:
        """End what listens now, soon; sounds under way get their end."""
        self._switch.set(stopped=True)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _windows(self) -> Iterator[Window | Gap | Fault]:
        """The loop itself."""
        students = [Student(classifier, self.gate_db) for classifier in self.classifiers]
        for item in self._items():
            if isinstance(item, Gap | Fault):
                yield item
            for student in students:
                yield from map(self._count, student.take(item))
        for student in students:
            yield from map(self._count, student.flush())

    def _items(self) -> Iterator[Item]:
        if self._thread is not threading.current_thread():
            self._switch = Switch()
        rates_hz = frozenset(classifier.card.rate_hz for classifier in self.classifiers)
        feed = Feed(self.source, rates_hz, self._switch, self.duty, monitor=self.monitor)
        items = feed.items()
        # A recording waits for the students; a microphone doesn't.
        return iter(Backlog(items, self._switch) if getattr(self.source, "live", False) else items)

    def _count(self, window: Window) -> Window:
        self.statistics.windows += 1
        self.statistics.skipped += window.skipped
        return window

    def _note(self, heard: Heard) -> Heard:
        if isinstance(heard, Gap):
            self.statistics.lost_s += heard.lost_s
        elif isinstance(heard, Fault):
            self.statistics.faults += 1
        if self.log is not None:
            self.log.write(heard)
        return heard

    def _call(self, callback: Callable[[Heard], None]) -> None:
        try:
            for heard in self.hear():
                callback(heard)
        except KilohearError as error:  # nobody above this thread could catch it
            _LOGGER.error("%s: %s", self.source.name, error)

    def _is_wanted(self, event: Event) -> bool:
        return self.report == "both" or (event.end_s is None) == (self.report == "onset")


def _close(heard: Iterator[Heard]) -> None:
    """End a generator, and with it the thread that captures."""
    heard.close()  # pyright: ignore[reportAttributeAccessIssue]
