from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.ios.fake_command import BATTERY, UDID, FakeCommand

from kilohear_bench.ios import battery as module
from kilohear_bench.ios.battery import battery_of, sample_battery
from kilohear_bench.ios.tool import IosError, Tool


@given(st.integers(-5000, 5000))
def test_a_current_is_read_signed_or_unsigned(amperage: int) -> None:
    battery = battery_of({**BATTERY, "InstantAmperage": amperage})
    assert battery == battery_of({**BATTERY, "InstantAmperage": amperage % (1 << 64)})
    assert battery.current_ma == -amperage
    assert (battery.level, battery.voltage_v, battery.celsius) == (71, 3.912, 28.61)


def test_a_value_that_is_missing_is_named() -> None:
    entry = {key: value for key, value in BATTERY.items() if key != "Voltage"}
    with pytest.raises(IosError, match="battery's Voltage"):
        battery_of(entry)


@pytest.mark.parametrize("fed", ["IsCharging", "ExternalConnected"])
def test_a_phone_that_is_fed_is_refused(command: FakeCommand, fed: str) -> None:
    command.answer("diagnostics battery", {**BATTERY, fed: True})
    with pytest.raises(IosError, match=rf"{fed} is true.*pull the cable and use Wi-Fi"):
        sample_battery(Tool(UDID), lambda _: None)


def test_power_is_sampled(command: FakeCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READINGS", 4)
    power = sample_battery(Tool(UDID), lambda _: None)
    assert power.mean_power_mw == pytest.approx(212 * 3.912)
    assert power.conditions["battery_level"] == [71, 71]
    assert len(power.columns["time_s"]) == 4
