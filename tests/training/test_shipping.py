"""What ships was trained on every fold, says so, and is scored by weights that were not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kilohear.bundle import Bundle
from kilohear.errors import ExportError
from kilohear_training.fit import Folders
from kilohear_training.methods import Recipe
from kilohear_training.shipping import Choice, add_to_bundle, export_run, score_folds, ship
from kilohear_training.study import Arm, Study, run_study
from kilohear_training.workers import local_workers

SMALL = Recipe("tiny", "native", "none", epochs=2, learning_rate=1e-3, batch=8)
ONNX = Choice(runtimes=("onnx",))


def say_nothing(_export: object) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def study(recordings: Path) -> Study:
    return a_study(recordings, (1, 2, 3, None))


def a_study(recordings: Path, folds: tuple[int | None, ...]) -> Study:
    arms = (Arm("tiny", SMALL),)
    return Study("students", (str(recordings),), arms, (1_000,), ("cssd",), folds=folds)


@pytest.fixture(scope="module")
def root(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shipping")
    folders = Folders(root / "runs", root / "cache")
    run_study(study, folders, root / "results", local_workers(1), lambda _line: None)
    return root


@pytest.fixture(scope="module")
def shipped(study: Study, root: Path) -> Bundle:
    folders = Folders(root / "runs", root / "cache")
    out = root / "bundles" / "small-1khz"
    return ship(
        study, 1_000, folders, root / "results", out, out.with_suffix(".pt"), ONNX, say_nothing
    )


def test_the_card_tells_shipped_weights_from_tested_ones(shipped: Bundle, root: Path) -> None:
    card = shipped.card
    assert card.training.config["fold"] is None
    assert card.training.clips == 24
    assert "all 3 folds" in card.training.shipped_fit
    accuracy = card.scores[0]
    results = [
        json.loads(
            (root / "results" / f"recordings-tiny-cssd-1000hz-seed1-fold{fold}.json").read_text()
        )
        for fold in (1, 2, 3)
    ]
    folds = [result["scores"]["macro_accuracy"] for result in results]
    assert accuracy.kind == "measured"
    assert accuracy.folds == pytest.approx(folds, abs=1e-4)
    assert accuracy.value == pytest.approx(float(np.mean(folds)), abs=1e-4)
    assert "no score of their own" in accuracy.note


def test_int8_is_scored_fold_by_fold(shipped: Bundle) -> None:
    score = shipped.export("onnx", "int8").score
    assert score is not None
    assert len(score.folds) == 3


def test_the_bundle_classifies(shipped: Bundle) -> None:
    classifier = shipped.open(runtime="onnx")
    probabilities = classifier(np.zeros(5_000, np.float32))
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_run_that_kept_a_fold_has_that_score(root: Path, tmp_path: Path) -> None:
    run = next((root / "runs").glob("recordings-tiny-1000hz-fold1-*"))
    choice = Choice(("onnx",), ("float32",))
    bundle = export_run(run, tmp_path / "fold1", None, choice, say_nothing)
    assert bundle.card.name == "fold1"
    assert bundle.card.training.config["fold"] == 1
    assert bundle.card.scores[0].note.startswith("fold 1 alone")


def fold_runs(root: Path) -> list[Path]:
    return sorted((root / "runs").glob("recordings-tiny-1000hz-fold?-*"))


def test_a_file_for_the_board_is_added_and_scored_fold_by_fold(
    study: Study, shipped: Bundle, root: Path, tmp_path: Path
) -> None:
    copied = Bundle.load(shutil.copytree(shipped.path, tmp_path / "small-1khz"))
    weights = shipped.path.with_suffix(".pt")
    score = score_folds(copied, fold_runs(root), "c", "int8")
    added = add_to_bundle(copied, weights, "c", "int8", score, say_nothing)
    export = added.export("c", "int8")
    assert export.score == score
    assert len(score.folds) == 3
    assert export.parity.clips_from == shipped.card.exports[0].parity.clips_from
    assert added.card.exports[:-1] == shipped.card.exports
    assert {**added.card.sha256, "student.h": None} == {**shipped.card.sha256, "student.h": None}
    folders = Folders(root / "runs", root / "cache")
    board = Choice(runtimes=("c",))
    out = tmp_path / "board-1khz"
    whole = ship(study, 1_000, folders, root / "results", out, None, board, say_nothing)
    assert whole.export("c", "int8").score == score


def test_weights_of_something_else_are_refused(shipped: Bundle, tmp_path: Path) -> None:
    copied = Bundle.load(shutil.copytree(shipped.path, tmp_path / "small-1khz"))
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    for weights in (tmp_path / "weights.pt", tmp_path / "none.pt"):
        with pytest.raises(ExportError, match=r"\.pt: holds no weights of small-1khz's tiny"):
            add_to_bundle(copied, weights, "c", "int8", None, say_nothing)
    assert Bundle.load(copied.path).card == shipped.card


def test_a_score_needs_a_run_for_each_fold_of_the_same_fit(
    shipped: Bundle, root: Path, tmp_path: Path
) -> None:
    runs = fold_runs(root)
    with pytest.raises(
        ExportError, match="2 runs keep the folds 1, 2; give one for each of 1, 2, 3"
    ):
        score_folds(shipped, runs[:2], "c", "int8")
    with pytest.raises(ExportError, match="3 runs keep the folds"):
        score_folds(shipped, [*runs[:2], runs[0]], "c", "int8")
    other = shutil.copytree(runs[0], tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"epochs": 7}))
    with pytest.raises(ExportError, match="other: isn't the fit of small-1khz"):
        score_folds(shipped, [*runs[:2], other], "c", "int8")


def test_a_study_without_a_run_over_all_folds_is_refused(
    recordings: Path, root: Path, tmp_path: Path
) -> None:
    study = a_study(recordings, (1, 2))
    folders = Folders(root / "runs", root / "cache")
    with pytest.raises(ExportError, match="0 runs over all folds"):
        ship(study, 1_000, folders, root / "results", tmp_path / "out", None, ONNX, say_nothing)
    assert not (tmp_path / "out").exists()
