"""A laptop's battery, in a made-up tree of sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kilohear_ui.power import Reading
from kilohear_ui.power.desktop import DesktopBattery

BATTERY = {
    "type": "Battery",
    "status": "Discharging",
    "capacity": "80",
    "current_now": "1500000",
    "voltage_now": "12000000",
    "charge_now": "3200000",
    "temp": "312",
}


def write(root: Path, name: str, **files: str) -> None:
    (root / name).mkdir(exist_ok=True)
    for file, text in files.items():
        (root / name / file).write_text(text + "\n")


def read(root: Path) -> Reading:
    reading = DesktopBattery(root).read()
    assert reading is not None
    return reading


def test_a_reading_has_what_the_kernel_tells(tmp_path: Path) -> None:
    write(tmp_path, "AC", type="Mains", online="0")
    write(tmp_path, "BAT0", **BATTERY)
    reading = read(tmp_path)
    assert (reading.level, reading.current_ma, reading.voltage_v) == (0.8, 1500, 12)
    assert (reading.celsius, reading.charge_mah) == (pytest.approx(31.2), 3200)
    assert not reading.is_fed


def test_power_and_energy_take_the_place_of_current_and_charge(tmp_path: Path) -> None:
    told = {
        name: text for name, text in BATTERY.items() if name not in ("current_now", "charge_now")
    }
    write(tmp_path, "BAT1", **told, power_now="18000000", energy_now="38400000")
    reading = read(tmp_path)
    assert reading.current_ma == pytest.approx(1500)
    assert reading.charge_mah == pytest.approx(3200)


@pytest.mark.parametrize("sign", ["", "-"])
def test_the_direction_is_that_of_the_status(tmp_path: Path, sign: str) -> None:
    write(tmp_path, "BAT0", **{**BATTERY, "current_now": f"{sign}1500000"})
    assert read(tmp_path).current_ma == 1500
    write(tmp_path, "BAT0", status="Charging")
    assert read(tmp_path).current_ma == -1500
    assert read(tmp_path).is_fed


@pytest.mark.parametrize("kind", ["Mains", "USB", "Wireless"])
def test_a_cable_is_seen(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "BAT0", **{**BATTERY, "status": "Not charging"})
    write(tmp_path, "x", type=kind, online="1")
    assert read(tmp_path).is_fed
    write(tmp_path, "x", online="0")
    assert not read(tmp_path).is_fed


def test_a_computer_without_a_battery_has_none(tmp_path: Path) -> None:
    assert DesktopBattery(tmp_path / "nowhere").read() is None
    write(tmp_path, "AC", type="Mains", online="1")
    write(tmp_path, "mouse", **BATTERY, scope="Device")
    assert DesktopBattery(tmp_path).read() is None


def test_what_is_missing_or_no_number_is_none(tmp_path: Path) -> None:
    write(tmp_path, "BAT0", type="Battery", status="Discharging", current_now="no", capacity="")
    reading = read(tmp_path)
    told = (reading.level, reading.current_ma, reading.voltage_v, reading.celsius)
    assert told == (None, None, None, None)
