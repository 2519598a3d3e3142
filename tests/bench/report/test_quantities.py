"""A report refuses what can't be true, and what can't be compared."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.report.made import measurement

from kilohear.bundle import Kind
from kilohear_bench.measurement import Measurement
from kilohear_bench.report.quantities import (
    UNITS,
    ReportError,
    check,
    check_energy,
    check_unit,
    column,
    split,
)

KINDS = get_args(Kind)
POSITIVE = st.floats(1e-3, 1e6)


def electric(energy: Any, power: Any, time: Any, **changes: Any) -> list[Measurement]:
    return [
        measurement("window_energy", samples=tuple(energy), unit="mJ", **changes),
        measurement("window_power", samples=tuple(power), unit="mW", **changes),
        measurement("window_time", samples=tuple(time), unit="s", **changes),
    ]


@given(st.lists(st.tuples(POSITIVE, POSITIVE, st.floats(-0.0099, 0.0099)), min_size=1, max_size=20))
def test_energy_within_a_hundredth_passes(windows: list[tuple[float, float, float]]) -> None:
    power, time, off = map(np.asarray, zip(*windows, strict=True))
    check_energy(*electric(power * time * (1 + off), power, time))


@given(
    st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=20),
    st.floats(0.0101, 10),
    st.booleans(),
    st.data(),
)
def test_one_window_off_is_refused_with_both_values(
    windows: list[tuple[float, float]], off: float, more: bool, data: st.DataObject
) -> None:
    power, time = map(np.asarray, zip(*windows, strict=True))
    wrong = data.draw(st.integers(0, len(power) - 1))
    energy = power * time
    energy[wrong] = energy[wrong] * (1 + off) if more else energy[wrong] / (1 + off + off**2)
    with pytest.raises(ReportError) as refused:
        check_energy(*electric(energy, power, time))
    for said in (
        f"window {wrong} is {energy[wrong]:.6g} mJ",
        f"{power[wrong] * time[wrong]:.6g} mJ",
        "host, esc10-1khz onnx float32, 1,000 Hz",
    ):
        assert said in str(refused.value)


def test_windows_that_arent_the_same_are_refused() -> None:
    with pytest.raises(ReportError, match="2 window energies, 1 mean powers, 1 times"):
        check_energy(*electric([1, 1], [1], [1]))


def test_energy_that_cant_be_checked_is_refused() -> None:
    energy, power, time = electric([2.0], [1.0], [2.0])
    check([energy, power, time])
    with pytest.raises(ReportError, match="has 0 window_time"):
        check([energy, power])


def test_each_meter_is_checked_by_its_own_power() -> None:
    package = electric([2.0], [1.0], [2.0], meter="RAPL package")
    battery = electric([6.0], [3.0], [2.0], meter="charge counter")
    check([*package, *battery])
    with pytest.raises(ReportError, match="charge counter"):
        check([*package, dataclasses.replace(battery[0], samples=(2.0,)), *battery[1:]])


@given(st.sampled_from([*UNITS, "cycles_fft", "instructions_student"]), st.text(max_size=5))
def test_a_quantity_has_its_unit_and_no_other(name: str, unit: str) -> None:
    right = UNITS.get(name, "1/s")
    check_unit(measurement(name, unit=right))
    if unit != right:
        with pytest.raises(ReportError, match=r"host, esc10-1khz onnx float32, 1,000 Hz"):
            check_unit(measurement(name, unit=unit))


@pytest.mark.parametrize("unit", ["", " "])
def test_no_quantity_goes_without_a_unit(unit: str) -> None:
    check_unit(measurement("brightness", unit="lux"))
    with pytest.raises(ReportError, match="brightness has no unit"):
        check_unit(measurement("brightness", unit=unit))


@given(st.lists(st.sampled_from([None, *KINDS]), min_size=1, max_size=8))
def test_a_column_holds_one_kind(kinds: list[Kind | None]) -> None:
    found = [measurement(kind=kind) if kind else None for kind in kinds]
    there = {kind for kind in kinds if kind}
    if len(there) > 1:
        with pytest.raises(ReportError, match="a column holds one kind"):
            column("latency", "ms", found, lambda m: m.kind)
        return
    made = column("latency", "ms", found, lambda m: m.kind)
    assert made.cells == tuple(kind or "" for kind in kinds)
    assert made.kind == (there.pop() if there else None)


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.sampled_from(["a", "b"])), unique=True, max_size=4
        ),
        max_size=6,
    )
)
def test_split_columns_hold_everything_once_and_one_kind_each(
    rows: list[list[tuple[Kind, str]]],
) -> None:
    found = [[measurement(kind=kind, meter=meter) for kind, meter in row] for row in rows]
    columns = split(found)
    for (kind, meter), cells in columns.items():
        there = [m for m in cells if m is not None]
        assert len(cells) == len(rows)
        assert {m.kind for m in there} == {kind}
        assert not meter or {m.meter for m in there} == {meter}
        column("latency", "ms", cells, lambda m: m.meter)
    for i, row in enumerate(found):
        shown = [cells[i] for cells in columns.values() if cells[i] is not None]
        assert sorted(map(id, shown)) == sorted(map(id, row))


def test_two_numbers_for_one_cell_are_refused() -> None:
    with pytest.raises(ReportError, match="latency is there twice"):
        split([[measurement(), measurement()]])
