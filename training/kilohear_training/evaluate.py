"""Scores of predictions: macro accuracy, macro F1, per class, with a confidence interval."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score
from torch import Tensor, nn

from kilohear_training.data.dataset import Dataset

_BATCH = 64
_RESAMPLES = 1_000


@dataclasses.dataclass(frozen=True)
class Scores:
    """What predictions are worth.

    `interval` is the central 95% of macro accuracy over bootstrap samples of the clips.
    `confusion` counts clips, rows true, columns predicted, (classes, classes).
    """

    clips: int
    macro_accuracy: float
    macro_f1: float
    interval: tuple[float, float]
    per_class: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]


def predict(network: nn.Module, features: Tensor) -> NDArray[np.float32]:
    """Return probabilities (clips, classes) for features (clips, frames, bands)."""
    network.eval()
    outputs: list[Tensor] = []
    with torch.no_grad():
        for batch in features.split(_BATCH):
            inputs = batch[:, None].to(memory_format=torch.channels_last)
            outputs.append(network(inputs).softmax(dim=1))
    return torch.cat(outputs).numpy()


def score(
    probabilities: NDArray[np.floating], targets: NDArray[np.integer], labels: tuple[str, ...]
) -> Scores:
    """Score probabilities (clips, classes) against class indices (clips,).

    Classes without a clip count neither way.
    """
    predicted = probabilities.argmax(axis=1)
    present = sorted(set(targets.tolist()))
    confusion = confusion_matrix(targets, predicted, labels=range(len(labels)))
    recalls = {labels[c]: float(confusion[c, c] / confusion[c].sum()) for c in present}
    f1 = f1_score(targets, predicted, labels=present, average="macro")
    return Scores(
        clips=len(targets),
        macro_accuracy=float(np.mean(list(recalls.values()))),
        macro_f1=float(f1),
        interval=_bootstrap(predicted == targets, targets),
        per_class=recalls,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
    )


def test_scores(
    network: nn.Module, features: Tensor, dataset: Dataset, test: list[int]
) -> dict[str, Any]:
    """Return the scores on the clips `test`, with every clip's target and prediction,
    and apart for each recording device where the data set has several.

    Parameters
    ----------
    features
        Of all clips of the data set, (clips, frames, bands).
    """
    probabilities = predict(network, features[test])
    targets = np.array(dataset.targets())[test]
    clips = {
        dataset.clips[i].path.stem: [int(target), int(guess)]
        for i, target, guess in zip(test, targets, probabilities.argmax(axis=1), strict=True)
    }
    scores = dataclasses.asdict(score(probabilities, targets, dataset.labels))
    devices = np.array([dataset.clips[i].device for i in test])
    if devices.any():
        scores["per_device"] = {
            device: _of_device(probabilities, targets, devices == device, dataset.labels)
            for device in sorted(set(devices.tolist()))
        }
    return {**scores, "clips_target_predicted": clips}


def _of_device(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.integer],
    own: NDArray[np.bool_],
    labels: tuple[str, ...],
) -> dict[str, float]:
    scores = score(probabilities[own], targets[own], labels)
    return {"clips": scores.clips, "macro_accuracy": scores.macro_accuracy}


def _bootstrap(correct: NDArray[np.bool_], targets: NDArray[np.integer]) -> tuple[float, float]:
    """Resample clips within each class, so that every sample has every class."""
    random = np.random.default_rng(0)
    means = np.zeros(_RESAMPLES)
    classes = np.unique(targets)
    for target in classes:
        own = correct[targets == target]
        means += own[random.integers(0, len(own), (_RESAMPLES, len(own)))].mean(axis=1)
    low, high = np.quantile(means / len(classes), [0.025, 0.975])
    return round(float(low), 4), round(float(high), 4)
