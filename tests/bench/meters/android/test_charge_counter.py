from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.meters.android.fake_phone import ON_USB, FakePhone

from kilohear_bench.meters.android import PowerError
from kilohear_bench.meters.android.charge_counter import ChargeCounter, power_of
from kilohear_bench.meters.android.sampler import Sampled

Make = Callable[..., FakePhone]


def make_sampled(charge_uah: list[int], volts: float = 4.0) -> Sampled:
    charge = np.array(charge_uah, float)
    return Sampled(np.arange(len(charge), dtype=float), charge, np.full(len(charge), volts), {})


@given(
    st.floats(20, 2000),
    st.integers(1, 2000),
    st.integers(60, 900),
    st.floats(3.3, 4.4),
    st.floats(0, 1),
)
def test_a_stretch_errs_by_two_steps_at_most_or_is_refused(
    current_ma: float, step_uah: int, length_s: int, volts: float, phase: float
) -> None:
    true_uah = current_ma * np.arange(length_s + 1) / 3.6
    counted = 3_000_000 - step_uah * np.floor(true_uah / step_uah + phase)
    sampled = Sampled(
        np.arange(length_s + 1.0), counted, np.full(length_s + 1, volts), {"level": 80}
    )
    try:
        power = power_of(sampled)
    except PowerError as error:
        assert "20 are needed" in str(error)  # noqa: PT017
        # A counter that moves by several steps between two readings seems coarser than it is.
        apparent_uah = step_uah * (current_ma / 3.6 // step_uah + 1)
        assert true_uah[-1] < 22 * apparent_uah
        return
    assert power.mean_power_mw == pytest.approx(current_ma * volts, rel=0.11)
    error = abs(power.energy_mj / (current_ma * volts * length_s) - 1)
    assert error <= power.conditions["error_fraction"] * 1.05
    assert power.conditions["error_fraction"] <= 0.1
    assert power.mean_power_mw * power.duration_s == pytest.approx(power.energy_mj)


def test_a_counter_that_stands_still_or_rises_is_refused() -> None:
    with pytest.raises(PowerError, match=r"by 0 steps.*longer stretches, or --power current-now"):
        power_of(make_sampled([3000, 3000, 3000]))
    with pytest.raises(PowerError, match="rose by 9000 uAh"):
        power_of(make_sampled([30_000, 29_000, 38_000, *range(37_000, 0, -1000)]))
    with pytest.raises(PowerError, match="rose by"):
        power_of(make_sampled([3000, 4000]))


def test_a_fine_counter_that_is_seldom_brought_up_to_date_has_few_steps() -> None:
    updates = [3_000_000, 2_998_003, 2_998_001, 2_996_100, 2_994_000]
    with pytest.raises(PowerError, match=r"by 3 steps \(6000 uAh\)"):
        power_of(make_sampled([charge for charge in updates for _ in range(60)]))


def test_a_short_stretch_says_how_long_it_should_be() -> None:
    with pytest.raises(PowerError, match=r"by 4 steps \(4000 uAh\) in 5 s.*about 25 s"):
        power_of(make_sampled([9000, 8000, 7000, 6000, 5000, 5000]))


@pytest.mark.parametrize("sysfs", [True, False])
def test_a_stretch_is_counted_on_the_phone(make_phone: Make, sysfs: bool) -> None:
    phone = make_phone()
    phone.write("drain", "36")  # a second: 129.6 mA
    if sysfs:
        phone.node("charge_counter", 3_200_000)
        phone.node("voltage_now", 3_900_000)
    else:
        phone.write("cmd_counter", "3200000")
    source = ChargeCounter(phone, phone.sleep)
    source.check()
    source.start()
    phone.wait_for(30)
    power = source.stop()
    assert power.mean_power_mw == pytest.approx(129.6 * (3.9 if sysfs else 4.0))
    assert power.conditions["charge_step_uah"] == 36
    assert power.conditions["charging"] == "unplugged"
    assert list(power.columns) == ["time_s", "charge_uah", "voltage_v"]


def test_a_phone_on_a_cable_is_counted_where_its_input_can_be_suspended(make_phone: Make) -> None:
    phone = make_phone(**ON_USB)
    phone.node("charge_counter", 3_200_000)
    phone.write("drain", "36")
    with pytest.raises(PowerError, match=r"charging \(USB\)"):
        ChargeCounter(phone, phone.sleep).start()
    phone.write("debuggable", "")
    source = ChargeCounter(phone, phone.sleep)
    source.start()
    phone.wait_for(30)
    assert source.stop().conditions["charging"].startswith("suspended by")


@pytest.mark.parametrize("counter", ["3200", "0", "-1"])
def test_a_counter_that_isn_t_in_uah_is_refused(make_phone: Make, counter: str) -> None:
    phone = make_phone(counter=counter)
    with pytest.raises(PowerError, match=r"no charge counter|its unit isn't known"):
        ChargeCounter(phone, phone.sleep).check()
