"""Rails in traces built from Perfetto's own protobufs, as its android.power source writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.meters.android.fake_phone import FakePhone

from kilohear_bench.meters.android import PowerError
from kilohear_bench.meters.android.rails import Rails, config, power_of, rails_of, summed

protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")

Make = Callable[..., FakePhone]

PIXEL = [("S2M_VDD_CPUCL2", "CPU(BIG)"), ("S4M_VDD_CPUCL0", "CPU(LITTLE)"), ("VSYS_PWR_MODEM", "M")]


def make_trace(
    rails: Sequence[tuple[str, str]], polls: Sequence[tuple[int, Sequence[int]]]
) -> bytes:
    """Polls are (ms since boot, each rail's uWs since boot); descriptors come with the first."""
    trace = protos.Trace()
    for i, (at_ms, energies) in enumerate(polls):
        packet = trace.packet.add()
        packet.timestamp = at_ms * 1_000_000
        packet.power_rails.session_uuid = 7
        for index, (name, subsystem) in enumerate(rails if i == 0 else ()):
            packet.power_rails.rail_descriptor.add(
                index=index, rail_name=name, subsys_name=subsystem, sampling_rate=1023
            )
        for index, energy in enumerate(energies):
            packet.power_rails.energy_data.add(index=index, timestamp_ms=at_ms, energy=energy)
    return trace.SerializeToString()


def test_the_configuration_is_one_that_perfetto_reads() -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    read = text_format.Parse(config(500), protos.TraceConfig())
    source = read.data_sources[0].config
    assert (read.duration_ms, source.name) == (500, "android.power")
    assert source.android_power_config.collect_power_rails
    assert source.android_power_config.battery_poll_ms == 250
    assert read.buffers[0].fill_policy == protos.TraceConfig.BufferConfig.DISCARD


@given(
    st.lists(st.tuples(*[st.integers(0, 10**7) for _ in PIXEL]), min_size=2, max_size=12).filter(
        lambda steps: any(sum(step) for step in steps[1:])
    ),
    st.integers(50, 1000),
)
def test_the_total_is_last_less_first_of_every_rail(
    steps: list[tuple[int, ...]], every_ms: int
) -> None:
    energies = np.cumsum(np.array(steps), axis=0)
    polls = [(60_000 + every_ms * i, row.tolist()) for i, row in enumerate(energies)]
    power = power_of(rails_of(make_trace(PIXEL, polls)), {})
    expected_mj = float((energies[-1] - energies[0]).sum()) / 1e3
    assert power.duration_s == pytest.approx(every_ms * (len(steps) - 1) / 1e3)
    assert power.energy_mj == pytest.approx(expected_mj)
    assert power.mean_power_mw * power.duration_s == pytest.approx(power.energy_mj)
    assert [rail["summed"] for rail in power.conditions["rails"]] == [True, True, True]
    total = np.sum(power.columns["power_mw"]) * every_ms / 1e3
    assert total == pytest.approx(expected_mj)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 2))
def test_a_counter_that_wraps_is_refused(before: int, after: int, which: int) -> None:
    before += after
    energies = [[5, 5, 5], [6, 6, 6]]
    energies[0][which], energies[1][which] = before, after
    polls = [(1000, energies[0]), (1250, energies[1])]
    with pytest.raises(PowerError, match=f"{PIXEL[which][0]} fell from .* wrapped"):
        rails_of(make_trace(PIXEL, polls))


def test_rails_that_hold_others_are_named_and_not_summed() -> None:
    names = [
        ("VPH_PWR", "whole"),
        ("PP1304_L2C", "rf"),
        ("WCN3998_VDD13 [from PP1304_L2C]", "wifi"),
        ("VPH_PWR_OLED", "display"),
    ]
    rails = rails_of(make_trace(names, [(0, [0] * 4), (1000, [9000, 100, 40, 300])]))
    assert [rail.name for rail in summed(rails)] == ["PP1304_L2C", "VPH_PWR_OLED"]
    power = power_of(rails, {})
    assert power.energy_mj == pytest.approx(0.4)
    assert [r["energy_mj"] for r in power.conditions["rails"]] == pytest.approx([9, 0.1, 0.04, 0.3])


def test_rails_that_are_read_apart_share_one_length_of_time() -> None:
    trace = protos.Trace()
    rails = trace.packet.add().power_rails
    for index, (first_ms, last_ms) in enumerate([(0, 10_000), (40, 10_060)]):
        rails.rail_descriptor.add(index=index, rail_name=f"R{index}", subsys_name="x")
        for at_ms in (first_ms, last_ms):
            rails.energy_data.add(index=index, timestamp_ms=at_ms, energy=100 * at_ms)
    power = power_of(rails_of(trace.SerializeToString()), {})
    assert power.mean_power_mw == pytest.approx(200.0)  # 100 uWs a ms is 100 mW, twice


def test_a_rail_that_was_read_once_is_refused() -> None:
    with pytest.raises(PowerError, match="was read 1 times"):
        power_of(rails_of(make_trace(PIXEL, [(0, [1, 2, 3])])), {})


def test_a_phone_without_rails_is_recognised(make_phone: Make) -> None:
    phone = make_phone()
    (phone.folder / "trace").write_bytes(make_trace([], [(0, []), (250, [])]))
    with pytest.raises(PowerError, match="no power rails"):
        Rails(phone, phone.sleep).check()


def test_a_phone_without_perfetto_is_recognised(make_phone: Make) -> None:
    phone = make_phone()
    with pytest.raises(PowerError, match="perfetto doesn't run on this phone"):
        Rails(phone, phone.sleep).check()
    with pytest.raises(PowerError, match="perfetto didn't start"):
        Rails(phone, phone.sleep).start()


@pytest.mark.parametrize("old", [False, True])
def test_a_stretch_is_traced_on_the_cable_too(make_phone: Make, old: bool) -> None:
    phone = make_phone(usb="true", status="2")
    if old:
        phone.write("old_perfetto", "")
    polls = [(500_000, [0, 0, 0]), (501_000, [70_000, 20_000, 10_000])]
    (phone.folder / "trace").write_bytes(make_trace(PIXEL, polls))
    source = Rails(phone, phone.sleep)
    source.check()
    source.start()
    power = source.stop()
    assert power.mean_power_mw == pytest.approx(100.0)
    assert power.conditions["started_uptime_s"] == 500.0
    assert power.conditions["battery_level"] == [80, 80]
    assert not list((phone.folder / "traces").iterdir())
    assert not list((phone.folder / "tmp/kilohear").iterdir())


def test_an_aborted_trace_leaves_nothing(make_phone: Make) -> None:
    phone = make_phone()
    (phone.folder / "trace").write_bytes(make_trace(PIXEL, [(0, [0, 0, 0]), (9, [1, 1, 1])]))
    source = Rails(phone, phone.sleep)
    source.start()
    source.abort()
    source.abort()
    assert not list((phone.folder / "traces").iterdir())
    assert not list((phone.folder / "tmp/kilohear").iterdir())
