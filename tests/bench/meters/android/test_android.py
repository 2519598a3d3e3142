"""Which source is chosen, and what its figures become."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest
from tests.bench.meters.android.fake_phone import ON_USB, FakePhone
from tests.bench.meters.android.test_batterystats import make_stats
from tests.bench.meters.android.test_rails import PIXEL, make_trace

from kilohear.config import from_dict
from kilohear.errors import ConfigError
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.android import (
    SOURCES,
    Power,
    PowerError,
    choose_source,
    power_measurements,
)

Make = Callable[..., FakePhone]


def make_able(phone: FakePhone, *sources: str) -> FakePhone:
    """Give a phone what the sources named need."""
    if "rails" in sources:
        polls = [(0, [0, 0, 0]), (500, [1000, 1000, 1000])]
        (phone.folder / "trace").write_bytes(make_trace(PIXEL, polls))
    if "charge-counter" in sources:
        phone.node("charge_counter", 3_200_000)
    if "current-now" in sources:
        phone.node("current_now", -200_000)
    if "batterystats" in sources:
        phone.write("batterystats.txt", make_stats())
    return phone


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_auto_takes_the_best_that_the_phone_can_give(make_phone: Make, first: int) -> None:
    phone = make_able(make_phone(counter="0"), *SOURCES[first:])
    refusals: list[str] = []
    source = choose_source(phone, "auto", refusals=refusals, sleep=phone.sleep)
    assert source is not None
    assert source.name == SOURCES[first]
    assert source.kind == ("modelled" if source.name == "batterystats" else "measured")
    assert [refusal.partition(":")[0] for refusal in refusals] == list(SOURCES[:first])


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_source_gives_can_be_kept(make_phone: Make, common: Measurement, name: str) -> None:
    phone = make_able(make_phone(), *SOURCES)
    phone.write("drain", "36")
    source = choose_source(phone, name, sleep=phone.sleep)
    assert source is not None
    source.start()
    if name in ("charge-counter", "current-now"):
        phone.wait_for(30)
    else:
        phone.write("uptime", "1060.00 0.00\n")
    outcome = power_measurements(source.stop(), common, "inference", 10)
    for measurement in outcome.measurements:
        kept = json.loads(json.dumps(dataclasses.asdict(measurement)))
        assert from_dict(Measurement, kept) == measurement
    for trace in outcome.traces:
        assert next(iter(trace.columns)) == "time_s"
        assert len({len(column) for column in trace.columns.values()}) == 1


def test_auto_passes_over_a_source_that_needs_longer_stretches(make_phone: Make) -> None:
    phone = make_able(make_phone(), "charge-counter", "current-now")
    refusals: list[str] = []
    source = choose_source(phone, "auto", 60.0, refusals, phone.sleep)
    assert source is not None
    assert source.name == "current-now"
    assert "60 s is too short" in refusals[1]
    named = choose_source(phone, "charge-counter", 60.0, sleep=phone.sleep)
    assert named is not None


def test_auto_gives_none_on_a_cable_without_rails_and_says_why(make_phone: Make) -> None:
    phone = make_able(make_phone(**ON_USB), *SOURCES[1:])
    refusals: list[str] = []
    assert choose_source(phone, "auto", refusals=refusals, sleep=phone.sleep) is None
    assert len(refusals) == len(SOURCES)
    assert all("charging (USB)" in refusal for refusal in refusals[1:])


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_is_named_is_given_or_refused(make_phone: Make, name: str) -> None:
    able = make_able(make_phone(), *SOURCES)
    source = choose_source(able, name, sleep=able.sleep)
    assert source is not None
    assert source.name == name
    unable = make_phone(counter="0")
    with pytest.raises(PowerError):
        choose_source(unable, name, sleep=unable.sleep)


def test_none_is_none_and_others_are_refused(make_phone: Make) -> None:
    phone = make_phone()
    assert choose_source(phone, "none") is None
    with pytest.raises(ConfigError, match="choose auto, rails"):
        choose_source(phone, "battery")
    assert not phone.commands


def make_power(**changes: object) -> Power:
    values = {
        "kind": "measured",
        "meter": "a meter",
        "duration_s": 20.0,
        "energy_mj": 4000.0,
        "conditions": {"battery_celsius": [27.0, 28.5]},
        "columns": {"time_s": np.arange(3.0), "power_mw": np.full(3, 200.0)},
    }
    return Power(**(values | changes))  # type: ignore[arg-type]


def test_inference_gives_a_window_s_share(common: Measurement) -> None:
    outcome = power_measurements(make_power(), common, "inference", 400)
    values = {m.name: (m.samples, m.unit) for m in outcome.measurements}
    assert values == {
        "power_inference": ((200.0,), "mW"),
        "window_energy": ((10.0,), "mJ"),
        "window_power": ((200.0,), "mW"),
        "window_time": ((0.05,), "s"),
        "temperature": ((28.5,), "celsius"),
    }
    for m in outcome.measurements:
        assert m.conditions["rate_hz"] == 1000
        assert (m.subject, m.device) == (common.subject, common.device)
    assert {m.meter for m in outcome.measurements[:-1]} == {"a meter"}
    (trace,) = outcome.traces
    assert (trace.rate_hz, trace.meter) == (1000, "a meter")


@pytest.mark.parametrize("state", ["idle", "microphone", "inference"])
def test_a_state_without_windows_gives_its_power(common: Measurement, state: str) -> None:
    power = make_power(kind="modelled", conditions={}, columns={})
    outcome = power_measurements(power, common, state, None)  # type: ignore[arg-type]
    assert [(m.name, m.kind) for m in outcome.measurements] == [(f"power_{state}", "modelled")]
    assert not outcome.traces


@pytest.mark.parametrize(("state", "windows"), [("idle", 3), ("inference", 0)])
def test_windows_belong_to_inference(common: Measurement, state: str, windows: int) -> None:
    with pytest.raises(ConfigError, match="count windows of inference"):
        power_measurements(make_power(), common, state, windows)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"energy_mj": 0.0}, {"energy_mj": -4.0}, {"duration_s": 0.0}])
def test_a_phone_that_draws_nothing_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(PowerError, match="draws something"):
        make_power(**changes)
