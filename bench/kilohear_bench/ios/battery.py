"""An iPhone's battery as its registry tells it; only over Wi-Fi, since a cable charges it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kilohear_bench.ios.tool import IosError, Tool
from kilohear_bench.meters.android import Power

READINGS = 30
METER = "InstantAmperage of the battery's registry entry, times its voltage"
_PERIOD_S = 2.0


@dataclasses.dataclass(frozen=True)
class Battery:
    """The battery at one moment.

    Attributes
    ----------
    level
        Percent.
    current_ma
        Out of the battery.
    voltage_v, celsius
        At its terminals; its thermometer.
    charging, external
        Whether it charges; whether a cable or a charging pad feeds the phone.
    """

    level: int
    current_ma: float
    voltage_v: float
    celsius: float
    charging: bool
    external: bool

    def require_discharging(self) -> None:
        """Raise IosError where the battery's current isn't the phone's."""
        if self.charging or self.external:
            said = "IsCharging" if self.charging else "ExternalConnected"
            raise IosError(
                f"the iPhone is fed from outside ({said} is true, {self.current_ma:g} mA), so its "
                "battery's current says nothing; pull the cable and use Wi-Fi: pair it by cable "
                "once (pymobiledevice3 lockdown wifi-connections on)"
            )


def battery_of(entry: dict[str, Any]) -> Battery:
    """Return the battery of a registry entry: mA, mV and hundredths of a degree.

    Raises
    ------
    IosError
        Where a value is missing.
    """
    try:
        current_ma = int(entry["InstantAmperage"])
        if current_ma >= 1 << 63:  # some versions print a negative number as unsigned
            current_ma -= 1 << 64
        return Battery(
            level=int(entry["CurrentCapacity"]),
            current_ma=float(-current_ma),
            voltage_v=int(entry["Voltage"]) / 1e3,
            celsius=int(entry["Temperature"]) / 100,
            charging=bool(entry["IsCharging"]),
            external=bool(entry["ExternalConnected"]),
        )
    except KeyError as error:
        raise IosError(
            f"the iPhone doesn't tell its battery's {error.args[0]}; use --power none"
        ) from None


def sample_battery(tool: Tool, sleep: Callable[[float], None] = time.sleep) -> Power:
    """Return the power of an iPhone that lies there, sampled from here for about a minute.

    Every reading goes over Wi-Fi, which costs power as well and is in the figure.

    Raises
    ------
    IosError
        Where it charges at any reading.
    DeviceLost
        Where it is gone.
    """
    times, batteries = [], []
    for i in range(READINGS):
        if i:
            sleep(_PERIOD_S)
        battery = battery_of(tool.battery())
        battery.require_discharging()
        times.append(time.monotonic())
        batteries.append(battery)
    time_s = np.array(times) - times[0]
    current_ma = np.array([battery.current_ma for battery in batteries])
    voltage_v = np.array([battery.voltage_v for battery in batteries])
    first, last = batteries[0], batteries[-1]
    return Power(
        kind="measured",
        meter=METER,
        duration_s=float(time_s[-1]),
        energy_mj=float(np.trapezoid(current_ma * voltage_v, time_s)),
        conditions={
            "battery_level": [first.level, last.level],
            "battery_voltage_v": [first.voltage_v, last.voltage_v],
            "battery_celsius": [first.celsius, last.celsius],
            "charging": "unplugged",
        },
        columns={
            "time_s": time_s,
            "current_ma": current_ma,
            "voltage_v": voltage_v,
            "power_mw": current_ma * voltage_v,
        },
    )
