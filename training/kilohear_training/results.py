"""Result files read into cells, and what a cell is worth: means, spreads, paired gains."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from kilohear.config import from_dict, read_json
from kilohear.errors import DataError
from kilohear_training.data.catalogue import display_name
from kilohear_training.study import Study

RESAMPLES = 2_000

Fold = tuple[int, int]
"""Seed and test fold."""


@dataclasses.dataclass(frozen=True, order=True)
class Key:
    """What a cell of a table is about; `rate_hz` is the rate that was heard in the test."""

    dataset: str
    rate_hz: int
    arm: str
    method: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """All results of one key.

    Attributes
    ----------
    results
        By seed and fold.
    planned
        The seeds and folds that a study names.
    """

    key: Key
    results: dict[Fold, dict[str, Any]]
    planned: frozenset[Fold] = frozenset()

    @property
    def any(self) -> dict[str, Any]:
        """One of the results, for what they share."""
        return next(iter(self.results.values()))

    @property
    def metric(self) -> str:
        """The score that is quoted: `macro_accuracy` or `macro_f1`."""
        return self.any.get("metric", "macro_accuracy")

    def folds(self, metric: str | None = None) -> dict[int, float]:
        """Return each fold's score, averaged over seeds."""
        scores: dict[int, list[float]] = defaultdict(list)
        for (_, fold), result in sorted(self.results.items()):
            scores[fold].append(result["scores"][metric or self.metric])
        return {fold: float(np.mean(values)) for fold, values in scores.items()}

    @property
    def mean(self) -> float:
        """The mean over folds, (0 to 1)."""
        return float(np.mean(list(self.folds().values())))

    @property
    def std(self) -> float:
        """The standard deviation over folds; not a number for a single one."""
        values = list(self.folds().values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    @property
    def seeds(self) -> list[int]:
        """The seeds, ascending."""
        return sorted({seed for seed, _ in self.results})

    @property
    def lacking(self) -> int:
        """How many planned runs aren't there."""
        return len(self.planned - set(self.results))

    def shared_with(self, other: Cell) -> Cell:
        """Return the cell with the seeds and folds alone that another has too."""
        shared = {at: result for at, result in self.results.items() if at in other.results}
        return dataclasses.replace(self, results=shared)

    def confusion(self) -> NDArray[np.int64]:
        """Return clips by true and predicted class over all folds and seeds."""
        return np.sum([r["scores"]["confusion"] for r in self.results.values()], axis=0)

    def per_class(self) -> dict[str, float]:
        """Return each class's accuracy over all folds and seeds."""
        confusion = self.confusion()
        return {
            label: float(confusion[i, i] / confusion[i].sum())
            for i, label in enumerate(self.any["labels"])
            if confusion[i].sum()
        }


@dataclasses.dataclass(frozen=True)
class Gain:
    """The difference of two cells on the same clips, in points (hundredths).

    Attributes
    ----------
    low, high
        The central 95% of the difference over bootstrap samples of the clips.
    won, lost, p_value
        Clips that only the first, or only the other, recognised more often over the seeds, and
        the two-sided exact sign test on them.
    """

    points: float
    low: float
    high: float
    won: int
    lost: int
    p_value: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True)
class Collection:
    """The cells of several studies.

    Attributes
    ----------
    cells
        Those with a result.
    planned
        All that the studies name, results or not.
    """

    cells: dict[Key, Cell]
    planned: frozenset[Key]

    @cached_property
    def keys(self) -> list[Key]:
        """Every key, run or not, in order."""
        return sorted(self.planned | set(self.cells))

    @property
    def datasets(self) -> list[str]:
        """The data sets, those with results first."""
        run = sorted({key.dataset for key in self.cells})
        return run + sorted({key.dataset for key in self.keys} - set(run))

    def select(self, **wanted: object) -> Iterator[Cell]:
        """Yield the cells whose key has these values, in order."""
        for key in self.keys:
            if key in self.cells and all(getattr(key, k) == v for k, v in wanted.items()):
                yield self.cells[key]


def read_results(folders: Sequence[Path]) -> Collection:
    """Read every result of the studies in `folders`.

    Raises
    ------
    DataError
        Where there is no result, or two of one seed and fold come from different runs.
    """
    found: dict[Key, dict[Fold, dict[str, Any]]] = defaultdict(dict)
    planned: dict[Key, set[tuple[int, int | None]]] = defaultdict(set)
    for folder in folders:
        files = sorted(file for file in folder.glob("*.json") if file.name != "study.json")
        for file in files:
            result = read_json(file)
            key = Key(result["dataset"], result["heard_at_hz"], result["arm"], result["method"])
            at = (result["seed"], result["fold"])
            other = found[key].setdefault(at, result)
            if other["run"] != result["run"]:
                raise DataError(
                    f"{file}: run {result['run']}, but another file has {other['run']} for the "
                    "same arm, method, seed and fold; give one of the two arms another name"
                )
        if (folder / "study.json").is_file():
            study = from_dict(Study, read_json(folder / "study.json"), str(folder / "study.json"))
            for key, at in _planned(study):
                planned[key].add(at)
    if not any(found.values()):
        names = ", ".join(str(folder) for folder in folders)
        raise DataError(f"{names}: no result files; run `kilohear study run` first")
    folds: dict[str, set[int]] = defaultdict(set)
    for key, results in found.items():
        folds[key.dataset] |= {fold for _, fold in results}
    cells = {
        key: Cell(
            key,
            dict(sorted(results.items())),
            frozenset(_whole(planned.get(key, ()), folds[key.dataset])),
        )
        for key, results in sorted(found.items())
    }
    return Collection(cells, frozenset(planned))


def gain(cell: Cell, baseline: Cell) -> Gain:
    """Compare two cells on the seeds and folds that both have.

    A sample of the bootstrap draws clips within each class of each fold, the same for both cells
    and for all seeds; its difference is that of the cells' scores over folds.

    Raises
    ------
    DataError
        Where they share no seed and fold.
    """
    shared = sorted(set(cell.results) & set(baseline.results))
    if not shared:
        raise DataError(f"{cell.key} and {baseline.key} share no seed and fold")
    classes = len(cell.any["labels"])
    random = np.random.default_rng(0)
    differences: list[NDArray[np.float64]] = []  # one a fold, the first sample being the data
    net: dict[str, int] = defaultdict(int)
    for fold in sorted({fold for _, fold in shared}):
        seeds = [seed for seed, at in shared if at == fold]
        clips = sorted(cell.results[seeds[0], fold]["scores"]["clips_target_predicted"])
        targets = _column(cell, (seeds[0], fold), clips, 0)
        counts = _samples(targets, random)
        of_seeds = []
        for seed in seeds:
            own = _column(cell, (seed, fold), clips, 1)
            other = _column(baseline, (seed, fold), clips, 1)
            scores = [
                _score(counts, targets, predicted, classes, cell.metric)
                for predicted in (own, other)
            ]
            of_seeds.append(scores[0] - scores[1])
            correct = (own == targets).astype(int) - (other == targets).astype(int)
            for clip, value in zip(clips, correct, strict=True):
                net[clip] += int(value)
        differences.append(np.mean(of_seeds, axis=0))
    difference = 100 * np.mean(differences, axis=0)
    low, high = np.quantile(difference[1:], [0.025, 0.975])
    won = sum(value > 0 for value in net.values())
    lost = sum(value < 0 for value in net.values())
    p_value = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Gain(float(difference[0]), float(low), float(high), won, lost, p_value)


def _planned(study: Study) -> Iterator[tuple[Key, tuple[int, int | None]]]:
    """Yield what a study names; a fold of None stands for all folds of the data set."""
    for name in study.datasets:
        for arm in study.arms:
            if arm.datasets and name not in arm.datasets:
                continue
            for rate_hz in study.rates_hz:
                for method in study.methods:
                    key = Key(display_name(name), rate_hz, arm.name, method)
                    for seed in study.seeds:
                        if study.folds is None:
                            yield key, (seed, None)
                        else:
                            yield from (
                                (key, (seed, fold)) for fold in study.folds if fold is not None
                            )


def _whole(planned: Iterable[tuple[int, int | None]], folds: set[int]) -> Iterator[Fold]:
    for seed, fold in planned:
        if fold is None:
            yield from ((seed, each) for each in folds)
        else:
            yield seed, fold


def _column(cell: Cell, at: Fold, clips: list[str], column: int) -> NDArray[np.int64]:
    rows = cell.results[at]["scores"]["clips_target_predicted"]
    return np.array([rows[clip][column] for clip in clips])


def _samples(targets: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each clip is drawn in each sample, (1 + samples, clips); first: once."""
    counts = np.ones((1 + RESAMPLES, len(targets)))
    for target in np.unique(targets):
        own = np.flatnonzero(targets == target)
        counts[1:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES)
    return counts


def _score(
    counts: NDArray[np.float64],
    targets: NDArray[np.int64],
    predicted: NDArray[np.int64],
    classes: int,
    metric: str,
) -> NDArray[np.float64]:
    """Return the score of every sample, (samples,), over the classes that have clips."""
    present = np.unique(targets)
    truth, guess = np.eye(classes)[targets], np.eye(classes)[predicted]  # (clips, classes)
    hits = counts @ (truth * guess)[:, present]  # (samples, classes present)
    there = counts @ truth[:, present]
    if metric == "macro_f1":
        return (2 * hits / (there + counts @ guess[:, present])).mean(axis=1)
    return (hits / there).mean(axis=1)
