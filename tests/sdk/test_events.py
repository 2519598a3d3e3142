"""Events: one begins when its class is sure, and ends when it no longer is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import ConfigError
from kilohear.events import Detection, Event, EventDetector

LABELS = ("dog", "rain")
STEADY = Detection(threshold_on=0.6, threshold_off=0.4, smoothing_s=0.0)


def test_one_window_yields_its_event() -> None:
    detector = EventDetector(LABELS)
    assert detector.push(np.array([0.75, 0.25]), 0.0, 5.0) == [Event("dog", 0.75, 0.0, None)]
    assert detector.flush() == [Event("dog", 0.75, 0.0, 5.0)]
    assert detector.flush() == []


def test_between_the_thresholds_nothing_changes() -> None:
    assert _run([0.5, 0.7, 0.5, 0.45, 0.3, 0.5]) == [
        Event("dog", 0.7, 1.0, None),
        Event("dog", 0.7, 1.0, 4.0),
    ]


def test_an_ended_event_carries_its_highest_probability() -> None:
    began, ended = _run([0.7, 0.9, 0.1])
    assert (began.probability, ended.probability) == (0.7, 0.9)


def test_smoothing_rides_over_one_odd_window() -> None:
    probabilities = [0.9, 0.9, 0.05, 0.9, 0.9]
    assert len(_run(probabilities, STEADY)) == 4
    smoothed = Detection(threshold_on=0.6, threshold_off=0.4, smoothing_s=2.0)
    assert len(_run(probabilities, smoothed)) == 2


def test_smoothing_follows_its_time_constant() -> None:
    reached = 1 - 1 / math.e  # of a step, one time constant after it
    detection = Detection(threshold_on=reached - 1e-9, threshold_off=0.1, smoothing_s=2.0)
    detector = EventDetector(("dog",), detection)
    assert detector.push(np.array([0.0]), 0.0, 5.0) == []
    (onset,) = detector.push(np.array([1.0]), 2.0, 7.0)
    assert onset.probability == pytest.approx(reached)


def test_two_classes_may_last_at_once() -> None:
    detector = EventDetector(LABELS, Detection(threshold_on=0.4, threshold_off=0.3))
    assert len(detector.push(np.array([0.5, 0.5]), 0.0, 1.0)) == 2


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 3))
def test_every_beginning_has_its_end_in_order(values: list[float], smoothing_s: float) -> None:
    events = _run(values, Detection(0.6, 0.4, smoothing_s))
    for began, ended in zip(events[::2], events[1::2], strict=True):
        assert began.end_s is None
        assert ended.end_s is not None
        assert began.start_s == ended.start_s < ended.end_s
        assert ended.probability >= began.probability >= 0.6


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"threshold_on": 0.0}, "threshold_on is 0.0"),
        ({"threshold_on": 1.1}, "threshold_on is 1.1"),
        ({"threshold_on": math.nan}, "threshold_on is nan"),
        ({"threshold_on": 0.3, "threshold_off": 0.4}, "threshold_off is 0.4"),
        ({"threshold_off": -0.1}, "threshold_off is -0.1"),
        ({"smoothing_s": -1.0}, "smoothing_s is -1.0"),
        ({"smoothing_s": math.inf}, "smoothing_s is inf"),
    ],
)
def test_thresholds_without_sense_are_refused(values: dict[str, float], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        Detection(**values)


def test_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(3,\).*\(2,\)"):
        EventDetector(LABELS).push(np.zeros(3), 0.0, 1.0)


def _run(dog: list[float], detection: Detection = STEADY) -> list[Event]:
    """Events of one class, windows of 1 s every second."""
    detector = EventDetector(("dog",), detection)
    events = []
    for i, probability in enumerate(dog):
        events += detector.push(np.array([probability]), float(i), i + 1.0)
    return events + detector.flush()


def test_a_sound_shorter_than_the_least_duration_is_none() -> None:
    patient = Detection(0.6, 0.4, smoothing_s=0.0, min_duration_s=2.0)
    assert _run([0.9, 0.9, 0.1, 0.9, 0.1], patient) == []
    began, ended = _run([0.1, 0.9, 0.8, 0.7, 0.1], patient)
    assert began == Event("dog", 0.7, 1.0, None)
    assert (ended.start_s, ended.end_s) == (1.0, 4.0)
    with pytest.raises(ConfigError, match="min_duration_s is -1"):
        Detection(min_duration_s=-1)
