"""The classifier refuses what isn't a window of the card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohear.bundle import Bundle, Card
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, BackendError


@pytest.fixture
def classifier(card_factory: Callable[..., Card], loudness: Any) -> Classifier:
    return Classifier(Bundle(Path("nowhere"), card_factory()), loudness)


def test_a_window_gives_one_probability_a_label(classifier: Classifier) -> None:
    probabilities = classifier(np.ones(1_000, np.float32))
    assert probabilities.shape == (3,)
    assert probabilities.dtype == np.float32
    assert classifier.runtime == "fake"


@pytest.mark.parametrize("shape", [(999,), (1_001,), (1, 1_000), ()])
def test_another_length_is_refused_naming_both(
    classifier: Classifier, shape: tuple[int, ...]
) -> None:
    with pytest.raises(AudioError) as refused:
        classifier(np.zeros(shape, np.float32))
    assert str(shape) in str(refused.value)
    assert "(1000,): 1 s at 1,000 Hz" in str(refused.value)


def test_another_type_is_refused_naming_both(classifier: Classifier) -> None:
    with pytest.raises(AudioError, match=r"float64.*float32"):
        classifier(np.zeros(1_000))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_refused(classifier: Classifier, value: float) -> None:
    waveform = np.zeros(1_000, np.float32)
    waveform[7] = value
    with pytest.raises(AudioError, match=f"the waveform's sample 7 at 0.007 s is {value}"):
        classifier(waveform)


def test_a_model_with_other_classes_is_refused(
    card_factory: Callable[..., Card], loudness: Any
) -> None:
    bundle = Bundle(Path("nowhere"), card_factory(labels=("a", "b")))
    with pytest.raises(BackendError, match=r"\(1, 3\).*2 labels"):
        Classifier(bundle, loudness)(np.zeros(1_000, np.float32))
