"""Accuracy: clips heard as a user's would be, never ones that the weights were trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kilohear.bundle import Card, Score
from kilohear.classifier import Classifier
from kilohear.errors import DataError
from kilohear.listener import Listener
from kilohear_bench.clips import Clip, read_clips, spread
from kilohear_bench.config import BenchConfig
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Subject

METRICS = ("macro_accuracy", "macro_f1")
CLIP_CORRECT = "clip_correct"
"""The measurement of labels: a sample a clip, 1 where its label is the true one."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A clip's true label and the label of its highest probability."""

    clip: str
    true: str
    predicted: str


def unseen_clips(card: Card, dataset: str, clips: Sequence[Clip]) -> tuple[list[Clip], str]:
    """Return the clips that a bundle's weights never saw, and which they are in words.

    The card's training configuration decides. Its `fold` is the fold that was kept for the test,
    or null where every clip trained, `left_out` are others that weren't trained on; its teachers'
    fits lie in it under `teachers` and count as well, since what a teacher saw reaches its
    student. Data sets are compared by name; ESC-10 is part of ESC-50 and shares its folds.

    Raises
    ------
    DataError
        Where every clip was trained on, the card doesn't say, no clip is left, or a clip's label
        isn't one of the card's.
    """
    unknown = sorted({clip.label for clip in clips} - set(card.labels))
    if unknown:
        raise DataError(
            f"{dataset}: class {unknown[0]!r} isn't one that {card.name} knows "
            f"({', '.join(card.labels)}); score it on a data set with its own classes"
        )
    kept = _kept_folds(card, dataset)
    if kept is None:
        unseen, words = list(clips), f"all {len(clips)} clips: none of {dataset} was trained on"
    else:
        if not kept:
            raise DataError(
                f"{card.name} was trained on {card.training.dataset} "
                f"({card.training.shipped_fit}), so no clip of {dataset} can test it; leave out "
                "--dataset to report its card's fold scores, or give a bundle of a fit that kept "
                "a fold"
            )
        unseen = [clip for clip in clips if clip.fold in kept]
        folds = f"fold{'s' * (len(kept) > 1)} {', '.join(str(fold) for fold in sorted(kept))}"
        words = f"{len(unseen)} clips of {folds}, "
        words += f"kept from training; the other {len(clips) - len(unseen)} dropped"
    if not unseen:
        raise DataError(f"{card.name}: {dataset} holds no clip to test on; {words}")
    return unseen, words


def unseen_by_each(
    subjects: Sequence[Subject], config: BenchConfig
) -> dict[str, tuple[list[Clip], str]]:
    """Return what each bundle hears in a run, and which clips they are in words; by its name.

    Empty where the run has no data set.

    Raises
    ------
    DataError
        As `read_clips` and `unseen_clips`.
    """
    if config.dataset is None:
        return {}
    clips, heard = read_clips(config.dataset), {}
    for card in {subject.bundle.card.name: subject.bundle.card for subject in subjects}.values():
        unseen, note = unseen_clips(card, config.dataset, clips)
        chosen = spread(unseen, config.clips)
        if len(chosen) < len(unseen):
            note += f"; {len(chosen)} of them heard, spread over the classes"
        heard[card.name] = chosen, note
    return heard


def predict(classifier: Classifier, clips: Sequence[Clip]) -> list[Prediction]:
    """Classify every clip through the listener; a longer clip's windows are averaged.

    Raises
    ------
    AudioError, RateError
        Where a clip can't be read or has too low a rate.
    """
    predictions = []
    for clip in clips:
        heard = [window.probabilities for window in Listener(classifier, clip.path).windows()]
        best = int(np.mean(heard, axis=0).argmax())
        predictions.append(Prediction(clip.name, clip.label, classifier.card.labels[best]))
    return predictions


def recalls(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return each class's share of its clips that were recognised; their mean: macro accuracy."""
    return {
        label: sum(p.predicted == label for p in predictions if p.true == label)
        / sum(p.true == label for p in predictions)
        for label in _classes(predictions)
    }


def f1_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return each class's F1, 2 TP / (2 TP + FP + FN); their mean: macro F1.

    Classes without a clip count neither way.
    """
    scores = {}
    for label in _classes(predictions):
        hits = sum(p.true == p.predicted == label for p in predictions)
        named = sum(p.predicted == label for p in predictions)
        there = sum(p.true == label for p in predictions)
        scores[label] = 2 * hits / (named + there)
    return scores


def clip_measurements(
    common: Measurement,
    predictions: Sequence[Prediction],
    reference: Sequence[str] | None = None,
) -> list[Measurement]:
    """Return what a device's labels are worth; a run joins the clips of all steps and scores them.

    Parameters
    ----------
    common
        Gives subject, kind, device, versions, time and conditions. Among these `rate_hz`,
        `dataset`, `note` (which clips, in words), and where they hold: `card_score` (what the
        device must reach, see `kilohear_bench.verdict`), `may_differ` (the share of clips whose
        labels may be others than the reference's).
    predictions
        A clip each.
    reference
        The host's label of each clip, from the same file of the bundle; None: not compared.
    """
    correct = dataclasses.replace(
        common,
        name=CLIP_CORRECT,
        samples=tuple(float(p.true == p.predicted) for p in predictions),
        unit="fraction",
        meter="labels of the data set",
        conditions={
            **common.conditions,
            "clips_true_predicted": {p.clip: [p.true, p.predicted] for p in predictions},
        },
    )
    if reference is None:
        return [correct]
    pairs = zip(predictions, reference, strict=True)
    agreed = dataclasses.replace(
        common,
        name="label_agreement",
        samples=tuple(float(p.predicted == label) for p, label in pairs),
        unit="fraction",
        meter="labels of the host",
    )
    return [correct, agreed]


def scores_of(correct: Measurement) -> list[Measurement]:
    """Return macro accuracy and macro F1 of a `CLIP_CORRECT`; a sample is a class."""
    heard = correct.conditions["clips_true_predicted"]
    predictions = [Prediction(clip, true, label) for clip, (true, label) in heard.items()]
    return [
        dataclasses.replace(
            correct,
            name=metric,
            samples=tuple(values.values()),
            conditions={**correct.conditions, "samples_are": "classes", "classes": list(values)},
        )
        for metric, values in zip(
            METRICS, (recalls(predictions), f1_scores(predictions)), strict=True
        )
    ]


def expected_score(subject: Subject, dataset: str) -> float | None:
    """Return the macro accuracy that a subject's card promises on clips of a data set.

    None where the card has no score of this data set, or none that holds for the subject.
    """
    if _family(dataset) != _family(subject.bundle.card.training.dataset):
        return None
    score = card_score(subject, "macro_accuracy")
    return score.value if score is not None else None


def card_score(subject: Subject, metric: str) -> Score | None:
    """Return the card's fold score that holds for a subject; None where none was measured.

    The file's own score goes first. The method's score holds for float32 files, which the export
    gate compared with the model that was scored; other precisions need a score of their own.
    """
    own = subject.export.score
    if own is not None and own.metric == metric:
        return own
    if subject.export.precision != "float32":
        return None
    card = subject.bundle.card
    return next((score for score in card.scores if score.metric == metric), None)


def _classes(predictions: Sequence[Prediction]) -> list[str]:
    return sorted({prediction.true for prediction in predictions})


def _kept_folds(card: Card, dataset: str) -> set[int] | None:
    """Return the folds of `dataset` that no fit trained on; None: no fit heard any of it."""
    kept: set[int] | None = None
    for fit in _fits(card.training.config):
        if not isinstance(fit.get("dataset"), str) or "fold" not in fit:
            raise DataError(
                f"{card.name}: its card's training.config doesn't name data set and fold, so no "
                f"clip of {dataset} is known to be unseen; leave out --dataset to report the "
                "card's own scores"
            )
        if _family(dataset) in (_family(fit["dataset"]), _family(card.training.dataset)):
            own = {fold for fold in (fit["fold"], *fit.get("left_out", ())) if fold is not None}
            kept = own if kept is None else kept & own
    return kept


def _fits(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the fit and its teachers, theirs among them."""
    yield config
    for teacher in config.get("teachers", ()):
        yield from _fits(teacher)


def _family(dataset: str) -> str:
    """Return a data set's name as cards, files and options may spell it; ESC-10 is in ESC-50."""
    name = "".join(c for c in Path(dataset.partition(":")[0]).stem.lower() if c.isalnum())
    return "esc50" if name == "esc10" else name
