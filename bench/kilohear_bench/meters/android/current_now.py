"""The battery's current, sampled on the phone, its unit and sign calibrated."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kilohear.bundle import Kind
from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import Power, PowerError
from kilohear_bench.meters.android.battery import Battery, find_node
from kilohear_bench.meters.android.sampler import Sampled, SampledBattery

Unit = Literal["uA", "mA"]

SURELY_UA = 20_000
"""No phone draws 20 A from its battery, so larger readings aren't mA."""
SURELY_MA = 5_000
"""No phone that is awake, its shell running, draws under 5 mA, so smaller readings aren't uA."""
VENDORS: dict[str, tuple[Unit, str]] = {
    "google": ("uA", "AOSP, BatteryManager.BATTERY_PROPERTY_CURRENT_NOW"),
    "huawei": ("mA", "google/perfetto#1441, community-code/amps#1"),
    "samsung": ("mA", "home-assistant/android#2846, d4rken-org/amply#92"),
    "xiaomi": ("uA", "community-code/amps#1"),
}
"""What makers' phones were reported to count in, and where; the readings themselves go first."""

_CHECK_S = 3.0
_MIXED = 0.1


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How a phone's readings become mA out of its battery.

    Attributes
    ----------
    unit
        Of the readings.
    sign
        -1 where a discharge is negative, as Android defines it; 1 where it is positive.
    because
        What it was taken from, in words.
    """

    unit: Unit
    sign: int
    because: str

    def current_ma(self, readings: ArrayLike) -> NDArray[np.float64]:
        """Return mA out of the battery."""
        scale = 1e-3 if self.unit == "uA" else 1.0
        return np.asarray(readings, np.float64) * self.sign * scale


def calibrate(readings: ArrayLike, maker: str) -> Calibration:
    """Return unit and sign of readings that were taken while the battery discharged.

    Android defines uA, negative out of the battery; phones differ in both. The sign is that of
    the readings, since the current is known to leave the battery. The unit is the one in which
    they are a current that a phone draws; between `SURELY_MA` and `SURELY_UA` it is uA where the
    maker's phones are known to count so.

    Parameters
    ----------
    readings
        Raw.
    maker
        As `ro.product.manufacturer` has it.

    Raises
    ------
    PowerError
        Where the readings are 0, have both signs or could be either unit.
    """
    raw = np.asarray(readings, np.float64)
    middle = float(np.median(np.abs(raw)))
    if middle == 0:
        raise PowerError(
            "the phone reports a current of 0, so its driver doesn't measure it; use --power "
            "batterystats"
        )
    negative = float(np.mean(raw[raw != 0] < 0))
    if _MIXED < negative < 1 - _MIXED:
        raise PowerError(
            f"{negative:.0%} of the readings are negative while the battery discharges, so their "
            "sign isn't known; check that nothing feeds the phone, or --power batterystats"
        )
    sign = -1 if negative > 0.5 else 1
    known, source = VENDORS.get(maker.strip().lower(), (None, ""))
    if middle >= SURELY_UA or (middle > SURELY_MA and known == "uA"):
        unit, other = "uA", f"{middle / 1e3:g} A"
    elif middle <= SURELY_MA:
        unit, other = "mA", f"{middle / 1e3:g} mA"
    else:
        raise PowerError(
            f"readings of {middle:g} are {middle / 1e3:g} mA or {middle / 1e3:g} A, and of "
            f"{maker.strip() or 'unknown'} phones it isn't known that they count in uA; measure "
            "under load first, or --power batterystats"
        )
    because = f"{'negative' if sign < 0 else 'positive'} out of the battery; as the other of uA "
    because += f"and mA a reading of {middle:g} would be {other}"
    if known is not None:
        because += f"; {maker.strip()} phones were reported to count in {known} ({source})"
    return Calibration(unit, sign, because)


class CurrentNow(SampledBattery):
    """The battery's current times its voltage; see `PowerSource`.

    `current_now` in sysfs where the shell may read it, else what Android's battery service gives
    out (Android 16 on).
    """

    name: ClassVar[str] = "current-now"
    kind: ClassVar[Kind] = "measured"
    meter: ClassVar[str] = "current_now of the battery's fuel gauge, times its voltage"
    least_s: ClassVar[float] = 10.0

    def __init__(self, phone: Phone, sleep: Callable[[float], None]) -> None:
        super().__init__(phone, sleep, period_s=0.5)

    def check(self) -> None:
        """Raise PowerError where the current can't be read, or its unit or sign isn't clear."""
        self.start()
        self._sleep(_CHECK_S)
        calibrate(self._end().readings, self._maker())

    def stop(self) -> Power:
        """End the stretch; raises PowerError where the readings say nothing."""
        sampled = self._end()
        return power_of(sampled, calibrate(sampled.readings, self._maker()))

    def _maker(self) -> str:
        return self._phone.shell("getprop ro.product.manufacturer").output.strip()

    def _find(self, battery: Battery) -> str:
        node = find_node(self._phone, "current_now")
        reading = f"cat {node}" if node else "cmd battery get -f current_now"
        if not re.fullmatch(r"-?\d+", self._phone.shell(reading).output.strip()):
            raise PowerError(
                "the shell may not read the battery's current on this phone; use --power "
                "batterystats"
            )
        return reading


def power_of(sampled: Sampled, calibration: Calibration) -> Power:
    """Return the energy of a sampled current, by trapezoids."""
    time_s, voltage_v = sampled.time_s, sampled.voltage_v
    current_ma = calibration.current_ma(sampled.readings)
    power_mw = current_ma * voltage_v
    return Power(
        kind=CurrentNow.kind,
        meter=CurrentNow.meter,
        duration_s=float(time_s[-1] - time_s[0]),
        energy_mj=float(np.trapezoid(power_mw, time_s)),
        conditions={
            **sampled.conditions,
            "current_unit": calibration.unit,
            "current_sign": calibration.sign,
            "calibration": calibration.because,
            "different_readings": len(np.unique(sampled.readings)),
        },
        columns={
            "time_s": time_s - time_s[0],
            "current_ma": current_ma,
            "voltage_v": voltage_v,
            "power_mw": power_mw,
        },
    )
