"""A grid of rates, methods and folds: each training once, in processes, resumable."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from kilohear.config import read_json, save_json, to_dict
from kilohear.errors import KilohearError
from kilohear.files import write_text
from kilohear_training import evaluate
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.features import load_features
from kilohear_training.fit import Fit, Folders, load_network, run_fit
from kilohear_training.methods import Experiment, Recipe, expand


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared: every method at every rate on every fold.

    Attributes
    ----------
    name, dataset
        Of the results, and a named data set or the path of a CSV.
    folds
        Test folds. A `null` among them trains on all folds, for weights to ship, untested.
    rates_hz, methods, student, teacher
        As `methods.expand` takes them.
    """

    name: str
    dataset: str
    folds: tuple[int | None, ...]
    rates_hz: tuple[int, ...]
    methods: tuple[str, ...]
    student: Recipe
    teacher: Recipe | None = None

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment, rate by rate: neighbours then have different teachers."""
        for rate_hz in self.rates_hz:
            for method in self.methods:
                for fold in self.folds:
                    yield expand(method, self.dataset, fold, rate_hz, self.student, self.teacher)


def run_study(study: Study, folders: Folders, results: Path, jobs: int) -> None:
    """Run what isn't finished, then write one result file an experiment into `results`.

    Parameters
    ----------
    results
        Gets `study.json` and a file for each method, rate and fold; finished ones are kept.
    jobs
        Processes of one thread each.

    Raises
    ------
    KilohearError
        After the other runs have ended, where some failed: naming them.
    """
    from joblib import Parallel, delayed

    save_json(study, results / "study.json")
    failures: list[str] = []
    for level in _levels(experiment.fit for experiment in study.experiments()):
        waiting = [fit for fit in level if not (folders.runs / fit.name / "result.json").is_file()]
        outcomes = Parallel(n_jobs=jobs)(delayed(_run_alone)(fit, folders) for fit in waiting)
        failures += [outcome for outcome in outcomes if outcome]
        if failures:
            break
    if failures:
        raise KilohearError(
            f"{len(failures)} runs failed, the others are kept; mend and run again:\n"
            + "\n".join(failures)
        )
    for experiment in study.experiments():
        file = results / result_name(experiment)
        if experiment.fit.fold is not None and not file.is_file():
            write_text(file, json.dumps(test(experiment, folders), indent=1) + "\n")


def result_name(experiment: Experiment) -> str:
    """The file name of an experiment's result."""
    fit = experiment.fit
    return f"{fit.network}-{experiment.method}-{experiment.heard_at_hz}hz-fold{fit.fold}.json"


def test(experiment: Experiment, folders: Folders) -> dict[str, Any]:
    """Return the scores of a finished experiment on its test fold, with every prediction."""
    fit, heard_at_hz = experiment.fit, experiment.heard_at_hz
    dataset = load_dataset(fit.dataset)
    training, chosen = dataset.split(fit.fold)
    _, network = load_network(folders.runs / fit.name, len(dataset.labels))
    features = load_features(dataset, fit.front_end, fit.window_s, folders.cache, heard_at_hz)
    return {
        "kind": "measured",
        "method": experiment.method,
        "heard_at_hz": heard_at_hz,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "training_clips": len(training),
        "labels": dataset.labels,
        "scores": evaluate.test_scores(network, torch.from_numpy(features), dataset, chosen),
        "run": fit.name,
        "training": read_json(folders.runs / fit.name / "result.json")["versions"],
        "fit": to_dict(fit),
    }


def _levels(fits: Iterator[Fit]) -> list[list[Fit]]:
    """Group fits and their teachers so that each group needs only earlier ones."""
    depths: dict[str, tuple[int, Fit]] = {}

    def place(fit: Fit) -> int:
        if fit.name not in depths:
            depth = 1 + place(fit.teacher) if fit.teacher else 0
            depths[fit.name] = (depth, fit)
        return depths[fit.name][0]

    for fit in fits:
        place(fit)
    deepest = max(depth for depth, _ in depths.values())
    return [[fit for d, fit in depths.values() if d == depth] for depth in range(deepest + 1)]


def _run_alone(fit: Fit, folders: Folders) -> str:
    """Run a fit in this process on one thread; return what went wrong, or an empty string."""
    torch.set_num_threads(1)
    try:
        run_fit(fit, folders, reporter(every=10))
    except KilohearError as error:
        return f"{fit.name}: {error}"
    return ""


def reporter(every: int = 1) -> Callable[[str], None]:
    """Return a function that prints a run's lines, of its epochs only each `every`-th."""
    console = Console(stderr=True, highlight=False)
    seen = 0

    def report(line: str) -> None:
        nonlocal seen
        seen += 1
        if ": epoch " not in line or seen % every == 0:
            console.print(f"[{os.getpid()}] {line}", markup=False, soft_wrap=True)

    return report
