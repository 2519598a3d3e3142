"""The student: windows at their times, over gaps and restarts; the gate spares inference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohear.bundle import Bundle, Card
from kilohear.capture.feed import Part, Restart
from kilohear.classifier import Classifier
from kilohear.events import Gap
from kilohear.student import Student


@pytest.fixture
def classifier(card_factory: Callable[..., Card], loudness: Any) -> Classifier:
    return Classifier(Bundle(Path("nowhere"), card_factory()), loudness)  # 1 s every 0.5 s


def part(seconds: float, level: float = 0.5, start_s: float = 0.0) -> Part:
    samples = np.full(round(seconds * 1_000), level, np.float32)
    return Part(start_s, seconds, {1_000: samples, 2_000: np.empty(0, np.float32)})


def test_a_window_says_how_much_of_it_was_lost(classifier: Classifier) -> None:
    student = Student(classifier)
    windows = student.take(part(1.2))
    student.take(Gap(1.2, 0.2, "capture"))
    windows += student.take(part(1.3, start_s=1.2)) + student.flush()
    assert [(w.start_s, round(w.lost_s, 6)) for w in windows] == [
        (0.0, 0.0),
        (0.5, 0.2),
        (1.0, 0.2),
        (1.5, 0.0),
    ]


def test_a_restart_joins_nothing(classifier: Classifier, loudness: Any) -> None:
    student = Student(classifier)
    windows = student.take(part(1.3, level=0.25))
    windows += student.take(Restart(10.0))
    windows += student.take(part(1.0, level=0.75)) + student.flush()
    assert [(w.start_s, w.end_s) for w in windows] == [(0.0, 1.0), (0.5, 1.3), (10.0, 11.0)]
    assert set(loudness.waveforms[1][0]) == {0.0, 0.25}
    assert set(loudness.waveforms[2][0]) == {0.75}


def test_the_gate_spares_quiet_windows(classifier: Classifier, loudness: Any) -> None:
    student = Student(classifier, gate_db=-40.0)
    windows = student.take(part(1.0, level=0.009)) + student.take(part(1.0, level=0.011))
    assert [w.skipped for w in windows] == [True, False, False]
    assert len(loudness.waveforms) == 2
    assert not windows[0].probabilities.any()


def test_the_gate_lets_no_wrong_number_pass(classifier: Classifier) -> None:
    from kilohear.errors import AudioError

    with pytest.raises(AudioError, match="nan"):
        Student(classifier, gate_db=-40.0).take(part(1.0, level=float("nan")))
