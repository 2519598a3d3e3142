"""The report of studies: tables, figures and confusions as Markdown, CSV, HTML and PNG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from kilohear.files import write_text
from kilohear_training import tables
from kilohear_training.figures import draw_confusion, draw_figure2
from kilohear_training.results import read_results
from kilohear_training.tables import Table

_TEMPLATE = Path(__file__).parent / "report.html.jinja"
TITLE = "Low-rate audio classification: the study"
INTRODUCTION = (
    "Every number is measured by the runs whose result files lie beside this report, unless it is "
    "marked published: then it is the paper's (Liang et al.). Cells that no run has filled say so."
)


def write_report(folders: Sequence[Path], out: Path, baseline: str | None = None) -> list[Path]:
    """Write the report of the studies in `folders` into `out`; gives the files written.

    The text files are the same for the same results, byte for byte.

    Parameters
    ----------
    baseline
        `ARM:METHOD` with which the other arms of its network are compared.

    Raises
    ------
    DataError
        Where there are no results, or two of one name disagree.
    """
    collection = read_results(folders)
    summary = tables.summary(collection)
    sections = [summary] if summary.rows else []
    for dataset in collection.datasets:
        own = [tables.table1(collection, dataset)]
        if baseline is not None:
            own.append(tables.arms(collection, dataset, baseline))
        own += [tables.ablations(collection, dataset), tables.table2(collection, dataset)]
        sections += [table for table in own if table.rows]
    files: dict[Path, str] = {}
    confusions = [tables.confusion(cell) for cell in collection.cells.values()]
    for table in (*sections, tables.folds(collection), *confusions):
        files[out / f"{table.name}.csv"] = table.csv()
    pictures: list[Path] = []
    figure2 = out / "figure2.png"
    if draw_figure2(collection, figure2):
        pictures.append(figure2)
    for cell, table in zip(collection.cells.values(), confusions, strict=True):
        if cell.key.method in ("finetune", "cssd"):
            path = out / f"{table.name}.png"
            draw_confusion(cell, path)
            pictures.append(path)
    files[out / "report.md"] = _markdown(sections, pictures)
    files[out / "report.html"] = _html(sections, pictures)
    for path, text in files.items():
        write_text(path, text)
    return sorted([*files, *pictures])


def _markdown(sections: Sequence[Table], pictures: Sequence[Path]) -> str:
    parts = [f"# {TITLE}\n", INTRODUCTION + "\n"]
    figures = [path for path in pictures if path.name == "figure2.png"]
    parts += [f"![Fold by fold]({path.name})\n" for path in figures]
    parts += [table.markdown() for table in sections]
    others = [path for path in pictures if path not in figures]
    if others:
        parts.append("### Confusion matrices\n")
        parts.append("".join(f"- [{path.stem}]({path.name})\n" for path in others))
    return "\n".join(parts)


def _html(sections: Sequence[Table], pictures: Sequence[Path]) -> str:
    """Return one page, its pictures beside it."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["marked"] = _marked
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    figures = [path for path in pictures if path.name == "figure2.png"]
    return template.render(
        title=TITLE,
        introduction=INTRODUCTION,
        figures=[path.name for path in figures],
        sections=sections,
        confusions=[path for path in pictures if path not in figures],
        not_run=tables.NOT_RUN,
    )


def _marked(text: str) -> str:
    """Return the HTML of a cell's text: bold marks and remarks."""
    escaped = str(markupsafe.escape(text))
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
    return markupsafe.Markup(re.sub(r"; (.*)$", r"<br><small>\1</small>", bold))
