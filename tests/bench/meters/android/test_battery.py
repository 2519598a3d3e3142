"""The battery's state in the format of AOSP's BatteryService, and living on it alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.bench.meters.android.fake_phone import FAKED, ON_USB, FakePhone

from kilohear_bench.meters.android import PowerError
from kilohear_bench.meters.android.battery import Discharge, read_battery, uptime_s

Make = Callable[..., FakePhone]


def test_what_the_battery_service_says_is_read(make_phone: Make) -> None:
    phone = make_phone()
    battery = read_battery(phone)
    assert (battery.level, battery.voltage_v, battery.celsius) == (80, 4.0, 27.3)
    assert battery.charge_uah == 3_200_000
    assert battery.refusal() is None
    assert uptime_s(phone) == 1000.0


def test_a_phone_without_a_battery_service_is_refused(make_phone: Make) -> None:
    phone = make_phone()
    phone.write("battery.txt", "Can't find service: battery\n")
    with pytest.raises(PowerError, match="dumpsys battery doesn't tell"):
        read_battery(phone)


@pytest.mark.parametrize(
    ("battery", "cause"),
    [
        ({"ac": "true", "status": "2"}, r"battery is charging \(AC\).*pull the cable"),
        (ON_USB, r"battery is charging \(USB\)"),
        ({"wireless": "true", "status": "2"}, r"charging \(a wireless charger\)"),
        ({"usb": "true", "status": "5"}, r"battery is full \(USB\)"),
        ({"usb": "true", "status": "4"}, r"battery is not charging \(USB\)"),
        ({"usb": "true"}, "USB feeds the phone beside its battery"),
        ({"faked": FAKED}, "faked.*dumpsys battery reset"),
    ],
)
def test_a_fed_battery_is_refused_with_what_feeds_it(
    make_phone: Make, battery: dict[str, str], cause: str
) -> None:
    phone = make_phone(**battery)
    with pytest.raises(PowerError, match=cause):
        Discharge(phone, phone.sleep).begin()


def test_the_kernel_is_believed_more_than_android(make_phone: Make) -> None:
    phone = make_phone()
    phone.node("type", "Battery")
    phone.node("status", "Charging")
    with pytest.raises(PowerError, match="the kernel says Charging"):
        Discharge(phone, phone.sleep).begin()
    phone.node("status", "Discharging")
    phone.write("supply/usb/type", "USB\n")
    phone.write("supply/usb/online", "1\n")
    with pytest.raises(PowerError, match="by the kernel usb feeds the phone"):
        Discharge(phone, phone.sleep).begin()
    phone.write("supply/usb/online", "0\n")
    assert Discharge(phone, phone.sleep).begin().level == 80


def test_a_debuggable_phone_s_input_is_suspended_and_resumed(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.write("debuggable", "")
    discharge = Discharge(phone, phone.sleep)
    discharge.begin()
    conditions = discharge.end()
    assert conditions["charging"] == "suspended by dumpsys battery suspend_input"
    assert conditions["battery_level"] == [80, 80]
    assert read_battery(phone).status == 2


def test_an_input_that_a_killed_process_suspended_is_resumed(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.write("debuggable", "")
    Discharge(phone, phone.sleep).begin()  # and the process is gone
    discharge = Discharge(phone, phone.sleep)
    discharge.begin()
    discharge.end()
    assert read_battery(phone).status == 2


def test_a_mark_from_before_a_restart_isn_t_believed(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.write("debuggable", "")
    Discharge(phone, phone.sleep).begin()
    phone.write("boot_id", "77aa\n")
    (phone.folder / "debuggable").unlink()
    with pytest.raises(PowerError, match="USB feeds the phone"):
        Discharge(phone, phone.sleep).begin()


def test_an_input_that_doesn_t_obey_is_given_back(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.node("input_suspend", "0")  # takes the 1 and goes on charging
    with pytest.raises(PowerError, match="can't be suspended here"):
        Discharge(phone, lambda _: None).begin()
    assert (phone.folder / "supply/battery/input_suspend").read_text().strip() == "0"
    assert not list((phone.folder / "tmp/kilohear").iterdir())


def test_a_cable_that_is_put_in_meanwhile_spoils_the_stretch(make_phone: Make) -> None:
    phone = make_phone()
    discharge = Discharge(phone, phone.sleep)
    discharge.begin()
    phone.set_battery(**ON_USB)
    with pytest.raises(PowerError, match=r"at the end of the stretch the battery is charging"):
        discharge.end()
