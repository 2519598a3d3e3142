"""The monitor: what a display may show of the sound under way: levels, never samples."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

COLUMN_S = 0.064
"""Distance of a spectrum's columns; each looks at twice as much sound."""

SHOWN_S = 5.0
BANDS = 48
FLOOR_DB = -120.0

_COLUMNS = round(SHOWN_S / COLUMN_S)
_SPARE = 8
"""Columns kept besides: those after the decimator come later than those before it."""

_MOST_LEVELS = 64


@dataclasses.dataclass(frozen=True)
class Level:
    """How loud the low-rate signal is, RMS, dB of full scale, a value a block."""

    at_s: float
    level_db: float


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """The last seconds, before the decimator and after it.

    Attributes
    ----------
    before_db, after_db
        The sound's mean power in bands of equal width, dB of full scale, (columns, bands), the
        newest column last; `before_db` reaches to half the granted rate, `after_db` to half the
        student's. All bands of a column together are the mean square of its sound.
    before_hz, after_hz
        Where the highest band ends.
    column_s
        Distance of columns, seconds.
    """

    before_db: NDArray[np.float32]
    after_db: NDArray[np.float32]
    before_hz: float
    after_hz: float
    column_s: float


class Monitor:
    """Watches a feed: the level of each block, and on demand the last 5 s as bands.

    Given to a `Listener`, whose feed tells it each block before it is decimated and each part
    after it; of several students' parts the one at the lowest rate. A display may ask from any
    thread.

    While `watch`ed, the newest `2 * COLUMN_S` of samples, 0.128 s, are held for the column under
    way, at the granted rate and at the student's; they are overwritten as columns are done, when
    the stream ends and by `unwatch`. Else no sample outlives the call that told it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: deque[Level] = deque(maxlen=_MOST_LEVELS)
        self._rates_hz: tuple[int, int] | None = None
        self._is_watched = False
        self._bands: tuple[_Bands, _Bands] | None = None

    def watch(self) -> None:
        """Begin to keep the last seconds' bands."""
        with self._lock:
            if not self._is_watched:
                self._is_watched = True
                self._make()

    def unwatch(self) -> None:
        """End it, and overwrite what was kept."""
        with self._lock:
            self._is_watched = False
            self._wipe()

    def levels(self) -> list[Level]:
        """Return the levels since the last call, the newest 64 at most."""
        with self._lock:
            levels = list(self._levels)
            self._levels.clear()
        return levels

    def spectrum(self) -> Spectrum | None:
        """Return a copy of the last 5 s as bands; None where they aren't watched.

        Columns before and after the decimator stand for the same time within two columns.
        """
        with self._lock:
            if self._bands is None:
                return None
            before, after = self._bands
            end = min(before.count, after.count)
            return Spectrum(
                before.newest(before.count - end),
                after.newest(after.count - end),
                before.rate_hz / 2,
                after.rate_hz / 2,
                COLUMN_S,
            )

    def begin(self, granted_hz: int, rate_hz: int) -> None:
        """Take a stream that begins, or begins anew; called by the feed."""
        with self._lock:
            rates_hz = (granted_hz, rate_hz)
            if rates_hz != self._rates_hz:
                self._rates_hz = rates_hz
                self._wipe()
                self._make()
            self._forget()

    def before(self, block: NDArray[np.floating]) -> None:
        """Take a block (samples,) at the granted rate, not decimated yet; called by the feed."""
        with self._lock:
            if self._bands is not None:
                self._bands[0].push(block)

    def after(self, at_s: float, samples: NDArray[np.float32]) -> None:
        """Take what a block gave (samples,) at the student's rate, by `at_s`; by the feed."""
        if not len(samples):
            return
        power = float(np.dot(samples, samples)) / len(samples)
        with self._lock:
            self._levels.append(Level(at_s, float(_decibels(power))))
            if self._bands is not None:
                self._bands[1].push(samples)

    def end(self) -> None:
        """Overwrite the samples of the columns under way; called by the feed."""
        with self._lock:
            self._forget()

    def _make(self) -> None:
        if self._is_watched and self._rates_hz is not None:
            before_hz, after_hz = self._rates_hz
            self._bands = _Bands(before_hz), _Bands(after_hz)

    def _forget(self) -> None:
        for bands in self._bands or ():
            bands.forget()

    def _wipe(self) -> None:
        for bands in self._bands or ():
            bands.wipe()
        self._bands = None


class _Bands:
    """The newest columns of a stream; the same ones whatever its blocks' sizes."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._window = max(4, round(2 * COLUMN_S * rate_hz))
        # Padded so that each band has as many bins as another.
        self._per_band = -(-self._window // (2 * BANDS))
        taper = np.hanning(self._window + 1)[:-1]
        self._taper = taper.astype(np.float32)
        self._scale = 2 / (2 * BANDS * self._per_band * float(np.sum(taper**2)))
        self._scratch = np.zeros(self._window, np.float32)
        self._tapered = np.zeros(self._window, np.float32)
        self._columns = np.full((_COLUMNS + _SPARE, BANDS), FLOOR_DB, np.float32)
        self.count = 0
        self.forget()

    def push(self, samples: NDArray[np.floating]) -> None:
        taken = 0
        while taken < len(samples):
            fresh = samples[taken : taken + self._window - self._filled]
            self._scratch[self._filled : self._filled + len(fresh)] = fresh
            self._filled += len(fresh)
            taken += len(fresh)
            if self._filled == self._window:
                self._add(self._column())
                self._slide()

    def newest(self, skipped: int) -> NDArray[np.float32]:
        """Return a copy of what is shown, without the `skipped` newest columns."""
        end = len(self._columns) - min(skipped, _SPARE)
        return self._columns[end - _COLUMNS : end].copy()

    def forget(self) -> None:
        """Begin a new column; the samples held are overwritten."""
        self._scratch.fill(0)
        self._tapered.fill(0)
        self._filled = self._started = 0

    def wipe(self) -> None:
        self.forget()
        self._columns.fill(FLOOR_DB)

    def _column(self) -> NDArray[np.float32]:
        np.multiply(self._scratch, self._taper, out=self._tapered)
        spectrum = np.fft.rfft(self._tapered, 2 * BANDS * self._per_band)[1:]  # without the mean
        power = self._scale * (spectrum.real**2 + spectrum.imag**2)
        power[-1] /= 2  # half the rate comes once, all else twice
        return _decibels(power.reshape(BANDS, self._per_band).sum(axis=1)).astype(np.float32)

    def _add(self, column: NDArray[np.float32]) -> None:
        self._columns[:-1] = self._columns[1:]
        self._columns[-1] = column
        self.count += 1

    def _slide(self) -> None:
        """Move on to the next column's start, a whole sample where the distance is none."""
        distance = COLUMN_S * self.rate_hz
        hop = round((self._started + 1) * distance) - round(self._started * distance)
        hop = min(max(1, hop), self._window)
        self._started += 1
        self._filled = self._window - hop
        self._scratch[: self._filled] = self._scratch[hop:].copy()
        self._scratch[self._filled :] = 0
        self._tapered.fill(0)


def _decibels(power: NDArray[np.floating] | float) -> NDArray[np.floating]:
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
