"""The charge counter: what the fuel gauge saw leave the battery, in steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from kilohear.bundle import Kind
from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import Power, PowerError
from kilohear_bench.meters.android.battery import Battery, find_node
from kilohear_bench.meters.android.sampler import Sampled, SampledBattery

MJ_PER_UAH_V = 3.6
"""1 uAh at 1 V is 3.6 mWs."""
LEAST_STEPS = 20
"""Of the counter in a stretch: two steps are then at most a tenth of it."""
PLAUSIBLE_FULL_UAH = (500_000, 30_000_000)
"""What a full battery holds, from a small phone's to a large tablet's."""


class ChargeCounter(SampledBattery):
    """The charge counter times the battery's voltage; see `PowerSource`.

    It is `BATTERY_PROPERTY_CHARGE_COUNTER`, uAh, read in sysfs where the shell may, else from
    Android's battery service, which hears of it only now and then.
    """

    name: ClassVar[str] = "charge-counter"
    kind: ClassVar[Kind] = "measured"
    meter: ClassVar[str] = "charge counter of the battery's fuel gauge, times its voltage"
    least_s: ClassVar[float] = 600.0  # 20 steps of 1 mAh at 120 mA

    def __init__(self, phone: Phone, sleep: Callable[[float], None]) -> None:
        super().__init__(phone, sleep, period_s=1.0)

    def check(self) -> None:
        """Raise PowerError where there is no counter, its unit isn't clear or the phone charges."""
        try:
            self._find(self._discharge.begin())
        finally:
            self.abort()

    def stop(self) -> Power:
        """End the stretch; raises PowerError where the counter moved too little, or rose."""
        return power_of(self._end())

    def _find(self, battery: Battery) -> str:
        node = find_node(self._phone, "charge_counter")
        if node is not None:
            reading = f"cat {node}"
            _require_uah(int(self._phone.shell(reading).output), battery.level)
        elif battery.charge_uah:
            reading = "cmd battery get counter"
            _require_uah(battery.charge_uah, battery.level)
        else:
            raise PowerError("this phone has no charge counter; use --power current-now")
        return reading


def power_of(sampled: Sampled) -> Power:
    """Return the energy that a falling counter means, in uAh.

    The counter moves in steps, and at either end of the stretch up to one step is hidden: the
    error is two steps. A step is the largest fall between two readings: some counters are fine
    and brought up to date now and then.

    Raises
    ------
    PowerError
        Where it rose, or fell by fewer than `LEAST_STEPS` steps.
    """
    time_s, charge_uah, voltage_v = sampled.time_s, sampled.readings, sampled.voltage_v
    fell = -np.diff(charge_uah)
    step, total = max(0.0, float(fell.max())), float(fell.sum())
    length_s = float(time_s[-1] - time_s[0])
    if fell.min() < -step or total < 0:
        raise PowerError(
            f"the charge counter rose by {-min(fell.min(), total):g} uAh while the battery "
            "discharged: the fuel gauge corrected itself; measure the stretch again"
        )
    steps = total / step if step else 0.0
    if steps < LEAST_STEPS:
        longer = f", about {length_s * LEAST_STEPS / steps:.0f} s" if steps >= 1 else ""
        raise PowerError(
            f"the charge counter moved by {steps:.0f} steps ({total:g} uAh) in {length_s:.0f} s, "
            f"and {LEAST_STEPS} are needed; measure longer stretches{longer}, or --power "
            "current-now"
        )
    between_v = (voltage_v[1:] + voltage_v[:-1]) / 2
    return Power(
        kind=ChargeCounter.kind,
        meter=ChargeCounter.meter,
        duration_s=length_s,
        energy_mj=float(np.sum(fell * between_v)) * MJ_PER_UAH_V,
        conditions={
            **sampled.conditions,
            "charge_uah": total,
            "charge_step_uah": step,
            "error_fraction": 2 / steps,
        },
        columns={
            "time_s": time_s - time_s[0],
            "charge_uah": charge_uah,
            "voltage_v": voltage_v,
        },
    )


def _require_uah(charge_uah: int, level: int) -> None:
    """Raise PowerError where the counter can't be uAh left in the battery: some count mAh."""
    full_uah = charge_uah / max(level, 1) * 100
    low, high = PLAUSIBLE_FULL_UAH
    if not low <= full_uah <= high:
        raise PowerError(
            f"the charge counter says {charge_uah} at {level}%: read as uAh a full battery would "
            f"hold {full_uah / 1e3:g} mAh, so its unit isn't known; use --power current-now"
        )
