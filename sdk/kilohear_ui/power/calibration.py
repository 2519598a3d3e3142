"""How a phone's readings of its battery become mA out of it: makers differ in unit and sign."""

from __future__ import annotations

import statistics
from typing import Literal

SURELY_UA = 20_000
"""No phone draws 20 A from its battery, so larger readings aren't mA."""
SURELY_MA = 5_000
"""No phone with its screen on draws under 5 mA, so smaller readings aren't µA."""
_ENOUGH = 9


class Calibration:
    """Unit and sign, taken from readings while nothing feeds the phone, and then kept.

    Android defines µA, negative out of the battery. The sign is that of most readings, since the
    current is known to leave the battery; the unit is the one in which their median is a current
    that a phone with its screen on draws. The bench does the same over adb.
    """

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._unit: Literal["µA", "mA"] | None = None
        self._sign = -1

    def current_ma(self, raw: float, is_fed: bool) -> float | None:
        """Return mA out of the battery; None as long as that can't be told.

        Parameters
        ----------
        raw
            As the phone has it.
        is_fed
            Whether something feeds it: its current says nothing of the sign then.
        """
        if not is_fed and raw and len(self._seen) < _ENOUGH:
            self._seen.append(raw)
            self._decide()
        if self._unit is None:
            return None
        return self._sign * raw * (1e-3 if self._unit == "µA" else 1.0)

    @property
    def words(self) -> str:
        """What was decided, in words."""
        if self._unit is None:
            return "unit not known yet"
        direction = "negative" if self._sign < 0 else "positive"
        return f"{self._unit}, {direction} out of the battery, from {len(self._seen)} readings"

    def _decide(self) -> None:
        self._sign = -1 if sum(raw < 0 for raw in self._seen) * 2 >= len(self._seen) else 1
        middle = statistics.median(map(abs, self._seen))
        if middle >= SURELY_UA:
            self._unit = "µA"
        elif middle <= SURELY_MA:
            self._unit = "mA"
        else:  # 5 to 20 mA or 5 to 20 A: neither is likely
            self._unit = None
