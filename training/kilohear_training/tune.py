"""Grid search of alpha and T on validation folds; the same pair then serves every fold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from kilohear.config import read_json, to_dict
from kilohear.errors import ConfigError
from kilohear.files import write_text
from kilohear_training.cost import Costs
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.fit import Fit, Folders, short_name
from kilohear_training.methods import Split, expand
from kilohear_training.study import Study, finish, fit_tasks, with_teachers
from kilohear_training.workers import Workers


@dataclasses.dataclass(frozen=True)
class Grid:
    """What is tried, and on what.

    `dataset`, `arm`, `rate_hz` and `method` pick one column of a study. Alpha 1 is finetuning:
    labels alone.
    `folds` are the test folds; none: all.
    """

    dataset: str
    arm: str
    rate_hz: int
    method: str
    alphas: tuple[float, ...]
    temperatures: tuple[float, ...]
    seed: int = 1
    folds: tuple[int, ...] = ()

    def pairs(self) -> Iterator[tuple[float, float]]:
        """Every pair once; at alpha 1 the temperature plays no part."""
        for alpha in self.alphas:
            yield from ((alpha, T) for T in (self.temperatures if alpha < 1 else (1.0,)))


def validation_fits(study: Study, grid: Grid) -> dict[tuple[float, float], list[Fit]]:
    """Return, for each pair, a fit for every test fold: without it, tested on its validation fold.

    Raises
    ------
    ConfigError
        Where the study has no such arm, method or data set, alpha is outside [0, 1] or T <= 0.
    """
    part = study.only((grid.dataset,), (grid.arm,), (grid.method,))
    arm = part.arms[0]
    dataset = load_dataset(grid.dataset)
    folds = grid.folds or dataset.folds_to_test
    if len(dataset.folds) < 3:
        raise ConfigError(
            f"{dataset.name} has {len(dataset.folds)} folds; a test fold, a validation fold and "
            "one to train on are needed"
        )
    fits: dict[tuple[float, float], list[Fit]] = {}
    for alpha, temperature in grid.pairs():
        student = dataclasses.replace(arm.student, alpha=alpha, temperature=temperature)
        fits[alpha, temperature] = [
            expand(
                part.chain(grid.method),
                Split(grid.dataset, dataset, dataset.validation_fold(fold), (fold,)),
                grid.rate_hz,
                student,
                arm.teacher,
                grid.seed,
            )
            for fold in folds
        ]
    return fits


def tune(
    study: Study,
    grid: Grid,
    folders: Folders,
    results: Path,
    workers: AbstractContextManager[Workers],
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run the grid and write its scores into `results/tuning`; gives what was written.

    The best pair has the highest mean score over the validation folds; the test fold of each fit
    is neither trained on nor scored. (Over all fits together every clip is validated on once: the
    chosen pair has seen each fold's labels through one number.)

    Raises
    ------
    ConfigError
        Where the grid doesn't fit the study.
    KilohearError
        Where runs failed.
    """
    wanted = validation_fits(study, grid)
    fits = with_teachers((f for fits in wanted.values() for f in fits), unfinished_in=folders)
    finish(fit_tasks(fits, folders, Costs()), workers, say)
    rows = []
    for (alpha, temperature), fits in wanted.items():
        scores = [_scores(folders.runs / fit.name) for fit in fits]
        rows.append(
            {
                "alpha": alpha,
                "temperature": temperature,
                "macro_accuracy": round(float(np.mean([s["macro_accuracy"] for s in scores])), 4),
                "macro_f1": round(float(np.mean([s["macro_f1"] for s in scores])), 4),
                "folds": {
                    str(fit.fold): round(s["macro_accuracy"], 4)
                    for fit, s in zip(fits, scores, strict=True)
                },
                "runs": [fit.name for fit in fits],
            }
        )
    metric = load_dataset(grid.dataset).metric
    best = max(rows, key=lambda row: row[metric])
    written = {
        "kind": "measured",
        "study": study.name,
        **to_dict(grid),
        "metric": metric,
        "best": {"alpha": best["alpha"], "temperature": best["temperature"]},
        "grid": rows,
    }
    name = f"{short_name(grid.dataset)}-{grid.arm}-{grid.method}-{grid.rate_hz}hz.json"
    write_text(results / "tuning" / name, json.dumps(written, indent=1) + "\n")
    return written


def _scores(run: Path) -> dict[str, float]:
    return read_json(run / "result.json")["test"]
