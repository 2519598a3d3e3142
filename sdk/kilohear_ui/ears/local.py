"""Ears in this process: a thread around a listener."""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Bundle
from kilohear.capture import MICROPHONE_BLOCK_S, Source, open_source
from kilohear.capture.paced import Paced
from kilohear.classifier import Classifier
from kilohear.errors import BundleError, ConfigError, KilohearError
from kilohear.event_log import EventLog
from kilohear.events import Event, Fault, Gap
from kilohear.listener import Listener
from kilohear.monitor import Monitor, Spectrum
from kilohear.student import Window
from kilohear.system import system
from kilohear_ui.ears import DEMO, Cost, Ended, Heard, Level, Said, Started, Trouble, Wish
from kilohear_ui.problems import Kind, problem_of

LOG_NAME = "events.jsonl"

COST_EVERY_S = 1.0

CLOSE_S = 3.0
"""What `close` waits at most: a source may be stuck in its driver, and the app must end."""

_MOST_PASSING, _MOST_KEPT = 512, 10_000
_MOST_LATE_S = 1.0


class LocalEars:
    """Ears that listen in threads of this process; see `kilohear_ui.ears.Ears`.

    What isn't taken waits: the newest 512 windows, levels and costs, and 10,000 events, gaps and
    faults, which is a day of them; they are in the event log too.

    Parameters
    ----------
    folder
        Where the event log lies; None: nothing is logged.
    runtime
        Of the bundle; see `kilohear.Bundle.open`.
    block_s
        Length of a microphone's block, seconds: how often it wakes the processor.
    """

    has_spectrum = True

    def __init__(
        self,
        folder: Path | None,
        runtime: str = "auto",
        block_s: float = MICROPHONE_BLOCK_S,
    ) -> None:
        self._log = None if folder is None else EventLog(folder / LOG_NAME)
        self._runtime, self._block_s = runtime, block_s
        self._said = _Mailbox()
        self._monitor = Monitor()
        self._run: _Run | None = None
        self._is_paused = False
        self._troubles: set[Kind] = set()

    @property
    def is_listening(self) -> bool:
        """Whether `start` was called and `Ended` not yet said."""
        return self._run is not None and not self._run.has_ended

    @property
    def is_paused(self) -> bool:
        """Whether the microphone is let go of for now."""
        return self._is_paused

    def start(self, wish: Wish) -> None:
        """Listen as wished; whatever listens now is stopped first, by the new thread."""
        before, self._is_paused = self._run, False
        self._run = _Run(self._runtime, self._block_s, wish, self._monitor, self._say)
        if before is not None:
            before.stop(says_so=False)
        self._run.start(before)

    def pause(self) -> None:
        """Let go of the microphone, or stand still in a recording, until `resume`."""
        if self.is_listening and self._run is not None:
            self._is_paused = True
            self._run.pause(True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused = False
        if self._run is not None:
            self._run.pause(False)

    def stop(self) -> None:
        """End listening; `Ended` is said once nothing runs any more."""
        self._is_paused = False
        if self._run is not None:
            self._run.stop()

    def take(self) -> list[Said]:
        """Return what was said since the last call; never waits."""
        self._said.fetch(self._measures)
        return self._said.take()

    def spectrum(self) -> Spectrum | None:
        """Return the last seconds' bands before and after the decimator; None: not watched."""
        return self._monitor.spectrum()

    def watch_spectrum(self, wanted: bool) -> None:
        """Begin to watch the bands, or end it and overwrite them."""
        if wanted:
            self._monitor.watch()
        else:
            self._monitor.unwatch()

    def close(self) -> None:
        """Stop, and wait until no thread of these ears is left, 3 s at most.

        A source that is stuck for longer can't be ended from here: its thread ends with it, or
        with the process.
        """
        self.stop()
        self._monitor.unwatch()
        if self._run is not None:
            self._run.join(CLOSE_S)

    def _measures(self) -> list[Level | Cost]:
        cost = None if self._run is None else self._run.cost()
        return [*self._monitor.levels(), *([] if cost is None else [cost])]

    def _say(self, said: Said) -> None:
        if isinstance(said, Ended):
            self._said.fetch(self._monitor.levels)  # nothing comes after the end
        if isinstance(said, Event | Gap | Fault):
            self._write(said)
        self._said.put(said)

    def _write(self, heard: Event | Gap | Fault) -> None:
        """Log; what keeps from it is said once, until it is over."""
        if self._log is None:
            return
        try:
            self._log.write(heard)
            self._troubles.clear()
        except KilohearError as error:
            problem = problem_of(error)
            if problem.kind not in self._troubles:
                self._troubles.add(problem.kind)
                self._said.put(Trouble(problem))


class _Run:
    """One listening, from its start to its end, in a thread of its own."""

    def __init__(
        self,
        runtime: str,
        block_s: float,
        wish: Wish,
        monitor: Monitor,
        say: Callable[[Said], None],
    ) -> None:
        self._runtime, self._block_s, self._wish = runtime, block_s, wish
        self._monitor, self._say = monitor, say
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._source: _Clocked | None = None
        self._made: tuple[Listener, _Timed] | None = None
        self._refused: Exception | None = None
        self._before: _Run | None = None
        self._stopped = self._paused = False
        self._says_end = True
        self._clocks: dict[int, float] = {}
        self._measured_s = time.monotonic()
        self.has_ended = False
        self._thread = threading.Thread(target=self._listen, name="kilohear ears", daemon=True)

    def start(self, before: _Run | None) -> None:
        """Begin, once the listening `before` has ended."""
        self._before = before
        if system() == "android":
            # JNI finds the app's classes in the caller's thread only.
            try:
                self._made = self._make()
            except Exception as error:  # said by the thread, after what was heard before
                self._refused = error
        self._thread.start()

    def pause(self, wanted: bool) -> None:
        with self._lock:
            self._paused = wanted
        self._apply()

    def stop(self, says_so: bool = True) -> None:
        with self._lock:
            self._stopped = True
            self._says_end = self._says_end and says_so
        self._apply()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for this listening to end, and by it for the one before."""
        self._thread.join(timeout_s)

    def cost(self) -> Cost | None:
        """Return what listening cost since the last time; None: that is less than a second ago."""
        listener, now_s = self._listener, time.monotonic()
        elapsed_s = now_s - self._measured_s
        if listener is None or self.has_ended or elapsed_s < COST_EVERY_S:
            return None
        self._measured_s = now_s
        statistics = listener.statistics
        share = self._cpu_share(elapsed_s)
        return Cost(share, _resident_bytes(), statistics.windows, statistics.skipped)

    def _listen(self) -> None:
        error: Exception | None = None
        try:
            if self._before is not None:
                self._before.join()
                self._before = None
            if self._refused is not None:
                raise self._refused
            if not self._stopped:
                self._hear(*(self._made or self._make()))
        except Exception as caught:  # nobody above this thread could catch it
            error = caught
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        self.has_ended = True
        if self._says_end:
            self._say(Ended(None if error is None else problem_of(error)))

    def _make(self) -> tuple[Listener, _Timed]:
        wish = self._wish
        try:
            bundle = Bundle.load(wish.bundle)
        except ConfigError as error:  # of a card, not of what a person has set
            raise BundleError(str(error)) from None
        classifier = _Timed(bundle.open(self._runtime))
        self._source = _Clocked(_open(wish.source, self._block_s), self._apply)
        self._listener = Listener(
            classifier,
            self._source,
            detection=wish.detection,
            report="both",
            duty=wish.duty,
            gate_db=wish.gate_db,
            monitor=self._monitor,
        )
        return self._listener, classifier

    def _hear(self, listener: Listener, classifier: _Timed) -> None:
        card = classifier.card
        self._say(
            Started(
                card.name,
                classifier.runtime,
                card.labels,
                listener.source.name,
                listener.requested_hz,
                listener.granted_hz,
                card.rate_hz,
                card.window_s,
                card.hop_s,
            )
        )
        own = _own_clock()
        if own is not None:
            self._clocks[own] = time.clock_gettime(own)
        with closing(listener.watch()) as heard:
            for each in heard:
                self._say(_told(each, classifier) if isinstance(each, Window) else each)

    def _apply(self) -> None:
        """Pass on what is wanted; the listener forgets it when it begins."""
        listener = self._listener
        if listener is None:
            return
        with self._lock:
            stopped, paused = self._stopped, self._paused
        if paused:
            listener.pause()
        else:
            listener.resume()
        if stopped:
            listener.stop()

    def _cpu_share(self, elapsed_s: float) -> float | None:
        capture = self._source.clock if self._source else None
        if capture is not None:
            self._clocks.setdefault(capture, 0.0)
        spent_s = 0.0
        for clock, before_s in list(self._clocks.items()):
            try:
                now_s = time.clock_gettime(clock)
            except OSError:  # that thread has ended
                del self._clocks[clock]
                continue
            spent_s += now_s - before_s
            self._clocks[clock] = now_s
        return spent_s / elapsed_s if self._clocks else None


class _Clocked:
    """A source that knows the thread it is read in, and says when it is opened."""

    def __init__(self, source: Source, opened: Callable[[], None]) -> None:
        self._source, self._opened = source, opened
        self.name, self.requested_hz = source.name, source.requested_hz
        self.rate_hz = source.rate_hz
        self.live = bool(getattr(source, "live", False))
        self.clock: int | None = None

    @property
    def lost_samples(self) -> int:
        return self._source.lost_samples

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        self.clock = _own_clock()
        self._opened()
        return self._source.blocks()


class _Timed(Classifier):
    """A classifier that measures itself."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier.bundle, classifier.backend)
        self.latencies_ms: deque[float] = deque()

    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        began_ns = time.perf_counter_ns()
        probabilities = super().__call__(waveform)
        self.latencies_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
        return probabilities


class _Mailbox:
    """What waits to be taken, in order; of what passes only the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._passing: deque[tuple[int, Said]] = deque(maxlen=_MOST_PASSING)
        self._kept: deque[tuple[int, Said]] = deque(maxlen=_MOST_KEPT)

    def put(self, said: Said) -> None:
        self.fetch(lambda: [said])

    def fetch(self, source: Callable[[], Iterable[Said]]) -> None:
        """Put what a source gives, so that nobody's comes between fetching and putting."""
        with self._lock:
            for said in source():
                self._count += 1
                passes = isinstance(said, Heard | Level | Cost)
                (self._passing if passes else self._kept).append((self._count, said))

    def take(self) -> list[Said]:
        with self._lock:
            merged = heapq.merge(self._passing, self._kept, key=itemgetter(0))
            said = [each for _, each in merged]
            self._passing.clear()
            self._kept.clear()
        return said


def _told(window: Window, classifier: _Timed) -> Heard:
    return Heard(
        window.start_s,
        window.end_s,
        tuple(float(probability) for probability in window.probabilities),
        window.lost_s,
        window.skipped,
        None if window.skipped else classifier.latencies_ms.popleft(),
    )


def _open(address: str, block_s: float) -> Source:
    """Open what a wish names, at the pace of a microphone."""
    from kilohear_ui.scene import SYNTHETIC, DemoScene

    if address in (DEMO, SYNTHETIC):
        return Paced(DemoScene(synthetic=address == SYNTHETIC), _MOST_LATE_S)
    if address.partition("?")[0].partition(":")[0] == "microphone":
        return open_source(address, block_s)
    source = open_source(address)
    return source if getattr(source, "live", False) else Paced(source, _MOST_LATE_S)


def _own_clock() -> int | None:
    """Return the clock of this thread's CPU time; None where the system has none."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return None if clock_of is None else clock_of(threading.get_ident())


def _resident_bytes() -> int | None:
    """Return this process's resident memory; None where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
