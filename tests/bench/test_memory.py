"""Peak memory: of the fresh process alone, whatever its parent holds."""

from __future__ import annotations

import numpy as np
import pytest

from kilohear_bench.memory import line, measure_peak, peak_bytes, peak_memory
from kilohear_bench.subject import Subject


def test_the_parents_memory_isnt_counted(subject: Subject) -> None:
    ballast = np.ones(300_000_000, np.uint8)
    own, _ = peak_bytes()
    measured = measure_peak(subject)
    assert own > ballast.nbytes
    assert measured["imported_bytes"] < measured["peak_bytes"] < ballast.nbytes
    assert "fresh process" in measured["meter"]


def test_a_peak_is_a_measurement(subject: Subject) -> None:
    measured = peak_memory(subject)
    assert (measured.name, measured.subject, measured.unit) == (
        "peak_memory",
        subject.name,
        "bytes",
    )
    assert measured.median > measured.conditions["before_loading_bytes"]
    assert measured.conditions["rate_hz"] == 1_000


def test_a_line_has_its_slope_per_hour() -> None:
    assert line([0.0, 1_800.0, 3_600.0], [5.0, 6.0, 7.0]) == pytest.approx((2.0, 2.0))
