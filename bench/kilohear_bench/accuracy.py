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
from kilohear_bench.clips import Clip
from kilohear_bench.subject import Subject


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
        predictions.append(Prediction(clip.path.name, clip.label, classifier.card.labels[best]))
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
