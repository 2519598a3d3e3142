"""The report: hand-computed cells, honest gaps, and the committed tables made again."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from kilohear.config import save_json, to_dict
from kilohear.errors import DataError
from kilohear.frontend import FrontEnd
from kilohear_training import results as results_module
from kilohear_training import tables
from kilohear_training.fit import Fit
from kilohear_training.methods import Recipe
from kilohear_training.report import write_report
from kilohear_training.results import Collection, Key, gain, read_results
from kilohear_training.study import Arm, Study

RESULTS = Path(__file__).parents[2] / "training" / "results"
STUDIES = tuple(
    RESULTS / name
    for name in ("table1", "lowrate", "students-esc10", "ablations", "scratch", "big")
)
LABELS = ("cat", "dog", "owl")
TARGETS = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2, "f": 2}


def result(**changes: object) -> dict[str, object]:
    """Return a result file's content; `predicted` gives the clips' classes."""
    predicted = changes.pop("predicted", [0, 0, 1, 1, 2, 2])
    assert isinstance(predicted, list)
    pairs = {
        clip: [target, guess]
        for (clip, target), guess in zip(TARGETS.items(), predicted, strict=True)
    }
    confusion = np.zeros((3, 3), int)
    for target, guess in pairs.values():
        confusion[target, guess] += 1
    targets = list(TARGETS.values())
    fit = Fit("recordings", 1, "tiny", FrontEnd.preset("native", 1_000))
    values: dict[str, object] = {
        "kind": "measured",
        "study": "made",
        "dataset": "ESC-10",
        "arm": "tiny",
        "network": "tiny",
        "method": "finetune",
        "heard_at_hz": 1_000,
        "seed": 1,
        "fold": 1,
        "labels": LABELS,
        "metric": "macro_accuracy",
        "run": f"run-{changes}",
        "fit": to_dict(fit),
        "scores": {
            "clips": 6,
            "macro_accuracy": float(np.mean(np.diag(confusion) / 2)),
            "macro_f1": float(f1_score(targets, predicted, average="macro")),
            "confusion": confusion.tolist(),
            "clips_target_predicted": pairs,
        },
    }
    return values | changes


def write(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        (folder / f"{number}.json").write_text(json.dumps(row))
    return folder


WORSE = [0, 1, 1, 0, 2, 2]  # two of six wrong


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    rows = [
        result(
            method=method,
            fold=fold,
            seed=seed,
            predicted=WORSE if method == "finetune" else [0, 0, 1, 1, 2, 2 - seed % 2],
        )
        for method in ("finetune", "cssd")
        for fold in (1, 2)
        for seed in (1, 2)
    ]
    return read_results([write(tmp_path / "results", rows)])


def test_a_cell_is_the_mean_of_its_folds_over_seeds(collection: Collection) -> None:
    cell = collection.cells[Key("ESC-10", 1_000, "tiny", "cssd")]
    by_seed = [1 - 1 / 6, 1.0]  # seed 1 gets one of the owls wrong: recalls 1, 1, 1/2
    assert cell.mean == pytest.approx(np.mean(by_seed))
    assert cell.folds() == pytest.approx({1: np.mean(by_seed), 2: np.mean(by_seed)})
    assert cell.std == pytest.approx(0.0)
    assert "2 seeds" in tables.cell_text(cell)


def test_before_and_after_are_compared_on_the_seeds_that_both_have(tmp_path: Path) -> None:
    rows = [result(method="finetune"), result(method="finetune", seed=2, predicted=WORSE)]
    rows.append(result(method="cssd", seed=2, predicted=WORSE))
    collection = read_results([write(tmp_path / "results", rows)])
    key = Key("ESC-10", 1_000, "tiny", "finetune")
    both = collection.cells[key].shared_with(
        collection.cells[dataclasses.replace(key, method="cssd")]
    )
    assert list(both.results) == [(2, 1)]
    assert {row[-2] for row in tables.table2(collection, "ESC-10").rows} == {"+0.0"}


def test_a_gain_is_the_difference_and_its_interval_holds_it(collection: Collection) -> None:
    cssd = collection.cells[Key("ESC-10", 1_000, "tiny", "cssd")]
    finetune = collection.cells[Key("ESC-10", 1_000, "tiny", "finetune")]
    found = gain(cssd, finetune)
    assert found.points == pytest.approx(100 * (cssd.mean - finetune.mean))
    assert found.low <= found.points <= found.high
    assert gain(finetune, cssd).points == pytest.approx(-found.points)
    nothing = gain(cssd, cssd)
    assert (nothing.points, nothing.low, nothing.high, nothing.p_value) == (0, 0, 0, 1)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_scores_of_the_first_sample_are_the_datas_own(predicted: list[int]) -> None:
    targets = np.array(list(TARGETS.values()))
    counts = results_module._samples(targets, np.random.default_rng(0))
    for metric in ("macro_f1", "macro_accuracy"):
        value = results_module._score(counts, targets, np.array(predicted), 3, metric)[0]
        scores = result(predicted=predicted)["scores"]
        assert isinstance(scores, dict)
        assert value == pytest.approx(scores[metric])
    # Every sample has as many clips of a class as there are.
    assert (counts[:, targets == 1].sum(axis=1) == 2).all()


def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    rows = [
        result(method=method, fold=fold, predicted=WORSE if fold == 2 else [0, 0, 1, 1, 2, 0])
        for method in ("finetune", "cssd")
        for fold in (1, 2, 3)
    ]
    write_report([write(tmp_path / "one", rows)], tmp_path / "report-one")
    random.Random(0).shuffle(rows)
    write_report([write(tmp_path / "two", rows)], tmp_path / "report-two")
    for file in (tmp_path / "report-one").glob("*.*"):
        if file.suffix != ".png":
            assert file.read_text() == (tmp_path / "report-two" / file.name).read_text(), file.name


def planned_study(dataset: str) -> Study:
    recipe = Recipe("mobilenet_v2", "paper", "none", 1, 1e-3)
    arm = Arm("mobilenet_v2", recipe)
    return Study("made", (dataset,), (arm,), (1_000,), ("raw", "finetune", "cssd"), folds=(1, 2))


def test_what_was_not_run_is_shown_as_such(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "results", [result(arm="mobilenet_v2", network="mobilenet_v2", fold=1)]
    )
    save_json(planned_study("esc10"), folder / "study.json")
    table = tables.table1(read_results([folder]), "ESC-10")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["raw"] == row["cssd"] == "not run"
    assert row["basd"] == ""  # not planned either
    assert "1 runs to come" in row["finetune"]


def test_the_papers_figures_stand_beside_its_own_data_sets_alone(tmp_path: Path) -> None:
    shown = {}
    for name, dataset in (("esc50", "ESC-50"), ("esc10", "ESC-10")):
        rows = [result(dataset=dataset, arm="mobilenet_v2", network="mobilenet_v2")]
        folder = write(tmp_path / name, rows)
        save_json(planned_study(name), folder / "study.json")
        shown[dataset] = tables.table1(read_results([folder]), dataset).markdown()
    assert "1.000 (fold 1 alone, 1 runs to come); paper 0.444 (published)" in shown["ESC-50"]
    assert "not run; paper 0.485 (published)" in shown["ESC-50"]
    assert "0.4" not in shown["ESC-10"]


def test_arms_are_compared_at_their_cost(tmp_path: Path) -> None:
    paper = Fit("recordings", 1, "tiny", FrontEnd.preset("paper", 1_000))
    rows = [
        result(fold=1, method="cssd"),
        result(fold=1, arm="tiny-paper", predicted=WORSE, fit=to_dict(paper)),
    ]
    collection = read_results([write(tmp_path / "results", rows)])
    table = tables.arms(collection, "ESC-10", "tiny-paper:finetune")
    cells = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["tiny-paper"]["gain"] == "baseline"
    assert cells["tiny"]["gain"].lstrip("*").startswith("+33.3")
    assert float(cells["tiny"]["network MMAC"]) < float(cells["tiny-paper"]["network MMAC"])
    with pytest.raises(DataError, match="give ARM:METHOD"):
        tables.arms(collection, "ESC-10", "tiny-paper")


def test_contradicting_results_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "results", [result(run="one"), result(run="two")])
    with pytest.raises(DataError, match="give one of the two arms another name"):
        read_results([folder])


def test_no_results_no_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no result files"):
        write_report([tmp_path], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_csv_holds_what_markdown_shows(tmp_path: Path, collection: Collection) -> None:
    table = tables.summary(collection)
    (tmp_path / "summary.csv").write_text(table.csv())
    again = tables.read_table(tmp_path / "summary.csv")
    assert (again.columns, again.rows) == (table.columns, table.rows)
    assert dataclasses.replace(again, title=table.title, note=table.note).markdown() == (
        table.markdown()
    )
    assert next(iter(csv.reader(table.csv().splitlines()))) == list(table.columns)


def test_the_committed_report_is_that_of_the_committed_results(tmp_path: Path) -> None:
    committed = RESULTS / "report"
    made = write_report(STUDIES, tmp_path, "tiny-paper:finetune")
    assert {file.name for file in made} == {file.name for file in committed.iterdir()}
    for file in made:
        if file.suffix != ".png":
            assert file.read_text() == (committed / file.name).read_text(), file.name
