"""A laptop's battery, from Linux's sysfs; a computer without one has none."""

from __future__ import annotations

import time
from pathlib import Path

from kilohear_ui.power import Reading

ROOT = Path("/sys/class/power_supply")


class DesktopBattery:
    """The first battery of this computer; see `kilohear_ui.power.Battery`.

    Units are Linux's: µA, µV, µW, µAh, tenths of a degree. Drivers differ in the sign of the
    current, so that its direction is taken from `status`.

    Parameters
    ----------
    root
        Where the kernel shows its power supplies.
    """

    meter = "current_now of the battery's gauge (sysfs), times its voltage"
    calibration = "µA; out of the battery while its status is Discharging"

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    def read(self) -> Reading | None:
        """Return a reading; None where there is no battery."""
        supplies = sorted(self._root.glob("*")) if self._root.is_dir() else []
        battery = next((s for s in supplies if _is_battery(s)), None)
        if battery is None:
            return None
        status = _text(battery, "status")
        voltage_v = _number(battery, "voltage_now", 1e-6)
        capacity, celsius = _number(battery, "capacity", 1e-2), _number(battery, "temp", 1e-1)
        return Reading(
            at_s=time.monotonic(),
            level=capacity,
            current_ma=_signed(_current_ma(battery, voltage_v), status),
            voltage_v=voltage_v,
            celsius=celsius,
            is_fed=any(_feeds(s) for s in supplies) or status in ("Charging", "Full"),
            charge_mah=_charge_mah(battery, voltage_v),
        )


def _is_battery(supply: Path) -> bool:
    """Whether a supply is the computer's battery, and no mouse's."""
    return _text(supply, "type") == "Battery" and _text(supply, "scope") != "Device"


def _feeds(supply: Path) -> bool:
    return _text(supply, "type") in ("Mains", "USB", "Wireless") and _text(supply, "online") == "1"


def _current_ma(battery: Path, voltage_v: float | None) -> float | None:
    current_ma = _number(battery, "current_now", 1e-3)
    if current_ma is not None:
        return current_ma
    power_mw = _number(battery, "power_now", 1e-3)
    return None if power_mw is None or not voltage_v else power_mw / voltage_v


def _charge_mah(battery: Path, voltage_v: float | None) -> float | None:
    charge_mah = _number(battery, "charge_now", 1e-3)
    if charge_mah is not None:
        return charge_mah
    energy_mwh = _number(battery, "energy_now", 1e-3)
    return None if energy_mwh is None or not voltage_v else energy_mwh / voltage_v


def _signed(current_ma: float | None, status: str) -> float | None:
    if current_ma is None:
        return None
    return -abs(current_ma) if status == "Charging" else abs(current_ma)


def _text(supply: Path, name: str) -> str:
    try:
        return (supply / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):  # drivers answer with ENODEV and the like
        return ""


def _number(supply: Path, name: str, scale: float) -> float | None:
    try:
        return int(_text(supply, name)) * scale
    except ValueError:
        return None
