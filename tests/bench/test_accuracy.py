"""Accuracy: never on clips the weights were trained on; the scores are the textbook's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.bundle import Bundle, Card, Score
from kilohear.errors import DataError
from kilohear_bench.accuracy import (
    CLIP_CORRECT,
    Prediction,
    card_score,
    clip_measurements,
    expected_score,
    f1_scores,
    predict,
    recalls,
    scores_of,
    unseen_clips,
)
from kilohear_bench.clips import Clip, read_clips
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import finished
from kilohear_bench.subject import Subject

COMMON = Measurement(
    name="",
    subject="tiny-test onnx float32",
    samples=(0.0,),
    unit="",
    kind="measured",
    device="phone",
    meter="",
    versions={"onnx": "1"},
    started_at=None,
    conditions={"rate_hz": 1_000, "dataset": "mine", "note": "all", "card_score": 0.9},
)
PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1)
CLIPS = [Clip(Path(f"{fold}.wav"), "loud", fold) for fold in (1, 2, 3)]


def fit(dataset: str, fold: int | None, teacher: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"dataset": dataset, "fold": fold, "teachers": [teacher] if teacher else []}


@pytest.mark.parametrize(
    ("config", "named", "dataset"),
    [
        (fit("esc10", None), "ESC-10", "esc10"),
        (fit("esc10", None), "ESC-10", "esc50"),
        (fit("data/mine.csv", None), "mine", "elsewhere/mine.csv"),
        (fit("esc10", 1, fit("esc10", None)), "ESC-10", "esc10"),
        (fit("esc10", 1, fit("esc10", 2)), "ESC-10", "esc10"),
        (fit("other", 1, fit("esc50", None)), "other", "esc10"),
    ],
)
def test_clips_that_trained_are_refused_naming_both(
    card_factory: Callable[..., Card],
    training_factory: Any,
    config: dict[str, Any],
    named: str,
    dataset: str,
) -> None:
    card = card_factory(training=training_factory(config, named))
    with pytest.raises(DataError, match=named) as refused:
        unseen_clips(card, dataset, CLIPS)
    assert card.name in str(refused.value)
    assert dataset in str(refused.value)


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_only_the_kept_fold_is_scored(
    card_factory: Callable[..., Card], training_factory: Any, fold: int
) -> None:
    training = training_factory(fit("esc10", fold, fit("esc10", fold)), "ESC-10")
    clips, words = unseen_clips(card_factory(training=training), "esc10", CLIPS)
    assert {clip.fold for clip in clips} == {fold}
    assert f"fold {fold}" in words
    assert "2 dropped" in words


def test_another_data_set_is_scored_whole(
    card_factory: Callable[..., Card], training_factory: Any
) -> None:
    card = card_factory(training=training_factory(fit("esc10", None), "ESC-10"))
    clips, words = unseen_clips(card, "mine.csv", CLIPS)
    assert clips == CLIPS
    assert "all 3 clips" in words


def test_a_card_that_doesnt_say_is_refused(
    card_factory: Callable[..., Card], training_factory: Any
) -> None:
    with pytest.raises(DataError, match="doesn't name data set and fold"):
        unseen_clips(card_factory(training=training_factory({})), "esc10", CLIPS)


def test_an_unknown_class_is_named(
    card_factory: Callable[..., Card], training_factory: Any
) -> None:
    card = card_factory(training=training_factory(fit("esc10", None)))
    with pytest.raises(DataError, match="'dog'"):
        unseen_clips(card, "mine.csv", [Clip(Path("a.wav"), "dog", 1)])


def test_a_missing_fold_leaves_nothing(
    card_factory: Callable[..., Card], training_factory: Any
) -> None:
    card = card_factory(training=training_factory(fit("esc10", 5), "ESC-10"))
    with pytest.raises(DataError, match="no clip to test on"):
        unseen_clips(card, "esc10", CLIPS)


def test_clips_are_heard_as_a_users_are(subject: Subject, labelled_csv: Path) -> None:
    classifier = subject.bundle.open("onnx")
    predictions = predict(classifier, read_clips(str(labelled_csv)))
    expected = ["quiet", "loud", "loud", "quiet", "loud", "loud"]
    assert [p.predicted for p in predictions] == expected
    assert recalls(predictions) == {"loud": 1.0, "quiet": pytest.approx(2 / 3)}


@given(PAIRS)
def test_scores_agree_with_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    predictions = [Prediction(str(i), *pair) for i, pair in enumerate(pairs)]
    true, predicted = zip(*pairs, strict=True)
    labels = sorted(set(true))
    expected = metrics.f1_score(true, predicted, labels=labels, average=None, zero_division=0)
    assert list(f1_scores(predictions).values()) == pytest.approx(list(expected))
    expected = metrics.recall_score(true, predicted, labels=labels, average=None, zero_division=0)
    assert list(recalls(predictions).values()) == pytest.approx(list(expected))


def test_int8_needs_a_score_of_its_own(subject: Subject) -> None:
    method = subject.bundle.card.scores[0]
    assert card_score(subject, "macro_accuracy") == method
    int8 = dataclasses.replace(subject.export, precision="int8")
    assert card_score(Subject(subject.bundle, int8), "macro_accuracy") is None
    own = Score("macro_accuracy", "measured", "made up", 0.8, 0.0, (0.8,), "int8")
    scored = Subject(subject.bundle, dataclasses.replace(int8, score=own))
    assert card_score(scored, "macro_accuracy") == own


@given(PAIRS, st.integers(1, 5))
def test_labels_that_came_in_parts_are_scored_as_one(
    pairs: list[tuple[str, str]], batch: int
) -> None:
    predictions = [Prediction(f"{i}.wav", *pair) for i, pair in enumerate(pairs)]
    parts = [predictions[i : i + batch] for i in range(0, len(predictions), batch)]
    made = {m.name: m for m in finished(m for p in parts for m in clip_measurements(COMMON, p))}
    assert list(made) == ["macro_accuracy", "macro_f1"]
    for name, by_class in (("macro_accuracy", recalls), ("macro_f1", f1_scores)):
        expected = by_class(predictions)
        assert made[name].samples == tuple(expected.values())
        assert made[name].conditions["classes"] == list(expected)
        assert made[name].conditions["card_score"] == 0.9
        assert len(made[name].conditions["clips_true_predicted"]) == len(pairs)


def test_macro_accuracy_by_hand() -> None:
    heard = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("b", "a"), ("b", "a")]
    predictions = [Prediction(f"{i}.wav", *pair) for i, pair in enumerate(heard)]
    (correct,) = clip_measurements(COMMON, predictions)
    assert (correct.name, correct.samples) == (CLIP_CORRECT, (1, 0, 1, 1, 0, 0))
    accuracy, f1 = scores_of(correct)
    assert accuracy.samples == (0.5, 0.5)
    assert f1.samples == (0.4, 4 / 7)


def test_a_reference_is_compared_label_by_label() -> None:
    predictions = [Prediction("1.wav", "a", "b"), Prediction("2.wav", "b", "b")]
    _, agreement = clip_measurements(COMMON, predictions, ["b", "a"])
    assert (agreement.name, agreement.samples) == ("label_agreement", (1.0, 0.0))
    assert (agreement.unit, agreement.meter) == ("fraction", "labels of the host")
    with pytest.raises(ValueError, match="shorter"):
        clip_measurements(COMMON, predictions, ["b"])


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [("esc10", 0.9), ("ESC-50", 0.9), ("/data/esc50.csv", 0.9), ("mine.csv", None)],
)
def test_a_card_promises_a_score_on_its_own_data_set_only(
    bundle_factory: Callable[..., Path],
    training_factory: Any,
    dataset: str,
    expected: float | None,
) -> None:
    bundle = Bundle.load(bundle_factory(training=training_factory(fit("esc10", 1), "ESC-10")))
    subject = Subject(bundle, bundle.card.exports[0])
    assert expected_score(subject, dataset) == expected
    int8 = dataclasses.replace(subject.export, precision="int8")
    assert expected_score(Subject(bundle, int8), dataset) is None
