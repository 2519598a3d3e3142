"""Measurements: every summary is computed from the samples."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.config import from_dict, to_dict
from kilohear.errors import ConfigError
from kilohear_bench.measurement import Measurement, interval_of_median

SAMPLES = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60).map(tuple)


def make(samples: tuple[float, ...]) -> Measurement:
    return Measurement("latency", "x", samples, "ms", "measured", "host", "clock", {}, None)


@given(SAMPLES)
def test_summaries_come_from_the_samples(samples: tuple[float, ...]) -> None:
    measurement = make(samples)
    assert measurement.median == pytest.approx(statistics.median(samples))
    assert measurement.mean == pytest.approx(statistics.fmean(samples))
    assert measurement.p95 == pytest.approx(np.quantile(samples, 0.95))
    assert min(samples) <= measurement.median <= measurement.p95 <= max(samples)


@given(SAMPLES)
def test_the_interval_holds_the_median_and_repeats(samples: tuple[float, ...]) -> None:
    low, high = make(samples).interval
    assert low <= make(samples).median <= high
    assert (low, high) == interval_of_median(samples)


def test_p95_of_a_known_row() -> None:
    assert make(tuple(float(i) for i in range(101))).p95 == 95.0


def test_std_is_that_of_a_sample() -> None:
    assert make((1.0, 3.0)).std == pytest.approx(2**0.5)
    assert make((1.0,)).std == 0.0


@pytest.mark.parametrize("samples", [(), (1.0, float("nan"))])
def test_no_measurement_without_finite_samples(samples: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="finite samples"):
        make(samples)


def test_plain_data_and_back() -> None:
    assert from_dict(Measurement, to_dict(make((1.0, 2.0)))) == make((1.0, 2.0))


def test_a_kind_is_one_of_four() -> None:
    with pytest.raises(ConfigError, match="guessed"):
        from_dict(Measurement, to_dict(make((1.0,))) | {"kind": "guessed"})
