"""A stretch: the battery's readings while the device did one thing, and the energy in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from kilohear.errors import KilohearError
from kilohear_ui.power import Reading


class Spoiled(KilohearError):  # noqa: N818 - a state, as SourceLost
    """A step's figures say nothing; it is taken again."""


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Readings of one stretch, in order, the first at its begin and the last at its end.

    Attributes
    ----------
    readings
        Each with current and voltage.
    longest_gap_s
        How far two of them may lie apart: an app that was halted for a while measured something
        else.
    """

    readings: tuple[Reading, ...]
    longest_gap_s: float

    def __post_init__(self) -> None:
        if len(self.readings) < 2 or self.duration_s <= 0:
            raise Spoiled(
                f"the battery told its current {len(self.readings)} times in a stretch; it takes "
                "two readings at least: measure again"
            )
        gap_s = max(end - begin for begin, end in zip(self.time_s, self.time_s[1:], strict=False))
        if gap_s > self.longest_gap_s:
            raise Spoiled(
                f"the battery told nothing for {gap_s:.1f} s, at most {self.longest_gap_s:g} s may "
                "pass: the app was halted; leave it on the screen"
            )
        if not self.energy_mj > 0:
            raise Spoiled(
                f"the battery gave {self.energy_mj:.4g} mJ in {self.duration_s:.4g} s; a device "
                "that runs draws something: its current isn't told"
            )

    @property
    def time_s(self) -> list[float]:
        """Since the stretch began."""
        return [reading.at_s - self.readings[0].at_s for reading in self.readings]

    @property
    def power_mw(self) -> list[float]:
        """Current times voltage, of each reading."""
        return [_of(reading.current_ma) * _of(reading.voltage_v) for reading in self.readings]

    @property
    def duration_s(self) -> float:
        """From the first reading to the last."""
        return self.readings[-1].at_s - self.readings[0].at_s

    @property
    def energy_mj(self) -> float:
        """By trapezoids between the readings' times."""
        return trapezoid(self.power_mw, self.time_s)

    @property
    def mean_power_mw(self) -> float:
        """Energy over time."""
        return self.energy_mj / self.duration_s

    def conditions(self) -> dict[str, Any]:
        """Return what the figures depend on: the battery before and after."""
        first, last = self.readings[0], self.readings[-1]
        told = {
            "battery_level": [first.level, last.level],
            "battery_voltage_v": [first.voltage_v, last.voltage_v],
            "battery_celsius": [first.celsius, last.celsius],
            "battery_charge_mah": [first.charge_mah, last.charge_mah],
            "charging": "unplugged",
            "different_currents": len({reading.current_ma for reading in self.readings}),
        }
        return {
            name: value
            for name, value in told.items()
            if not (isinstance(value, list) and None in value)
        }

    def columns(self) -> dict[str, list[float | None]]:
        """Return every reading, raw, a list a quantity."""
        return {
            "time_s": list(self.time_s),
            "current_ma": [reading.current_ma for reading in self.readings],
            "voltage_v": [reading.voltage_v for reading in self.readings],
            "celsius": [reading.celsius for reading in self.readings],
        }


def trapezoid(values: Sequence[float], time_s: Sequence[float]) -> float:
    """Return the integral of what is linear between its values."""
    pairs = zip(values, values[1:], time_s, time_s[1:], strict=False)
    return sum((a + b) / 2 * (end - begin) for a, b, begin, end in pairs)


def has_power(reading: Reading) -> bool:
    """Whether a reading tells power."""
    return reading.current_ma is not None and reading.voltage_v is not None


def _of(value: float | None) -> float:
    assert value is not None, "a stretch takes readings that tell power"
    return value
