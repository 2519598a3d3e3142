"""Android's own estimate: times of each part of the phone, priced by a power profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from kilohear.bundle import Kind
from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import Power, PowerError
from kilohear_bench.meters.android.battery import Discharge, uptime_s

MJ_PER_MAH_V = 3600.0
"""1 mAh at 1 V is 3,600 mWs."""
_COUNTED = 0.9


class BatteryStats:
    """What batterystats computes since a reset; see `PowerSource`. No current is in it.

    `-c --charged` prints the same lines as `--checkin`, which may hand out an older file instead
    and delete it.
    """

    name: ClassVar[str] = "batterystats"
    kind: ClassVar[Kind] = "modelled"
    meter: ClassVar[str] = "batterystats: Android's estimate from times and a power profile"
    least_s: ClassVar[float] = 60.0

    def __init__(self, phone: Phone, sleep: Callable[[float], None]) -> None:
        self._phone = phone
        self._discharge = Discharge(phone, sleep)
        self._started_s = 0.0

    def check(self) -> None:
        """Raise PowerError where the phone charges or gives no estimate."""
        try:
            self._discharge.begin()
            self._estimate()
        finally:
            self._discharge.abort()

    def start(self) -> None:
        """Begin a stretch: what batterystats had counted before is gone."""
        try:
            self._discharge.begin()
            said = self._phone.shell("dumpsys batterystats --reset")
            if "reset" not in said.output.lower():
                raise PowerError(
                    f"batterystats can't be reset ({(said.output + said.error).strip():.120}); "
                    "use --power none"
                )
            self._started_s = uptime_s(self._phone)
        except PowerError:
            self.abort()
            raise

    def stop(self) -> Power:
        """End the stretch; raises PowerError where the estimate is 0 or of another stretch."""
        try:
            length_s = uptime_s(self._phone) - self._started_s
            rows = self._estimate()
            conditions = self._discharge.end()
        finally:
            self.abort()
        return power_of(rows, length_s, conditions)

    def abort(self) -> None:
        """End a stretch without figures."""
        self._discharge.abort()

    def _estimate(self) -> Mapping[str, Sequence[Sequence[str]]]:
        said = self._phone.shell("dumpsys batterystats -c --charged", timeout_s=120.0)
        rows = parse_checkin(said.output)
        if "pws" not in rows:
            raise PowerError(
                f"batterystats gives no estimate ({(said.output + said.error).strip()!r:.120}); "
                "use --power none"
            )
        return rows


def parse_checkin(said: str) -> dict[str, list[list[str]]]:
    """Return the fields of a checkin's lines by their section, `pws` and `pwi` say.

    A line is `version,uid,category,section,fields...`; category `l`: since the last reset.
    Source: BatteryStats.dumpCheckinLocked.
    """
    rows: dict[str, list[list[str]]] = {}
    for line in said.splitlines():
        fields = line.strip().split(",")
        if len(fields) > 4 and fields[2] == "l":
            rows.setdefault(fields[3], []).append(fields[4:])
    return rows


def power_of(
    rows: Mapping[str, Sequence[Sequence[str]]], length_s: float, conditions: dict[str, Any]
) -> Power:
    """Return the energy of an estimate, at the mean of the battery's voltage before and after.

    Raises
    ------
    PowerError
        Where the estimate is 0, or batterystats counted less than nine tenths of the stretch as
        on battery.
    """
    capacity_mah, computed_mah = (float(field) for field in rows["pws"][0][:2])
    on_battery_s = float(rows["bt"][0][1]) / 1e3 if "bt" in rows else None
    if on_battery_s is not None and on_battery_s < _COUNTED * length_s:
        raise PowerError(
            f"batterystats counted {on_battery_s:.3g} of {length_s:.3g} s as on battery; unplug "
            "the phone throughout"
        )
    parts: dict[str, float] = {}
    for label, mah, *_ in rows.get("pwi", ()):
        parts[label] = parts.get(label, 0.0) + float(mah)
    before_v, after_v = conditions["battery_voltage_v"]
    return Power(
        kind=BatteryStats.kind,
        meter=BatteryStats.meter,
        duration_s=length_s,
        energy_mj=computed_mah * (before_v + after_v) / 2 * MJ_PER_MAH_V,
        conditions={
            **conditions,
            "computed_mah": computed_mah,
            "profile_capacity_mah": capacity_mah,
            "parts_mah": [[label, mah] for label, mah in parts.items()],
            "on_battery_s": on_battery_s,
        },
    )
