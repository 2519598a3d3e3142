"""Peak memory: of the fresh process alone, whatever its parent holds."""

from __future__ import annotations

import numpy as np

from kilohear_bench.memory import measure_peak, peak_bytes
from kilohear_bench.subject import Subject


def test_the_parents_memory_isnt_counted(subject: Subject) -> None:
    ballast = np.ones(300_000_000, np.uint8)
    own, _ = peak_bytes()
    measured = measure_peak(subject)
    assert own > ballast.nbytes
    assert measured["imported_bytes"] < measured["peak_bytes"] < ballast.nbytes
    assert "fresh process" in measured["meter"]
