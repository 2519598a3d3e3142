"""A study runs each training once, tests what it promised, and makes its table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from kilohear.config import load_json
from kilohear.errors import DataError, KilohearError
from kilohear_training import study as study_module
from kilohear_training.fit import Folders
from kilohear_training.methods import METHODS, Recipe
from kilohear_training.study import Study, run_study
from kilohear_training.tables import table_of

STUDIES = Path(__file__).parents[2] / "training" / "studies"
SMALL = Recipe("tiny", "native", "none", epochs=2, learning_rate=1e-3, batch=8)


@pytest.fixture(scope="module")
def finished(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    root = tmp_path_factory.mktemp("study")
    study = Study("small", str(recordings), (1, 2), (1_000,), METHODS, SMALL)
    run_study(study, Folders(root / "runs", root / "cache"), root / "results", jobs=1)
    return study, root


def test_every_cell_has_a_result(finished: tuple[Study, Path]) -> None:
    _, root = finished
    results = {file.name for file in (root / "results").glob("tiny-*.json")}
    assert len(results) == len(METHODS) * 2
    # raw, finetune, basd and cssd of two folds; raw's network is cssd's teacher.
    assert len(list((root / "runs").iterdir())) == 4 * 2


def test_results_hold_what_the_table_needs(finished: tuple[Study, Path]) -> None:
    study, root = finished
    result = json.loads((root / "results" / "tiny-raw-1000hz-fold1.json").read_text())
    assert result["kind"] == "measured"
    assert result["fit"]["front_end"]["rate_hz"] == 16_000
    assert len(result["scores"]["clips_target_predicted"]) == 8
    assert load_json(Study, root / "results" / "study.json") == study
    table = table_of(root / "results")
    assert [line for line in table.splitlines() if "| cssd | 2 |" in line]


def test_finished_runs_are_not_run_again(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, root = finished

    def refuse(*_: object) -> str:
        raise AssertionError("trained again")

    monkeypatch.setattr(study_module, "_run_alone", refuse)
    run_study(study, Folders(root / "runs", root / "cache"), root / "results", jobs=1)


def test_failures_are_named(recordings: Path, tmp_path: Path) -> None:
    broken = dataclasses.replace(SMALL, network="nothing")
    study = Study("broken", str(recordings), (1,), (1_000,), ("finetune",), broken)
    with pytest.raises(KilohearError, match="'nothing' is unknown"):
        run_study(study, Folders(tmp_path / "runs", tmp_path / "cache"), tmp_path / "out", jobs=1)


def test_no_results_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no result files"):
        table_of(tmp_path)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.json")), ids=lambda file: file.stem)
def test_the_projects_studies_can_be_read(file: Path) -> None:
    study = load_json(Study, file)
    assert study.name == file.stem
    assert list(study.experiments())
