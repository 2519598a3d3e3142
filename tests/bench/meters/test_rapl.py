"""RAPL: packages are summed, counters wrap around, and what isn't there or allowed is said."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.meters.fake_powercap import Powercap

from kilohear_bench.meters import MeterError
from kilohear_bench.meters.rapl import Rapl, spent_uj


def opened(powercap: Powercap) -> Rapl:
    rapl = Rapl(powercap.root, powercap.clock, powercap.pass_time)
    rapl.open()
    return rapl


@given(st.integers(1, 2**40), st.data())
def test_a_counter_may_wrap_around_once(range_uj: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, range_uj - 1))
    spent = data.draw(st.integers(0, range_uj - 1))
    assert spent_uj(before, (before + spent) % range_uj, range_uj) == spent


@settings(max_examples=10)
@given(
    st.lists(st.floats(0.5, 8.0), min_size=1, max_size=4),
    st.lists(st.floats(0.01, 0.1), min_size=1, max_size=8),
)
def test_packages_are_summed_and_nothing_else(watts: list[float], stretches: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rapl = opened(Powercap(Path(folder), tuple(watts)))
        for seconds in stretches:
            idle = rapl.idle(seconds)
            assert idle.time_s == pytest.approx(seconds)
            assert idle.calls == 0
            rounding_mj = 2e-3 * len(watts)
            assert idle.energy_mj == pytest.approx(1e3 * sum(watts) * seconds, abs=rounding_mj)
            assert idle.power_mw * idle.time_s == pytest.approx(idle.energy_mj)


def test_a_counter_wraps_around_within_a_stretch(tmp_path: Path) -> None:
    powercap = Powercap(tmp_path, watts=(2.0,))
    rapl, counter = opened(powercap), tmp_path / "intel-rapl:0" / "energy_uj"
    powercap.pass_time(0.3)
    before = int(counter.read_text())
    stretch = rapl.during(partial(powercap.pass_time, 0.4), 0.4)
    assert int(counter.read_text()) < before
    assert stretch.energy_mj == pytest.approx(800.0, abs=0.01)


def test_a_call_is_made_until_the_time_is_over_and_never_cut_off(tmp_path: Path) -> None:
    powercap = Powercap(tmp_path)
    stretch = opened(powercap).during(partial(powercap.pass_time, 0.03), 0.1)
    assert stretch.calls == 4
    assert stretch.time_s == pytest.approx(0.12)
    assert stretch.power_mw == pytest.approx(3_000, rel=1e-3)


@pytest.mark.parametrize("there", [False, True])
def test_without_a_package_it_says_what_it_takes(tmp_path: Path, there: bool) -> None:
    root = tmp_path / "powercap"
    if there:
        (root / "intel-rapl:0").mkdir(parents=True)
        (root / "intel-rapl:0" / "name").write_text("psys\n")
    with pytest.raises(MeterError, match=r"holds no package.*intel_rapl_msr"):
        Rapl(root).open()


def test_a_counter_for_root_only_says_how_to_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    powercap = Powercap(tmp_path)
    read_text = Path.read_text

    def guarded(path: Path, *args: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args)

    monkeypatch.setattr(Path, "read_text", guarded)
    with pytest.raises(MeterError, match=r"root only.*sudo chmod a\+r .*intel-rapl:\*/energy_uj"):
        opened(powercap)


def test_a_counter_that_stands_still_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="count nothing"):
        opened(Powercap(tmp_path, watts=(0.0,)))


def test_a_counter_that_vanishes_is_named(tmp_path: Path) -> None:
    rapl = opened(Powercap(tmp_path))
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(MeterError, match=r"intel-rapl:0/energy_uj can't be read \(No such file"):
        rapl.idle(0.1)
