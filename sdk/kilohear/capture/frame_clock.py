"""Finds the samples that a recorder dropped without a word, by the recorder's own timestamps."""

from __future__ import annotations

JITTER_S = 0.05
"""Less isn't told from a late timestamp: shorter losses go unnoticed."""

_FOLLOW = 0.05
"""How fast the two clocks' drift is followed: the share of an offset taken over at each stamp."""


class FrameClock:
    """Holds a recorder's frame positions against the time at which they were reached.

    Android counts into the position what it puts into the app's buffer, and not what it drops when
    that is full (AOSP, AudioFlinger's `RecordTrack::updateTrackFrameInfo`): frames read can't fall
    behind the position, but the position falls behind the time. What it is late by twice in a row
    is lost; once may be a timestamp that came late.

    Parameters
    ----------
    rate_hz
        The recorder's sampling rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._base_s: float | None = None
        self._late_s = 0.0
        self._at_ns = 0

    def lost(self, position: int, at_ns: int) -> int:
        """Return how many samples were dropped since the last call.

        Parameters
        ----------
        position
            Frames that were recorded by then.
        at_ns
            When, in nanoseconds of a clock that never jumps.
        """
        offset_s = at_ns * 1e-9 - position / self._rate_hz
        if self._base_s is None:
            self._base_s = offset_s
        if at_ns == self._at_ns:
            return 0
        late_s = offset_s - self._base_s
        sure_s = min(late_s, self._late_s)
        self._at_ns, self._late_s = at_ns, late_s
        if sure_s > JITTER_S:
            self._base_s += sure_s
            self._late_s -= sure_s
            return round(sure_s * self._rate_hz)
        if late_s < JITTER_S:
            self._base_s += late_s * (_FOLLOW if late_s > 0 else 1.0)
        return 0
