"""Android's battery, on stand-ins for Android's classes; run by test_on_java.py."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kilohear import android
from kilohear_ui.power import Reading
from kilohear_ui.power.android import AndroidBattery

UNPLUGGED = {"level": 160, "scale": 200, "plugged": 0, "voltage": 3912, "temperature": 286}
MISSING = -(1 << 63)


@pytest.fixture(autouse=True)
def gauge(phone: Any) -> Any:
    """Android's counters, like those of a phone that lies on a table."""
    android.java("android.os.PowerManager").status = 0
    gauge = android.java("android.os.BatteryManager")
    gauge.current, gauge.charge = -212_000, 3_200_000
    tell(UNPLUGGED)
    return gauge


def tell(extras: dict[str, int] | None) -> None:
    intent = None
    if extras is not None:
        intent = android.java("android.content.Intent")()
        for name, value in extras.items():
            intent.putExtra(name, value)
    android.java("phone.Phone").battery = intent


def read(battery: AndroidBattery) -> Reading:
    reading = battery.read()
    assert reading is not None
    return reading


def test_a_reading_has_what_android_tells() -> None:
    battery = AndroidBattery()
    reading = read(battery)
    assert reading.level == 0.8
    assert reading.current_ma == pytest.approx(212)
    assert (reading.voltage_v, reading.celsius) == (3.912, 28.6)
    assert reading.charge_mah == 3200
    assert reading.is_fed is False
    assert reading.is_throttled is False
    assert battery.calibration.startswith("µA, negative out of the battery")


def test_it_is_read_in_any_thread() -> None:
    battery, seen = AndroidBattery(), []
    thread = threading.Thread(target=lambda: seen.append(battery.read()))
    thread.start()
    thread.join()
    assert seen[0].current_ma == pytest.approx(212)


@pytest.mark.parametrize("plugged", [1, 2, 4, 8])
def test_whatever_feeds_it_is_seen(plugged: int) -> None:
    tell({**UNPLUGGED, "plugged": plugged})
    assert read(AndroidBattery()).is_fed is True


def test_what_a_phone_doesn_t_tell_is_none(gauge: Any) -> None:
    gauge.current = gauge.charge = MISSING
    tell({"plugged": 0})
    reading = read(AndroidBattery())
    told = (reading.level, reading.current_ma, reading.voltage_v, reading.celsius)
    assert told == (None, None, None, None)
    assert reading.charge_mah is None
    tell(None)
    assert AndroidBattery().read() is None


def test_heat_is_told_from_android_10_on() -> None:
    android.java("android.os.PowerManager").status = 2
    assert read(AndroidBattery()).is_throttled is True
    android.java("android.os.Build$VERSION").SDK_INT = 28
    assert read(AndroidBattery()).is_throttled is None


def test_volts_in_place_of_millivolts_are_understood() -> None:
    tell({**UNPLUGGED, "voltage": 4})
    assert read(AndroidBattery()).voltage_v == 4.0
