"""Events: probabilities, window by window, made into sounds that begin and end."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Event:
    """A sound that was recognised.

    Attributes
    ----------
    label
        Its class.
    probability
        The smoothed probability: at its onset, or its highest once the event is over.
    start_s, end_s
        Seconds since the start of the stream: start of its first window, end of its last; `end_s`
        is None while the sound lasts.
    bundle
        Whose label it is, where several listen.
    """

    label: str
    probability: float
    start_s: float
    end_s: float | None
    bundle: str = ""


@dataclasses.dataclass(frozen=True)
class Gap:
    """Sound that nobody heard, though it was to be heard.

    Attributes
    ----------
    start_s, lost_s
        Where it begins and how long it is, seconds of the stream.
    cause
        `capture`: the source dropped samples; `student`: inference was too slow, whole windows were
        dropped; `outage`: the source was gone, or gave nothing but exact zeros.
    """

    start_s: float
    lost_s: float
    cause: Literal["capture", "student", "outage"]


Cause = Literal["permission", "busy", "silent", "lost"]


@dataclasses.dataclass(frozen=True)
class Fault:
    """What keeps the listener from hearing; `reason` says what to do.

    `cause` is `permission` (refused), `busy` (a call or another app has the microphone), `silent`
    (it gives exact zeros) or `lost` (it is gone, for another reason or none that is known).
    """

    start_s: float
    reason: str
    cause: Cause = "lost"


@dataclasses.dataclass(frozen=True)
class Detection:
    """When a sound begins and ends.

    Attributes
    ----------
    threshold_on
        A sound begins when its smoothed probability reaches this.
    threshold_off
        It ends when its smoothed probability falls below this; at most `threshold_on`.
    smoothing_s
        Time constant of the exponential average over windows; the first window starts it, so a
        single window stands for itself. 0: no smoothing.
    min_duration_s
        How long the smoothed probability must stay at `threshold_on` before the sound has begun,
        from the start of one window to that of another; it begins with the first of them then.
    """

    threshold_on: float = 0.5
    threshold_off: float = 0.35
    smoothing_s: float = 1.0
    min_duration_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold_on <= 1:
            raise ConfigError(
                f"detection: threshold_on is {self.threshold_on}; give more than 0, at most 1"
            )
        if not 0 <= self.threshold_off <= self.threshold_on:
            raise ConfigError(
                f"detection: threshold_off is {self.threshold_off}; "
                f"give 0 to threshold_on, {self.threshold_on}"
            )
        if not 0 <= self.smoothing_s < math.inf:
            raise ConfigError(f"detection: smoothing_s is {self.smoothing_s}; give 0 s or more")
        if not 0 <= self.min_duration_s < math.inf:
            raise ConfigError(
                f"detection: min_duration_s is {self.min_duration_s}; give 0 s or more"
            )


@dataclasses.dataclass
class _Lasting:
    """An event under way."""

    start_s: float
    end_s: float
    highest: float


class EventDetector:
    """Smoothing and hysteresis over a stream of windows.

    Parameters
    ----------
    labels
        The classes, in the order of the probabilities.
    detection
        Thresholds and smoothing.
    bundle
        Written into the events.
    """

    def __init__(
        self, labels: tuple[str, ...], detection: Detection | None = None, bundle: str = ""
    ) -> None:
        self._labels = labels
        self._bundle = bundle
        self._detection = detection or Detection()
        self._forget()

    def push(
        self, probabilities: NDArray[np.floating], start_s: float, end_s: float
    ) -> list[Event]:
        """Take the probabilities (classes,) of the window from `start_s` to `end_s`.

        Returns
        -------
        The events that this window begins (`end_s` None) and those it ends (`end_s` set).

        Raises
        ------
        ConfigError
            Where there aren't as many probabilities as labels.
        """
        if np.shape(probabilities) != (len(self._labels),):
            raise ConfigError(
                f"events: probabilities have shape {np.shape(probabilities)}, "
                f"expected ({len(self._labels)},): one a label"
            )
        events = []
        for i, probability in enumerate(self._smooth(probabilities, start_s)):
            label, value = self._labels[i], float(probability)
            lasting = self._lasting.get(i)
            if lasting is None and value >= self._detection.threshold_on:
                began_s = self._rising.setdefault(i, start_s)
                if start_s - began_s >= self._detection.min_duration_s:
                    self._lasting[i] = _Lasting(began_s, end_s, value)
                    events.append(Event(label, value, began_s, None, self._bundle))
            elif lasting is None:
                self._rising.pop(i, None)
            elif lasting is not None and value >= self._detection.threshold_off:
                lasting.end_s, lasting.highest = end_s, max(lasting.highest, value)
            elif lasting is not None:
                events.append(self._end(i))
        return events

    def flush(self) -> list[Event]:
        """End the stream: return the events still under way, each with its end."""
        events = [self._end(i) for i in sorted(self._lasting)]
        self._forget()
        return events

    def _smooth(self, probabilities: NDArray[np.floating], start_s: float) -> NDArray[np.float64]:
        fresh = np.asarray(probabilities, np.float64)
        if self._smoothed is None or self._detection.smoothing_s == 0:
            self._smoothed = fresh
        else:
            weight = -math.expm1((self._newest_s - start_s) / self._detection.smoothing_s)
            self._smoothed = self._smoothed + weight * (fresh - self._smoothed)
        self._newest_s = start_s
        return self._smoothed

    def _end(self, i: int) -> Event:
        lasting = self._lasting.pop(i)
        self._rising.pop(i, None)
        label = self._labels[i]
        return Event(label, lasting.highest, lasting.start_s, lasting.end_s, self._bundle)

    def _forget(self) -> None:
        self._smoothed: NDArray[np.float64] | None = None
        self._newest_s = 0.0
        self._lasting: dict[int, _Lasting] = {}
        self._rising: dict[int, float] = {}  # since when each is at threshold_on or above
