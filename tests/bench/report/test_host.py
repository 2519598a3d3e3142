"""The host's table: a kind on every number, every number from the samples, no other device."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench.report.made import make_run

from kilohear_bench.figure import draw_accuracy_latency
from kilohear_bench.report.host import COLUMNS, markdown, notes, rows, terminal_table
from kilohear_bench.result import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("host") / "run")


def test_only_the_host_is_in_it(run: Run) -> None:
    assert len(rows(run)) == len(run.of("host").subjects) < len(run.subjects)
    assert "apollo3" not in markdown(run)


def test_every_number_has_a_kind(run: Run) -> None:
    text = markdown(run)
    for name in ("Latency in ms (measured)", "File (measured)", "(measured, card)"):
        assert name in text
    assert "95th percentile of 120 windows" in "\n".join(notes(run))


def test_the_tables_numbers_come_from_the_samples(run: Run) -> None:
    for row, subject in zip(rows(run), run.of("host").subjects, strict=True):
        latency = run.find("latency", subject.name)
        assert latency is not None
        assert row[COLUMNS.index("latency median ms")] == f"{latency.median:.2f}"
        assert row[COLUMNS.index("latency p95 ms")] == f"{latency.p95:.2f}"
        accuracy = run.find("macro_accuracy", subject.name)
        cell = row[COLUMNS.index("macro accuracy")]
        assert cell.startswith(f"{accuracy.mean:.3f} ±" if accuracy else "not measured")


def test_the_terminals_table_names_the_bundles(run: Run) -> None:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(terminal_table(run, "bench"))
    shown = console.export_text()
    assert "esc10-1khz, 1,000 Hz" in shown
    assert "apollo3" not in shown


def test_a_picture_needs_both_numbers(run: Run, tmp_path: Path) -> None:
    assert draw_accuracy_latency(run, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert not draw_accuracy_latency(run.of("apollo3-simulator"), tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
