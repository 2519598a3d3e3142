"""Table 3: both parts, the paper's figures beside ours, kinds named, gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench.conftest import make_corpus
from tests.bench.privacy.fake import FakeRecogniser

from kilohear.errors import ConfigError
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.config import BenchConfig
from kilohear_bench.privacy.report import make_run
from kilohear_bench.privacy.run import LINES, conditions, configure, run_privacy
from kilohear_bench.privacy.speech import Utterance
from kilohear_bench.run import run_bench
from kilohear_bench.store import STEPS
from kilohear_bench.table3 import COLUMNS, Table3, make_rows, markdown, reproduce, terminal_table


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table3")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    return make_corpus(tmp_path_factory.mktemp("speech") / "corpus")


@pytest.fixture(scope="module")
def made(corpus: list[Utterance], folder: Path) -> Table3:
    return reproduce(corpus, FakeRecogniser(), folder, quiet)


def test_the_papers_figures_stand_beside_ours(made: Table3) -> None:
    rows = {row.rate_hz: row for row in made.rows}
    assert list(rows) == [16_000, 8_000, 4_000, 2_000, 1_000]
    assert [rows[hz].published_h for hz in rows] == [50.6, None, None, 58.4, 59.6]
    assert [rows[hz].published_wer for hz in (8_000, 4_000)] == [None, None]
    published = [rows[hz].published_wer for hz in (16_000, 2_000, 1_000)]
    assert published == pytest.approx([0.054, 0.556, 0.965])
    for row in made.rows:
        typical, low, high = row.physical_h
        assert low < typical < high
        assert row.wer.clips == 3
        assert 0.7 < row.accuracy.value < 0.95
    assert rows[16_000].paper_h == pytest.approx(50.6, abs=0.05)
    assert rows[1_000].physical_h[0] > 300


def test_every_column_but_the_rate_names_its_kind(made: Table3) -> None:
    kinds = ("measured", "modelled", "published")
    assert all(any(kind in text for kind in kinds) for _, text in COLUMNS[1:])
    for what, kind in COLUMNS[1:]:
        assert f"{what} ({kind})" in markdown(made)


def test_it_fits_a_terminal(made: Table3) -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(terminal_table(made))
    shown = capture.get()
    assert "…" not in shown
    for row in made.rows:  # what doesn't fit is cut off without a sign
        assert all(word in shown for cell in row.cells for word in cell.split())


def test_it_goes_on_and_refuses_another_configuration(
    corpus: list[Utterance], made: Table3, folder: Path
) -> None:
    lines, steps = folder / "privacy" / LINES, folder / "board" / SIMULATOR / STEPS
    whole = lines.read_bytes()
    lines.write_bytes(whole[: len(whole) // 2])
    steps.write_bytes(steps.read_bytes()[: steps.stat().st_size * 3 // 4])
    again = reproduce(corpus, FakeRecogniser(), folder, quiet)
    assert lines.read_bytes() == whole
    assert again.rows == made.rows
    with pytest.raises(ConfigError, match="clips"):
        reproduce(corpus[:2], FakeRecogniser(), folder, quiet)


def test_another_run_of_a_board_is_refused(corpus: list[Utterance], tmp_path: Path) -> None:
    config = BenchConfig(devices=(SIMULATOR,), rates_hz=(1_000,), windows=1)
    run_bench(config, tmp_path / "board", quiet)
    with pytest.raises(ConfigError, match="another configuration"):
        reproduce(corpus, FakeRecogniser(), tmp_path, quiet)


def test_the_word_error_rate_is_that_of_our_decimator(
    corpus: list[Utterance], made: Table3, tmp_path: Path
) -> None:
    """A run may hold attacks as well; they don't stand for what the device does."""
    wanted = conditions((1_000,), ("decimator", "band-extension"))
    config = configure(wanted, corpus, FakeRecogniser())
    config, lines = run_privacy(config, corpus, FakeRecogniser(), tmp_path / "run", quiet)
    spoilt = [
        dataclasses.replace(line, errors=0) if line.treatment == "band-extension" else line
        for line in lines
    ]
    (row,) = make_rows(made.board, make_run(config, spoilt, [], {}))
    assert row.wer.pooled.value == made.rows[-1].wer.pooled.value > 0
