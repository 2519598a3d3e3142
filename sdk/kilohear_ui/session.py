"""What the Listen screen shows, made from what the ears say; knows nothing of Kivy.

Ears tell times of their stream, which begins anew with every start and whose clock isn't ours; the
time line is by this computer's clock, `time.monotonic`. The newest time heard is taken to be now.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections import deque
from collections.abc import Collection, Iterable

from kilohear.events import Event, Fault, Gap
from kilohear_ui.ears import Cost, Ended, Heard, Level, Said, Started, Trouble
from kilohear_ui.problems import Problem

HORIZON_S = 300.0
"""How far back the time line goes."""

GAP_SHOWN_S = 15.0
"""How long a gap is told of after it was heard of."""

_MOST_SPANS = 2_000
_LATENCIES = 60
_QUIETEST_DB = -120.0


@dataclasses.dataclass
class Span:
    """A sound on the time line, or a gap, whose `label` is empty.

    Attributes
    ----------
    start_s, end_s
        By `time.monotonic`; `end_s` is None while it lasts.
    """

    label: str
    probability: float
    start_s: float
    end_s: float | None


@dataclasses.dataclass(frozen=True)
class Current:
    """What is heard now.

    Attributes
    ----------
    probability
        By the newest window.
    is_event
        Whether the thresholds say that it is heard; otherwise it is a guess.
    """

    label: str
    probability: float
    is_event: bool


class Session:
    """What was heard since the app began, as far as it is shown.

    Attributes
    ----------
    started
        Of the listening under way; None where nobody listens.
    level_db
        The newest level; None: none yet.
    fault
        What keeps the ears from hearing; None once the sound is back.
    gap
        The newest gap.
    lost_s
        Lengths of all gaps of the listening under way.
    cost
        The newest.
    """

    def __init__(self) -> None:
        self._spans: deque[Span] = deque(maxlen=_MOST_SPANS)
        self._levels: deque[tuple[int, float]] = deque(maxlen=int(HORIZON_S) + 2)
        self._ends_s: dict[str, float] = {}
        self._pruned_s = 0.0
        self._forget()

    @property
    def latency_ms(self) -> float | None:
        """The median of the last inferences."""
        return statistics.median(self._latencies_ms) if self._latencies_ms else None

    def take(self, said: Iterable[Said], now_s: float | None = None) -> Problem | None:
        """Take what the ears said; return the newest problem."""
        now_s = time.monotonic() if now_s is None else now_s
        problem = None
        for each in said:
            match each:
                case Started():
                    self._close(now_s)
                    self._forget()
                    self.started = each
                case Heard():
                    self._take_window(each)
                case Level():
                    self._newest_s = max(self._newest_s, each.at_s)
                    self._take_level(each.level_db, now_s)
                case Event():
                    self._take_event(each, now_s)
                case Gap():
                    self._take_gap(each, now_s)
                case Fault():
                    self.fault = each
                case Trouble():
                    problem = each.problem
                case Cost():
                    self.cost = each
                case Ended():
                    self._close(now_s)
                    self._forget()
                    problem = each.problem or problem
        self._prune(now_s)
        return problem

    def current(self, hidden: Collection[str] = ()) -> Current | None:
        """Return what is heard now, `hidden` labels left out; None: nothing was heard yet."""
        if self.started is None or not self._probabilities:
            return None
        shown = {
            label: probability
            for label, probability in zip(self.started.labels, self._probabilities, strict=False)
            if label not in hidden
        }
        lasting = [label for label in self._lasting if label in shown]
        if not shown:
            return None
        best = max(lasting or shown, key=shown.__getitem__)
        return Current(best, shown[best], bool(lasting))

    def spans(self, hidden: Collection[str] = ()) -> list[Span]:
        """Return the time line, oldest first; those of one label never overlap."""
        return [span for span in self._spans if span.label not in hidden]

    def levels(self) -> list[tuple[int, float]]:
        """Return the loudest level of each second, dB of full scale, oldest first."""
        return list(self._levels)

    def gap_to_tell(self, now_s: float | None = None) -> Gap | None:
        """Return the newest gap while it is news."""
        now_s = time.monotonic() if now_s is None else now_s
        return self.gap if now_s - self._gap_at_s < GAP_SHOWN_S else None

    def _forget(self) -> None:
        """Begin anew; what is on the time line stays there."""
        self.started: Started | None = None
        self.level_db: float | None = None
        self.fault: Fault | None = None
        self.gap: Gap | None = None
        self.lost_s = 0.0
        self.cost: Cost | None = None
        self._gap_at_s = 0.0
        self._newest_s = 0.0
        self._probabilities: tuple[float, ...] = ()
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES)
        self._lasting: dict[str, Span] = {}

    def _take_window(self, heard: Heard) -> None:
        self._newest_s = max(self._newest_s, heard.end_s)
        self._probabilities = heard.probabilities
        if heard.latency_ms is not None:
            self._latencies_ms.append(heard.latency_ms)
        if self.fault is not None and heard.start_s >= self.fault.start_s:
            self.fault = None
        if self.started is not None:
            for label, probability in zip(self.started.labels, heard.probabilities, strict=False):
                if label in self._lasting:
                    span = self._lasting[label]
                    span.probability = max(span.probability, probability)

    def _take_level(self, level_db: float, now_s: float) -> None:
        self.level_db = max(level_db, _QUIETEST_DB)
        second = int(now_s)
        if self._levels and self._levels[-1][0] == second:
            self._levels[-1] = (second, max(self._levels[-1][1], self.level_db))
        else:
            self._levels.append((second, self.level_db))

    def _take_event(self, event: Event, now_s: float) -> None:
        """Begin a span, or end it; an end whose begin wasn't told of is a span, too."""
        self._newest_s = max(self._newest_s, event.end_s or event.start_s)
        span = self._lasting.pop(event.label, None)
        if span is None:
            span = self._begin(event.label, event.start_s, now_s)
        span.probability = max(span.probability, event.probability)
        if event.end_s is None:
            self._lasting[event.label] = span
        else:
            self._end(span, self._place(event.end_s, now_s))

    def _take_gap(self, gap: Gap, now_s: float) -> None:
        end_s = gap.start_s + gap.lost_s
        self._newest_s = max(self._newest_s, end_s)
        self.gap, self._gap_at_s = gap, now_s
        self.lost_s += gap.lost_s
        if gap.cause == "outage":
            self.fault = None
        self._end(self._begin("", gap.start_s, now_s), self._place(end_s, now_s))

    def _begin(self, label: str, stream_s: float, now_s: float) -> Span:
        """Begin a span, at its label's last end at the earliest."""
        start_s = max(self._place(stream_s, now_s), self._ends_s.get(label, 0.0))
        self._spans.append(Span(label, 0.0, start_s, None))
        return self._spans[-1]

    def _end(self, span: Span, end_s: float) -> None:
        span.end_s = self._ends_s[span.label] = max(span.start_s, end_s)

    def _place(self, stream_s: float, now_s: float) -> float:
        return now_s - max(0.0, self._newest_s - stream_s)

    def _close(self, now_s: float) -> None:
        for span in self._lasting.values():
            self._end(span, now_s)

    def _prune(self, now_s: float) -> None:
        """Forget what has left the time line."""
        if now_s - self._pruned_s < 1:
            return
        self._pruned_s, oldest_s = now_s, now_s - HORIZON_S
        kept = (s for s in self._spans if s.end_s is None or s.end_s >= oldest_s)
        self._spans = deque(kept, maxlen=_MOST_SPANS)
        while self._levels and self._levels[0][0] < oldest_s:
            self._levels.popleft()
