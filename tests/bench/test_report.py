"""Reports: a whole folder or none, never over another, a kind on every number."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kilohear.config import load_json
from kilohear.errors import BackendError, ConfigError, DataError, KilohearError
from kilohear_bench.measurement import Measurement
from kilohear_bench.report import (
    COLUMNS,
    markdown,
    new_folder,
    rows,
    terminal_table,
    write_report,
)
from kilohear_bench.run import BenchConfig, Run, run_bench

FILES = ["accuracy_latency.png", "report.md", "run.json"]


def silent(text: str) -> None:
    """Say nothing."""


@pytest.fixture
def run(bundle_path: Path) -> Run:
    return run_bench(BenchConfig(bundles=(str(bundle_path),), memory=False), silent)


def test_the_folder_holds_everything(run: Run, tmp_path: Path) -> None:
    with new_folder(tmp_path / "runs" / "out") as temporary:
        write_report(run, temporary)
    out = tmp_path / "runs" / "out"
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert load_json(Run, out / "run.json") == run
    assert str(tmp_path) not in (out / "run.json").read_text()
    assert (out / FILES[0]).read_bytes().startswith(b"\x89PNG")


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(KilohearError, match="never overwritten"),
        new_folder(tmp_path / "out"),
    ):
        pytest.fail("entered")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "out") as temporary:
            (temporary / "half").touch()
            raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_refused_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(KilohearError, match="choose another --out"),
        new_folder(tmp_path / "file" / "out"),
    ):
        pytest.fail("entered")


def test_every_number_has_a_kind(run: Run) -> None:
    assert all(measurement.kind for measurement in run.measurements)
    text = markdown(run)
    for name in ("Latency in ms (measured)", "File (measured)", "(measured, card)"):
        assert name in text
    (row,) = rows(run)
    assert len(row) == len(COLUMNS)
    assert row[COLUMNS.index("peak memory MB")] == "not measured"


def test_the_tables_numbers_come_from_the_samples(run: Run) -> None:
    latency = run.find("latency", run.subjects[0].name)
    assert isinstance(latency, Measurement)
    (row,) = rows(run)
    assert row[COLUMNS.index("latency median ms")] == f"{latency.median:.2f}"
    assert row[COLUMNS.index("latency p95 ms")] == f"{latency.p95:.2f}"
    accuracy = run.find("macro_accuracy", run.subjects[0].name)
    assert accuracy is not None
    assert accuracy.samples == (0.89, 0.91)
    assert row[COLUMNS.index("macro accuracy")].startswith("0.900 ± 0.014")


def test_the_terminals_table_names_the_bundle(run: Run) -> None:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(terminal_table(run, "bench"))
    assert "tiny-test, 1,000 Hz" in console.export_text()


def test_a_fresh_score_uses_the_kept_fold_and_keeps_predictions(
    bundle_factory: Any, training_factory: Any, labelled_csv: Path
) -> None:
    config = {"dataset": "mine.csv", "fold": 2, "teachers": []}
    bundle = bundle_factory(training=training_factory(config, "mine"))
    run = run_bench(
        BenchConfig(bundles=(str(bundle),), dataset=str(labelled_csv), memory=False), silent
    )
    score = run.find("macro_accuracy", run.subjects[0].name)
    assert score is not None
    assert score.mean == pytest.approx(0.75)  # quiet 1 of 2, loud 1 of 1
    assert score.conditions["clips_true_predicted"]["5.wav"] == ["quiet", "loud"]
    assert "3 clips of fold 2" in markdown(run)


def test_its_own_training_data_is_refused(
    bundle_factory: Any, training_factory: Any, labelled_csv: Path
) -> None:
    config = {"dataset": "mine.csv", "fold": None, "teachers": []}
    bundle = bundle_factory(training=training_factory(config, "mine"))
    with pytest.raises(DataError, match=r"tiny-test was trained on mine .*card's fold scores"):
        run_bench(BenchConfig(bundles=(str(bundle),), dataset=str(labelled_csv)), silent)


def test_bad_configurations_are_refused(bundle_path: Path) -> None:
    with pytest.raises(ConfigError, match="windows is 3"):
        BenchConfig(windows=3)
    with pytest.raises(BackendError, match="abacus"):
        run_bench(BenchConfig(bundles=(str(bundle_path),), runtimes=("abacus",)), silent)
