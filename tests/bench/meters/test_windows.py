import dataclasses

import numpy as np
import pytest

from kilohear.errors import ConfigError
from kilohear_bench.meters import (
    Gap,
    Limits,
    MeterError,
    Recording,
    check_supply,
    open_meter,
    windows_of,
)


def recording(current_ma, logic, rate_hz=1000.0, **changes) -> Recording:
    values = {
        "meter": "test",
        "device": "test 1",
        "firmware": "1",
        "kind": "measured",
        "started_at": "2026-01-01T00:00:00+00:00",
        "rate_hz": rate_hz,
        "current_ma": np.asarray(current_ma, np.float64),
        "voltage_v": None,
        "supply_v": 3.0,
        "logic": np.asarray(logic, np.uint8),
    }
    return Recording(**(values | changes))


def gated() -> Recording:
    """Idle 10 samples of 1 mA, high 20 of 4 mA, idle 10, high 30 of 2 mA, idle 10; pin 3."""
    level = np.repeat([0, 1, 0, 1, 0], [10, 20, 10, 30, 10])
    current = np.repeat([1.0, 4.0, 1.0, 2.0, 1.0], [10, 20, 10, 30, 10])
    return recording(current, level << 3)


def test_windows_have_their_current_and_energy():
    windows = windows_of(gated(), 3)
    assert [window.current_ma for window in windows.active] == [4.0, 2.0]
    assert [window.samples for window in windows.active] == [20, 30]
    # 4 mA x 3 V x 20 ms = 240 uJ; 2 mA x 3 V x 30 ms = 180 uJ.
    assert [window.energy_uj for window in windows.active] == pytest.approx([240, 180])
    assert [window.current_ma for window in windows.idle] == [1.0]
    assert windows.active[1].start_s == pytest.approx(0.040)
    assert gated().edges(3)[0] == (pytest.approx(0.010), True)


def test_two_that_follow_each_other_are_one():
    cut = windows_of(gated(), 3)
    whole = cut.idle[0] + cut.active[1]
    assert whole.start_s == pytest.approx(0.030)
    assert whole.duration_s == pytest.approx(0.040)
    assert whole.samples == 40
    assert whole.current_ma == pytest.approx((10 * 1.0 + 30 * 2.0) / 40)
    assert whole.power_mw == pytest.approx(3.0 * whole.current_ma)
    assert whole.energy_uj == pytest.approx(1e3 * whole.power_mw * whole.duration_s)


def test_the_measured_voltage_is_used_where_there_is_one():
    measured = dataclasses.replace(gated(), voltage_v=np.full(80, 1.5))
    assert windows_of(measured, 3).active[0].energy_uj == pytest.approx(120)


def test_a_window_that_lost_samples_is_left_out_and_named():
    windows = windows_of(dataclasses.replace(gated(), gaps=(Gap(15, 7),)), 3)
    assert [window.current_ma for window in windows.active] == [2.0]
    assert windows.damaged == ((pytest.approx(0.010), "7 samples lost"),)
    assert windows.active[0].start_s == pytest.approx(0.047)


def test_a_gap_at_an_edge_spoils_both_sides():
    windows = windows_of(dataclasses.replace(gated(), gaps=(Gap(29, 7),)), 3)
    assert [window.current_ma for window in windows.active] == [2.0]
    assert windows.idle == ()


def test_a_window_cut_off_by_the_end_is_left_out():
    whole = gated()
    cut = recording(whole.current_ma[:60], whole.logic[:60])
    windows = windows_of(cut, 3)
    assert [window.current_ma for window in windows.active] == [4.0]
    assert "cut off" in windows.damaged[0][1]


def test_a_pin_that_never_rises_is_an_error_that_keeps_the_samples():
    with pytest.raises(MeterError, match="never high") as error:
        windows_of(gated(), 2)
    assert error.value.recording is not None
    with pytest.raises(ConfigError, match="name one"):
        windows_of(gated(), 8)


def test_energy_that_disagrees_with_its_time_base_is_an_error(monkeypatch):
    stretched = np.arange(80) * 1.02e-3
    monkeypatch.setattr(Recording, "time_s", property(lambda self: stretched))
    with pytest.raises(MeterError, match="record again"):
        windows_of(gated(), 3)


def test_overcurrent_and_brown_out_are_told_apart():
    level = np.zeros(100)
    current = np.full(100, 5.0)
    current[50:53] = 900.0
    with pytest.raises(MeterError, match=r"overcurrent at 0\.05 s") as error:
        check_supply(recording(current, level), Limits(for_s=0.003))
    assert error.value.recording is not None
    assert error.value.recording.fault == "overcurrent"
    inrush = recording(current, level)
    assert check_supply(inrush, Limits(for_s=0.004)) is inrush
    voltage = np.full(100, 3.3)
    voltage[70:] = 2.1
    sagging = recording(np.full(100, 5.0), level, voltage_v=voltage)
    with pytest.raises(MeterError, match=r"brown-out at 0\.07 s"):
        check_supply(sagging, Limits())


@pytest.mark.parametrize(
    "changes",
    [
        {"rate_hz": 0.0},
        {"supply_v": 0.0},
        {"logic": np.zeros(3, np.uint8)},
        {"gaps": (Gap(80, 1),)},
        {"gaps": (Gap(5, 0),)},
        {"gaps": (Gap(5, 1), Gap(5, 1))},
    ],
)
def test_a_recording_refuses_nonsense(changes):
    with pytest.raises(ConfigError):
        dataclasses.replace(gated(), **changes)


@pytest.mark.parametrize("spec", ["", "fluke", "model:1", "otii:1905", "otii:host:port"])
def test_a_spec_that_names_no_meter_is_refused(spec):
    with pytest.raises(ConfigError):
        open_meter(spec)


def test_specs_name_their_meters():
    names = {spec: open_meter(spec).name for spec in ("model", "ppk2:x", "otii:h:1", "joulescope")}
    assert list(names.values()) == ["model", "ppk2", "otii", "joulescope"]
