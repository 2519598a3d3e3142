"""The paper's Table 3 and ours beside it: battery hours and word error rate by sampling rate.

Two parts, each a run in a folder of its own: the board's firmware in the simulator with the energy
model, which takes seconds, and a recogniser on read speech, which takes minutes. Killed and started
again both go on.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from kilohear.bundle import Score
from kilohear.errors import ConfigError
from kilohear.files import write_text
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.board.report import write_report as write_board_report
from kilohear_bench.board.run import BoardRun, board_view, interval_ma
from kilohear_bench.board.students import bundle_of
from kilohear_bench.config import BenchConfig
from kilohear_bench.machine import describe
from kilohear_bench.meters.model import battery_hours, fit_paper, published_points
from kilohear_bench.privacy.recogniser import Recogniser
from kilohear_bench.privacy.report import PrivacyRun, make_run, rows
from kilohear_bench.privacy.report import write_report as write_privacy_report
from kilohear_bench.privacy.run import RATES_HZ, claim, conditions, configure, run_privacy
from kilohear_bench.privacy.speech import Utterance
from kilohear_bench.privacy.wer import Score as WordErrors
from kilohear_bench.report.plain import markdown_table
from kilohear_bench.run import Say, resume_bench, run_bench
from kilohear_bench.store import load_run

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    ("rate", ""),
    ("battery h", "published"),
    ("profile paper h", "modelled, less the published"),
    ("profile physical h", "modelled, 95%"),
    ("people's WER", "published"),
    ("recogniser's WER", "measured, 95%"),
    ("accuracy", "measured, 5 folds"),
)
"""What each column shows, and its kind."""

DECIMATOR = "decimator"
"""The treatment whose word error rate stands in the table: what the device does."""

_NONE = "-"


@dataclasses.dataclass(frozen=True)
class Row:
    """One sampling rate; None where nobody published it.

    Attributes
    ----------
    published_h, published_wer
        The paper's battery hours on 300 mAh and its listeners' word error rate, a fraction.
    paper_h
        Hours of the profile `paper`.
    physical_h
        Hours of the profile `physical`: typical, low, high.
    wer
        The recogniser's, all words, no clip counted above 100%.
    accuracy
        Of the student at this rate, from its card.
    """

    rate_hz: int
    published_h: float | None
    published_wer: float | None
    paper_h: float
    physical_h: tuple[float, float, float]
    wer: WordErrors
    accuracy: Score

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows, in the order of COLUMNS."""
        typical, low, high = self.physical_h
        residual = "" if self.published_h is None else f" ({self.paper_h - self.published_h:+.1f})"
        return (
            f"{self.rate_hz:,} Hz",
            _NONE if self.published_h is None else f"{self.published_h:.1f}",
            f"{self.paper_h:.1f}{residual}",
            f"{typical:.0f} ({low:.0f} to {high:.0f})",
            _NONE if self.published_wer is None else f"{100 * self.published_wer:.1f}%",
            str(self.wer.pooled),
            f"{self.accuracy.value:.3f} ± {self.accuracy.std:.3f}",
        )


@dataclasses.dataclass(frozen=True)
class Table3:
    """The table with the runs that it was made from."""

    board: BoardRun
    privacy: PrivacyRun
    rows: tuple[Row, ...]


def reproduce(
    utterances: list[Utterance], recogniser: Recogniser, folder: Path, say: Say = print
) -> Table3:
    """Make both runs in `folder`, or go on with them, and write the table.

    Raises
    ------
    ConfigError, DataError
        Where `folder` holds runs of another configuration.
    RunStopped
        Where the simulator failed.
    """
    config = configure(conditions(RATES_HZ, (DECIMATOR,)), utterances, recogniser)
    claim(folder / "privacy", config)  # refuses before anything is computed
    board = _board(folder / "board", say)
    config, lines = run_privacy(config, utterances, recogniser, folder / "privacy", say)
    privacy = make_run(config, lines, [], describe())
    write_privacy_report(privacy, folder / "privacy")
    table = Table3(board, privacy, make_rows(board, privacy))
    write_text(folder / "table3.md", markdown(table))
    return table


def make_rows(board: BoardRun, privacy: PrivacyRun) -> tuple[Row, ...]:
    """Return the rows of two finished runs, highest rate first."""
    hours = {point.rate_hz: point.battery_h for point in published_points()}
    errors = rows(privacy)
    people = {row.rate_hz: row.published for row in errors if row.published is not None}
    machine = {row.rate_hz: row.score for row in errors if row.treatment == DECIMATOR}
    made = []
    for student in board.students:
        rate_hz = student.rate_hz
        physical = board.find("current_physical", rate_hz)
        wer = machine.get(rate_hz)
        if physical is None or wer is None:
            continue
        low_ma, high_ma = interval_ma(physical)
        made.append(
            Row(
                rate_hz=rate_hz,
                published_h=hours.get(rate_hz),
                published_wer=people.get(rate_hz),
                paper_h=battery_hours(fit_paper().current_ma(rate_hz)),
                physical_h=(
                    battery_hours(physical.mean),
                    battery_hours(high_ma),
                    battery_hours(low_ma),
                ),
                wer=wer,
                accuracy=bundle_of(student.bundle, rate_hz).card.scores[0],
            )
        )
    return tuple(made)


def markdown(table: Table3) -> str:
    """Return the table and what must be known to read it, as Markdown."""
    heading = [f"{what} ({kind})" if kind else what for what, kind in COLUMNS]
    cells = [row.cells for row in table.rows]
    lines = ["# Table 3", "", *markdown_table(heading, cells, 1), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(table)), ""])


def terminal_table(table: Table3) -> Table:
    """Return the table for a terminal of 80 columns."""
    from rich import box
    from rich.table import Table

    shown = Table(
        title="Table 3", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0
    )
    rows = [[_in_lines(cell) for cell in row.cells] for row in table.rows]
    for i, (what, kind) in enumerate(COLUMNS):
        words = f"{what} {kind}".split()
        # As wide as what can't be broken: left to itself the table cuts off its last column.
        lines = [line for row in rows for line in row[i].split("\n")]
        shown.add_column(
            f"{what}\n{kind}",
            justify="right" if i else "left",
            width=max(map(len, [*words, *lines])),
        )
    for row in rows:
        shown.add_row(*row)
    return shown


def _in_lines(cell: str) -> str:
    """Return a cell broken before its interval and inside it."""
    return cell.replace(" (", "\n(").replace(" to ", " to\n").replace(" ±", "\n±")


def notes(table: Table3) -> list[str]:
    """Return what must be known to read the table."""
    privacy = table.privacy.configuration
    return [
        "Battery: 300 mAh. Published is the paper's Apollo3 board with FFTs alone. The profile "
        "`paper` is fitted to its three values; `physical` is what our firmware should draw with "
        "the student every 5 s, a sum of parts that nobody measured. Cycles behind it are "
        f"simulated, firmware {table.board.machine['firmware']}.",
        "Word error rate: published are the paper's ten listeners, 3 clips a rate; ours is "
        f"{privacy.recogniser} on {privacy.clips} clips, decimated by kilohear's decimator. No "
        "clip counts more errors than it has words. Another listener, other clips: the columns "
        "can be compared in shape only.",
        "Accuracy: macro accuracy on ESC-10 of the student at this rate in float32, from its "
        "card: mean and spread of five folds, each by weights that never saw it.",
        "The board listens 2.3% below the nominal rates; the recogniser's speech has exactly them.",
    ]


def _board(folder: Path, say: Say) -> BoardRun:
    """Make the board's run in `folder`, or go on with it."""
    config = BenchConfig(devices=(SIMULATOR,))
    if not folder.exists():
        run = run_bench(config, folder, say)
    elif load_run(folder).configuration == config:
        run = resume_bench(folder, say)
    else:
        raise ConfigError(f"{folder}: holds a run of another configuration; choose another --out")
    board = board_view(run, SIMULATOR)
    write_board_report(board, folder / SIMULATOR)
    return board
