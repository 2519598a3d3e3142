"""The heat of a phone: what it says of it, and the gate that waits until it is cool enough."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from kilohear.errors import KilohearError
from kilohear_bench.android.phone import Phone

MOST_S = 900.0
"""How long the gate waits before it gives up."""

_LOOK_S = 5.0
_SAY_S = 30.0


class Thermals:
    """The gate before each step.

    Parameters
    ----------
    phone
        Connected.
    name
        What messages call it.
    max_celsius
        The battery's temperature above which it waits.
    say
        Told while it waits.
    clock, sleep
        Seconds; a test gives its own.
    """

    def __init__(
        self,
        phone: Phone,
        name: str,
        max_celsius: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._phone, self._name, self._max = phone, name, max_celsius
        self._say, self._clock, self._sleep = say, clock, sleep

    def celsius(self) -> float | None:
        """Return the battery's temperature; None where the phone doesn't say."""
        said = self._phone.shell("dumpsys battery").output
        found = re.search(r"^\s*temperature: (-?\d+)\s*$", said, re.MULTILINE)
        return int(found[1]) / 10 if found else None

    def throttling(self) -> int:
        """Return the thermal status: 0 none, 1 light, 2 moderate, up to 6.

        Source: android.os.PowerManager, THERMAL_STATUS_NONE to _SHUTDOWN. 0 where the phone
        doesn't say: Android has it since version 10.
        """
        said = self._phone.shell("dumpsys thermalservice").output
        found = re.search(r"^\s*Thermal Status: (\d)", said, re.MULTILINE)
        return int(found[1]) if found else 0

    def wait(self) -> None:
        """Return when the phone is cool and doesn't throttle.

        Raises
        ------
        KilohearError
            Where it isn't after `MOST_S`.
        """
        began = self._clock()
        said = began - _SAY_S
        while (why := self._too_hot()) is not None:
            at = self._clock()
            if at - began >= MOST_S:
                raise KilohearError(
                    f"{self._name}: {why} after {MOST_S / 60:.0f} min of rest; put the phone "
                    "somewhere cool, out of its case, or raise --max-celsius, then resume the run"
                )
            if at - said >= _SAY_S:
                self._say(f"{self._name}: {why}; waits, {(at - began) / 60:.1f} min so far")
                said = at
            self._sleep(_LOOK_S)

    def _too_hot(self) -> str | None:
        celsius = self.celsius()
        if celsius is not None and celsius > self._max:
            return f"the battery is at {celsius:.1f} degrees Celsius, above {self._max:g}"
        status = self.throttling()
        return f"the phone throttles (thermal status {status})" if status else None
