from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.meters.android.fake_phone import ON_USB, FakePhone

from kilohear_bench.meters.android import PowerError
from kilohear_bench.meters.android.current_now import CurrentNow, calibrate, power_of
from kilohear_bench.meters.android.sampler import Sampled

Make = Callable[..., FakePhone]

currents = st.lists(st.floats(30, 4000), min_size=3, max_size=40)


@given(currents, st.sampled_from(["uA", "mA"]), st.sampled_from([-1, 1]))
def test_any_unit_and_sign_gives_the_same_current(
    true_ma: list[float], unit: str, sign: int
) -> None:
    readings = np.array(true_ma) * (1000 if unit == "uA" else 1) * sign
    calibration = calibrate(readings, "Unheard")
    assert (calibration.unit, calibration.sign) == (unit, sign)
    assert calibration.current_ma(readings) == pytest.approx(true_ma)


@given(currents, st.lists(st.floats(0.1, 5), min_size=40, max_size=40), st.floats(3.3, 4.4))
def test_energy_is_mean_power_times_time(
    true_ma: list[float], steps_s: list[float], volts: float
) -> None:
    time_s = np.cumsum(steps_s)[: len(true_ma)]
    sampled = Sampled(time_s, -1000 * np.array(true_ma), np.full(len(true_ma), volts), {})
    power = power_of(sampled, calibrate(sampled.readings, "Google"))
    assert power.duration_s == pytest.approx(time_s[-1] - time_s[0])
    assert power.mean_power_mw * power.duration_s == pytest.approx(power.energy_mj)
    assert min(true_ma) * volts * 0.999 <= power.mean_power_mw <= max(true_ma) * volts * 1.001


def test_between_the_units_only_a_maker_that_is_known_decides() -> None:
    between = [-9000, -9500, -8800]  # 9 mA, or 9 A
    calibration = calibrate(between, " Google\n")
    assert calibration.unit == "uA"
    assert "AOSP" in calibration.because
    for maker in ("Samsung", "Unheard", ""):
        with pytest.raises(PowerError, match="it isn't known that they count in uA"):
            calibrate(between, maker)


def test_the_calibration_says_what_the_maker_s_phones_were_reported_to_do() -> None:
    because = calibrate([-441, -450], "samsung").because
    assert because.startswith("negative out of the battery")
    assert "0.4" in because
    assert "samsung phones were reported to count in mA (home-assistant" in because


@pytest.mark.parametrize(
    ("readings", "cause"),
    [
        ([0, 0, 0, 0], "a current of 0"),
        ([-300_000, 300_000, -280_000, 310_000], "50% of the readings are negative"),
    ],
)
def test_readings_that_say_nothing_are_refused(readings: list[int], cause: str) -> None:
    with pytest.raises(PowerError, match=cause):
        calibrate(readings, "Google")


@pytest.mark.parametrize(
    ("node", "reading", "maker", "unit"),
    [
        (True, -150_000, "Google", "uA"),
        (True, 150_000, "Xiaomi", "uA"),
        (True, -150, "samsung", "mA"),
        (False, -150_000, "Google", "uA"),
    ],
)
def test_a_stretch_is_sampled_on_the_phone(
    make_phone: Make, node: bool, reading: int, maker: str, unit: str
) -> None:
    phone = make_phone()
    phone.write("maker", f"{maker}\n")
    if node:
        phone.node("current_now", reading)
        phone.node("voltage_now", 3_800_000)
    else:
        phone.write("cmd_current", f"{reading}\n")
    source = CurrentNow(phone, phone.sleep)
    source.check()
    source.start()
    phone.wait_for(10)
    power = source.stop()
    assert power.mean_power_mw == pytest.approx(150 * (3.8 if node else 4.0))
    assert power.conditions["current_unit"] == unit
    assert power.conditions["voltage"].startswith("/sys" if node else "dumpsys battery")
    assert list(power.columns) == ["time_s", "current_ma", "voltage_v", "power_mw"]
    assert not list((phone.folder / "tmp/kilohear").glob("run-*"))


def test_a_current_that_the_shell_may_not_read_is_refused(make_phone: Make) -> None:
    phone = make_phone()
    with pytest.raises(PowerError, match="may not read the battery's current"):
        CurrentNow(phone, phone.sleep).check()


def test_a_phone_that_charges_is_refused(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.node("current_now", 800_000)
    with pytest.raises(PowerError, match=r"charging \(USB\).*wireless adb"):
        CurrentNow(phone, phone.sleep).check()


def test_a_phone_that_slept_is_refused(make_phone: Make) -> None:
    phone = make_phone()
    phone.node("current_now", -150_000)
    source = CurrentNow(phone, phone.sleep)
    source.start()
    phone.wait_for(5)
    phone.fall_asleep()
    with pytest.raises(PowerError, match="the phone slept"):
        source.stop()


def test_an_aborted_stretch_ends_the_loop(make_phone: Make) -> None:
    phone = make_phone()
    phone.node("current_now", -150_000)
    source = CurrentNow(phone, phone.sleep)
    source.start()
    source.abort()
    source.abort()
    assert not list((phone.folder / "tmp/kilohear").glob("run-*"))
