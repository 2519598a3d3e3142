"""A stretch: its energy is mean power times time, whatever the battery tells and when."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear_ui.power import Reading
from kilohear_ui.profile.stretch import Spoiled, Stretch

READINGS = st.lists(
    st.tuples(st.floats(0.01, 4.0), st.floats(0.1, 5000.0), st.floats(2.5, 5.0)),
    min_size=2,
    max_size=60,
)


def stretch(told: list[tuple[float, float, float]], longest_gap_s: float = 5.0) -> Stretch:
    readings, at_s = [], 0.0
    for step_s, current_ma, voltage_v in told:
        at_s += step_s
        readings.append(Reading(at_s, None, current_ma, voltage_v, None, False))
    return Stretch(tuple(readings), longest_gap_s)


@given(READINGS)
def test_energy_is_mean_power_times_time(told: list[tuple[float, float, float]]) -> None:
    """Against the exact mean of what is linear between readings, in fractions."""
    made = stretch(told)
    times = [Fraction(reading.at_s) for reading in made.readings]
    powers = [Fraction(ma) * Fraction(volts) for _, ma, volts in told]
    spans = [end - begin for begin, end in itertools.pairwise(times)]
    means = [(a + b) / 2 for a, b in itertools.pairwise(powers)]
    mean_mw = sum(m * s for m, s in zip(means, spans, strict=True)) / sum(spans)
    assert made.mean_power_mw == pytest.approx(float(mean_mw), rel=1e-9)
    assert made.energy_mj == pytest.approx(float(mean_mw * sum(spans)), rel=1e-9)
    assert len(made.columns()["current_ma"]) == len(told)


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ([(1.0, 100.0, 4.0)], "1 times"),
        ([(1.0, 100.0, 4.0), (6.0, 100.0, 4.0)], "told nothing for 6.0 s"),
        ([(1.0, 0.0, 4.0), (1.0, 0.0, 4.0)], "draws something"),
        ([(1.0, -50.0, 4.0), (1.0, -50.0, 4.0)], "draws something"),
    ],
)
def test_readings_that_say_nothing_are_refused(
    told: list[tuple[float, float, float]], cause: str
) -> None:
    with pytest.raises(Spoiled, match=cause):
        stretch(told)
