"""Checkin lines in the format of AOSP's BatteryStats.dumpCheckinLocked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.bench.meters.android.fake_phone import ON_USB, FakePhone

from kilohear_bench.meters.android import PowerError
from kilohear_bench.meters.android.batterystats import BatteryStats

Make = Callable[..., FakePhone]

CHECKIN = """9,0,i,vers,36,216,AP4A.250205.002,AP4A.250205.002
9,10123,i,uid,10123,org.kilohear.kilohear
9,0,l,bt,0,{on_battery_ms},{on_battery_ms},61000,61000,1732464000000,60000,60000,4000,0,0,0
9,0,l,pws,4000,{computed},0,0
9,0,l,pwi,scrn,0.10,0,0,0
9,10123,l,pwi,uid,1.00,0,0,0
9,0,l,pwi,uid,0.40,0,0,0
9,0,u,pws,4000,77,0,0
"""


def make_stats(computed: str = "1.50", on_battery_ms: int = 60_000) -> str:
    return CHECKIN.format(computed=computed, on_battery_ms=on_battery_ms)


def measure(phone: FakePhone) -> BatteryStats:
    """Start a stretch that lasts 60 s by the phone's clock."""
    source = BatteryStats(phone, phone.sleep)
    source.start()
    phone.write("uptime", "1060.00 0.00\n")
    return source


def test_the_estimate_is_modelled_and_says_so(make_phone: Make) -> None:
    phone = make_phone()
    phone.write("batterystats.txt", make_stats())
    BatteryStats(phone, phone.sleep).check()
    power = measure(phone).stop()
    assert (power.kind, power.duration_s) == ("modelled", 60.0)
    assert power.energy_mj == pytest.approx(1.5 * 4.0 * 3600)
    assert power.mean_power_mw == pytest.approx(360.0)
    assert power.conditions["parts_mah"] == [["scrn", 0.1], ["uid", 1.4]]
    assert "estimate" in power.meter
    assert not power.columns
    assert any("--reset" in command for command in phone.commands)


@pytest.mark.parametrize(
    ("stats", "cause"),
    [
        (make_stats(computed="0"), "0 mJ in 60 s"),
        (make_stats(on_battery_ms=20_000), "counted 20 of 60 s as on battery"),
        ("9,0,i,vers,36,216,a,b\n", "gives no estimate"),
    ],
)
def test_an_estimate_that_says_nothing_is_refused(make_phone: Make, stats: str, cause: str) -> None:
    phone = make_phone()
    phone.write("batterystats.txt", stats)
    source = measure(phone)
    with pytest.raises(PowerError, match=cause):
        source.stop()


def test_statistics_that_can_t_be_reset_are_refused(make_phone: Make) -> None:
    phone = make_phone()
    phone.write(
        "bin/dumpsys", '#!/bin/sh\n[ "$1" = battery ] && cat $D/battery.txt || echo Denied\n'
    )
    with pytest.raises(PowerError, match=r"can't be reset \(Denied\)"):
        BatteryStats(phone, phone.sleep).start()


def test_a_phone_that_charges_is_refused(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.write("batterystats.txt", make_stats())
    with pytest.raises(PowerError, match=r"charging \(USB\)"):
        BatteryStats(phone, phone.sleep).check()
