from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kilohear.bundle import Parity
from kilohear.config import from_dict, to_dict
from kilohear.errors import ExportError
from kilohear_training.export.parity import Gate, Limits, measure_parity, require, score_export


class Fixed:
    """A backend that gives what it was told: one row of probabilities a clip, in turn."""

    runtime, version = "fixed", "1"

    def __init__(self, probabilities) -> None:
        self._rows = iter(np.asarray(probabilities, np.float32))

    def run(self, waveform):
        assert waveform.shape == (1, 10)
        return next(self._rows)[None]


REFERENCE = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], np.float32)
CLIPS = np.zeros((3, 10), np.float32)


def measured(given) -> Parity:
    return measure_parity(Fixed(given), REFERENCE, CLIPS, "nowhere")


def test_equal_probabilities_agree_wholly():
    parity = measured(REFERENCE)
    assert (parity.top1_agreement, parity.probability_error_max) == (1.0, 0.0)
    assert (parity.clips, parity.executed_by) == (3, "fixed 1")


def test_a_tie_may_go_either_way_but_another_class_may_not():
    assert measured([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]).top1_agreement == 1.0
    parity = measured([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    assert parity.top1_agreement == pytest.approx(2 / 3)
    assert parity.probability_error_max == pytest.approx(0.4)
    assert parity.probability_error_mean == pytest.approx(0.8 / 6)


@pytest.mark.parametrize("field", ["top1_agreement", "probability_error_max"])
@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_gate_names_file_value_and_limit(field, value):
    parity = dataclasses.replace(measured(REFERENCE), **{field: value})
    with pytest.raises(ExportError, match=rf"x\.pte: .* {value}.*3 clips.*limit is"):
        require(parity, Gate().float32, "x.pte")


def test_gate_lets_equal_files_pass_in_every_precision():
    for precision in ("float32", "float16", "int8"):
        require(measured(REFERENCE), Gate().limits(precision), "x")


def test_gate_is_configurable():
    gate = Gate(int8=Limits(0.9, 0.5, 0.05))
    assert from_dict(Gate, to_dict(gate)) == gate


def test_another_number_of_classes_is_refused():
    with pytest.raises(ExportError, match="shape"):
        measured([[1.0, 0.0, 0.0]] * 3)


def test_score_is_macro_accuracy():
    backend = Fixed([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    targets = np.array([0, 0, 1])
    assert score_export(backend, CLIPS, targets, ("a", "b")) == pytest.approx(0.75)
