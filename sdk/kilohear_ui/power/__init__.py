"""The battery as the system tells it, one protocol for Android, iOS and the desktop."""

from __future__ import annotations

import dataclasses
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Reading:
    """The battery at one moment; None: this system doesn't tell.

    Attributes
    ----------
    at_s
        By `time.monotonic`.
    level
        0 to 1.
    current_ma
        Out of the battery: positive while it empties.
    voltage_v, celsius
        At its terminals; its thermometer.
    is_fed
        Whether a cable or a charging pad feeds the device, charging or not.
    charge_mah
        What is left in it; with `level` this tells how much it holds.
    is_throttled
        Whether the system says that it slows itself down because of heat.
    """

    at_s: float
    level: float | None
    current_ma: float | None
    voltage_v: float | None
    celsius: float | None
    is_fed: bool
    charge_mah: float | None = None
    is_throttled: bool | None = None


class Battery(Protocol):
    """A battery that can be read.

    Attributes
    ----------
    meter
        In words, for a result's row; never changes.
    """

    meter: str

    @property
    def calibration(self) -> str:
        """How its readings became mA out of the battery, in words; empty where they are that."""
        ...

    def read(self) -> Reading | None:
        """Return a reading; None where there is no battery."""
        ...
