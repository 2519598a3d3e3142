"""A report's files: HTML, Markdown and CSV, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kilohear.files import write_text
from kilohear_bench.result import Run

HTML, MARKDOWN, CSV = "report.html", "report.md", "report.csv"
PICTURE = "accuracy_latency.png"


def write_report(
    folders: Sequence[Path], out: Path | None = None, privacy: Path | None = None
) -> Path:
    """Make the report of runs and return its HTML file.

    Where the host timed students with an accuracy, Markdown gets a picture of that.

    Parameters
    ----------
    folders
        Of the runs, one at least; finished or not.
    out
        The folder that it is written into; None: the first run's.
    privacy
        Of a run of `kilohear privacy`; None: the folder `privacy` in the first run's, if any.

    Raises
    ------
    ConfigError
        Where a folder holds no run.
    ReportError
        Where numbers contradict each other, have a wrong unit or would mix kinds; nothing is
        written then, and the runs are as they were.
    ExtraError
        Where jinja2 isn't installed.
    """
    from kilohear_bench.report.figures import sections
    from kilohear_bench.report.page import page
    from kilohear_bench.report.results import Source, rows_of, tables
    from kilohear_bench.report.table3 import heard, table3
    from kilohear_bench.report.text import csv_text, markdown
    from kilohear_bench.store import load_run

    sources = [Source(folder, load_run(folder)) for folder in folders]
    target = out or folders[0]
    own = folders[0] / "privacy"
    errors = heard(privacy or (own if own.is_dir() else None))
    rows = rows_of(sources)
    shown, rates = tables(rows), table3(rows, errors)
    html = page(sources, rows, shown, rates, sections(sources, rows, errors), target)
    drawn = _drawn(sources[0].run, target / PICTURE)
    texts = {
        HTML: html,
        MARKDOWN: markdown(sources, rows, shown, rates, PICTURE if drawn else None),
        CSV: csv_text(rows),
    }
    for name, text in texts.items():
        write_text(target / name, text)
    return target / HTML


def _drawn(run: Run, path: Path) -> bool:
    """Draw the picture; whatever is wrong with it, the numbers are to be read."""
    from kilohear_bench.figure import draw_accuracy_latency

    try:
        return draw_accuracy_latency(run, path)
    except Exception:  # the page's own charts say what they lack
        return False
