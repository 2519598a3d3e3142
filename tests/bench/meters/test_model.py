import dataclasses

import numpy as np
import pytest

from kilohear.errors import ConfigError
from kilohear_bench.meters import MeterError, windows_of
from kilohear_bench.meters.model import (
    CONSTANTS,
    CORE_HZ,
    PARTS,
    Constant,
    Load,
    ModelMeter,
    Segment,
    battery_hours,
    fit_paper,
    paper_estimate,
    parts_ua,
    physical_estimate,
    published_points,
    typical,
)


def load(rate_hz=1000, clock_hz=187.5e3, cycles=2.5e6, **changes) -> Load:
    stages = {"logmel": 0.4 * cycles, "student": 0.6 * cycles}
    return Load(rate_hz, rate_hz * 0.9766, clock_hz, stages, "simulated", **changes)


def test_the_published_currents_are_those_of_their_hours():
    for point in published_points():
        if point.printed_ma is not None:
            assert point.current_ma == pytest.approx(point.printed_ma, abs=0.005)


def test_the_paper_fit_has_one_degree_of_freedom_and_small_residuals():
    model = fit_paper()
    assert model.degrees_of_freedom == 1
    assert sum(residual.ma for residual in model.residuals) == pytest.approx(0, abs=1e-9)
    hours = {residual.rate_hz: residual for residual in model.residuals}
    assert hours[16000].within_rounding
    # It misses the two low rates: that is what one straight line through three points costs.
    assert not hours[2000].within_rounding
    assert max(abs(residual.hours) for residual in model.residuals) < 0.3


def test_the_paper_profile_predicts_between_its_points_only_and_says_so():
    low, mid, high = (paper_estimate(rate) for rate in (2000, 4000, 16000))
    assert low.current_ma < mid.current_ma < high.current_ma
    assert "predicted" in mid.caveat
    assert not high.caveat
    assert mid.low_ma <= mid.current_ma <= mid.high_ma
    with pytest.raises(ConfigError, match="physical"):
        paper_estimate(500)
    with pytest.raises(ConfigError, match="form"):
        fit_paper("cubic")


def test_every_constant_has_a_source_and_a_range():
    assert len({constant.name for constant in CONSTANTS}) == len(CONSTANTS)
    for constant in CONSTANTS:
        assert constant.assumed == constant.source.startswith("assumed")
        assert constant.low < constant.high
    with pytest.raises(ConfigError):
        Constant("x", 3.0, 1.0, 2.0, "uA", "here")
    with pytest.raises(ConfigError):
        Constant("x", 1.5, 1.0, 2.0, "uA", "")


def test_the_goal_at_1_khz_holds_over_the_whole_interval():
    estimate = physical_estimate(load())
    assert estimate.low_ma < estimate.current_ma < estimate.high_ma < 1.0
    assert load().busy < 0.1  # the core sleeps
    assert estimate.battery_h > 300
    assert estimate.battery_interval_h[0] < estimate.battery_h < estimate.battery_interval_h[1]
    assert tuple(estimate.parts_ua) == PARTS
    assert sum(estimate.stages_ua.values()) == pytest.approx(estimate.parts_ua["arithmetic"])


def test_the_draw_is_seeded():
    assert physical_estimate(load()) == physical_estimate(load())


def test_the_clock_chooses_the_microphones_mode():
    values = typical()
    slow, fast = parts_ua(load(), values), parts_ua(load(16000, 1.5e6), values)
    assert (slow["microphone"], fast["microphone"]) == (235, 600)
    assert fast["pdm"] == pytest.approx(8 * slow["pdm"])
    for clock_hz in (900e3, 3e6):
        with pytest.raises(ConfigError, match="SPH0641LU4H"):
            load(clock_hz=clock_hz)


def test_a_duty_cycle_scales_what_captures_and_nothing_else():
    values = typical()
    whole, half = parts_ua(load(), values), parts_ua(load(duty=0.5), values)
    assert half["arithmetic"] == pytest.approx(whole["arithmetic"] / 2)
    assert half["regulator"] == whole["regulator"]
    assert half["sleep"] == whole["sleep"]
    assert half["microphone"] == pytest.approx((235 + 3) / 2)


def test_what_stays_powered_costs():
    values = typical()
    assert parts_ua(load(uart_share=1.0), values)["uart"] == 200
    flash = parts_ua(load(flash_in_sleep=True), values)["sleep"]
    assert flash - parts_ua(load(), values)["sleep"] == pytest.approx(110 * (1 - load().busy))


@pytest.mark.parametrize(
    "changes", [{"duty": 0.0}, {"duty": 1.5}, {"wakes_per_s": -1.0}, {"cycles_per_s": {"a": -1.0}}]
)
def test_a_load_refuses_nonsense(changes):
    with pytest.raises(ConfigError):
        dataclasses.replace(load(), **changes)


def test_a_load_that_overruns_is_refused():
    with pytest.raises(ConfigError, match="overrun"):
        load(cycles=49e6)
    with pytest.raises(ConfigError):
        battery_hours(0.0)


def time_line(cycles: float, seconds: int) -> list[Segment]:
    """One burst a second, gated, of as many cycles as a second of audio needs."""
    busy = cycles / CORE_HZ
    return [Segment(0.25, None), Segment(busy, "logmel", True), Segment(0.75 - busy, None)] * (
        seconds
    )


def test_the_meter_draws_the_mean_of_the_sum_of_parts():
    once_a_second = load(wakes_per_s=1.0)
    with ModelMeter(rate_hz=1000.0, gate_pin=2) as meter:
        meter.start()
        meter.play(once_a_second, time_line(2.5e6, 4))
        recording = meter.stop()
    assert recording.kind == "modelled"
    assert recording.duration_s == pytest.approx(4)
    expected = physical_estimate(once_a_second).current_ma
    assert recording.current_ma.mean() == pytest.approx(expected, rel=1e-6)
    windows = windows_of(recording, 2)
    assert len(windows.active) == 4
    assert windows.active[0].duration_s == pytest.approx(2.5e6 / CORE_HZ, abs=0.002)
    awake = windows.active[0].current_ma - windows.idle[0].current_ma
    assert awake == pytest.approx(11.9e-3 * 48 - 0.1, rel=0.05)


def test_the_paper_profile_has_no_finer_time_line_than_its_mean():
    meter = ModelMeter("paper", rate_hz=100.0)
    meter.start()
    meter.play(load(), time_line(2.5e6, 1))
    assert np.ptp(meter.stop().current_ma) == pytest.approx(0, abs=1e-9)


def test_the_meter_refuses_what_it_cannot_play():
    meter = ModelMeter()
    with pytest.raises(MeterError, match="start"):
        meter.play(load(), [])
    with pytest.raises(MeterError, match="nothing was played"):
        meter.stop()
    meter.start()
    meter.play(load(), [Segment(1e-6, None)])
    with pytest.raises(MeterError, match="another load"):
        meter.play(load(2000, 375e3), [])
    with pytest.raises(MeterError, match="under one sample"):
        meter.stop()
    with pytest.raises(ConfigError):
        Segment(-1.0, None)
