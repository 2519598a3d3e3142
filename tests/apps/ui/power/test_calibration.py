"""A phone's current: mA out of the battery, in whatever unit and sign the phone counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear_ui.power.calibration import Calibration


@given(
    st.lists(st.floats(21.0, 4900.0), min_size=1, max_size=30),
    st.sampled_from([1.0, 1000.0]),
    st.sampled_from([-1, 1]),
)
def test_unit_and_sign_are_found(drawn_ma: list[float], scale: float, sign: int) -> None:
    calibration = Calibration()
    for current_ma in drawn_ma:
        told = calibration.current_ma(sign * scale * current_ma, False)
        assert told == pytest.approx(current_ma)
    assert ("µA" if scale == 1000 else "mA") in calibration.words
    charging = calibration.current_ma(-sign * scale * 500, True)
    assert charging == pytest.approx(-500)


def test_what_can_t_be_told_isn_t_guessed() -> None:
    calibration = Calibration()
    assert calibration.current_ma(-300_000, is_fed=True) is None
    assert calibration.current_ma(0, is_fed=False) is None
    assert calibration.current_ma(-10_000, is_fed=False) is None
    assert calibration.words == "unit not known yet"
    told = None
    for _ in range(2):
        told = calibration.current_ma(-250_000, is_fed=False)
    assert told == pytest.approx(250)


def test_a_single_odd_reading_doesn_t_turn_the_sign() -> None:
    calibration, told = Calibration(), None
    for raw in (-200_000, -210_000, 30_000, -190_000):
        told = calibration.current_ma(raw, False)
    assert told == pytest.approx(190)
    assert calibration.current_ma(30_000, False) == pytest.approx(-30)
