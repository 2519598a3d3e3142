"""Comparing: ratios with intervals that hold what they should, and refusals that name both."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.fake_device import make_tested, measured

from kilohear.config import save_json
from kilohear.errors import ConfigError
from kilohear_bench.compare import compare
from kilohear_bench.config import BenchConfig
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import PROTOCOL, Described, Run


def save(folder: Path, *measurements: Measurement, **changes: Any) -> Path:
    run = Run(
        protocol=PROTOCOL,
        configuration=BenchConfig(devices=("fake",)),
        started_at="2026-01-01T00:00:00+00:00",
        finished_at="2026-01-01T00:01:00+00:00",
        machine={},
        versions={},
        devices=(Described("fake", "fake", {}, (make_tested(),), 1),),
        measurements=measurements or (measured(),),
    )
    folder.mkdir(exist_ok=True)
    save_json(dataclasses.replace(run, **changes), folder / "run.json")
    return folder


@given(factor=st.floats(0.1, 10), samples=st.lists(st.floats(1, 9), min_size=3, max_size=20))
def test_a_run_that_takes_so_many_times_as_long_is_told(
    tmp_path_factory: pytest.TempPathFactory, factor: float, samples: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    a = save(folder / "a", measured(samples))
    b = save(folder / "b", measured([factor * sample for sample in samples]))
    (row,) = compare(a, b)
    assert row.ratio == pytest.approx(factor)
    assert row.ratio is not None
    assert row.low is not None
    assert row.high is not None
    assert row.low <= row.ratio * (1 + 1e-9)
    assert row.high >= row.ratio * (1 - 1e-9)


def test_a_single_sample_has_no_interval(tmp_path: Path) -> None:
    a, b = (save(tmp_path / name, measured([2.0])) for name in "ab")
    (row,) = compare(a, b)
    assert (row.ratio, row.low, row.high) == (1.0, None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": PROTOCOL + 1}, f"protocol is {PROTOCOL} in.*and {PROTOCOL + 1}"),
        ({"configuration": BenchConfig(devices=("fake",), windows=50)}, "windows is None.*50"),
        ({"configuration": BenchConfig(devices=("fake",), dataset="esc10")}, "dataset.*'esc10'"),
        ({"finished_at": None}, "isn't finished; kilohear bench resume"),
        ({"measurements": (dataclasses.replace(measured(), kind="measured"),)}, "two kinds"),
        ({"measurements": (dataclasses.replace(measured(), subject="b"),)}, "nothing that is the"),
    ],
)
def test_what_was_measured_otherwise_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        compare(save(tmp_path / "a"), save(tmp_path / "b", **changes))
