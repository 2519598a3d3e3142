"""The grid search hears neither the test folds nor anything that was trained on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilohear.errors import ConfigError
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.fit import Fit, Folders
from kilohear_training.methods import Recipe
from kilohear_training.study import Arm, Study
from kilohear_training.tune import Grid, tune, validation_fits
from kilohear_training.workers import local_workers

SMALL = Recipe("tiny", "native", "none", epochs=1, learning_rate=1e-3, batch=8, window_s=1.0)


@pytest.fixture
def study(recordings: Path) -> Study:
    return Study("small", (str(recordings),), (Arm("tiny", SMALL),), (1_000,), ("cssd",))


def grid(recordings: Path, **changes: object) -> Grid:
    values: dict[str, object] = {
        "dataset": str(recordings),
        "arm": "tiny",
        "rate_hz": 1_000,
        "method": "cssd",
        "alphas": (0.5, 1.0),
        "temperatures": (1.0, 4.0),
    }
    return Grid(**(values | changes))  # type: ignore[arg-type]


def generations(fit: Fit) -> Iterator[Fit]:
    yield fit
    for teacher in fit.teachers:
        yield from generations(teacher)


def test_validation_leaves_the_test_fold_out(study: Study, recordings: Path) -> None:
    dataset = load_dataset(str(recordings))
    for fits in validation_fits(study, grid(recordings)).values():
        assert len(fits) == 3
        for test_fold, fit in zip((1, 2, 3), fits, strict=True):
            assert fit.fold == dataset.validation_fold(test_fold)
            for generation in generations(fit):
                training, _ = dataset.split(generation.fold, generation.left_out)
                heard = {dataset.clips[i].fold for i in training}
                assert not heard & {test_fold, fit.fold}


def test_every_pair_is_scored_and_the_best_named(
    study: Study, recordings: Path, tmp_path: Path
) -> None:
    folders = Folders(tmp_path / "runs", tmp_path / "cache")
    found = tune(
        study,
        grid(recordings),
        folders,
        tmp_path / "results",
        local_workers(2),
        lambda _line: None,
    )
    pairs = [(row["alpha"], row["temperature"]) for row in found["grid"]]
    assert pairs == [(0.5, 1.0), (0.5, 4.0), (1.0, 1.0)]
    best = max(row[found["metric"]] for row in found["grid"])
    assert any(
        row["alpha"] == found["best"]["alpha"] and row[found["metric"]] == best
        for row in found["grid"]
    )
    file = tmp_path / "results" / "tuning" / "recordings-tiny-cssd-1000hz.json"
    assert json.loads(file.read_text())["kind"] == "measured"


def test_impossible_grids_are_refused_before_work_starts(study: Study, recordings: Path) -> None:
    with pytest.raises(ConfigError, match=r"alpha is 1\.5"):
        validation_fits(study, grid(recordings, alphas=(1.5,)))
    with pytest.raises(ConfigError, match=r"temperature is 0\.0"):
        validation_fits(study, grid(recordings, temperatures=(0.0,)))
    with pytest.raises(ConfigError, match="no network 'huge'"):
        validation_fits(study, grid(recordings, arm="huge"))
