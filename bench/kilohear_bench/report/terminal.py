"""The report's tables for a terminal, a device after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kilohear_bench.report.quantities import Column
from kilohear_bench.report.results import Row, Source, rows_of, tables
from kilohear_bench.store import load_run

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 80


def terminal_tables(folder: Path) -> Iterator[Table]:
    """Yield a run's tables for 80 columns, those of each device by themselves.

    What stands in parentheses in the report (95th percentiles, intervals) is left out.

    Raises
    ------
    ConfigError
        Where the folder holds no run.
    ReportError
        As `kilohear_bench.report.write_report`.
    """
    rows = rows_of([Source(folder, load_run(folder))])
    for device in dict.fromkeys(row.device for row in rows):
        yield from _tables(device, [row for row in rows if row.device == device])


def _tables(device: str, rows: list[Row]) -> Iterator[Table]:
    from rich import box
    from rich.table import Table

    for table in tables(rows):
        shown = Table(
            title=f"{device}: {table.title[0].lower()}{table.title[1:]}",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        columns = [column for column in table.columns if column.heading != "source"]
        headings = [_heading(column) for column in columns]
        least = [max(map(len, heading.split())) for heading in headings]
        longest = max(len(row.subject) for row in table.rows)
        shown.add_column("", no_wrap=longest + sum(width + 2 for width in least) < WIDTH)
        for heading, width in zip(headings, least, strict=True):
            shown.add_column(heading, justify="right", vertical="bottom", min_width=width)
        for i, row in enumerate(table.rows):
            cells = [_cell(column, i, row) for column in columns]
            shown.add_row(row.subject, *cells, style="bold red" if row.failures else None)
        yield shown


def _cell(column: Column, i: int, row: Row) -> str:
    cell = column.cells[i].partition(" (")[0] or "-"
    if column.heading != "verdict" or cell == "-":
        return cell
    return "FAILED" if row.failures else "passed"


def _heading(column: Column) -> str:
    what = column.heading.removesuffix(" and p95")
    return "\n".join(filter(None, (what, column.unit, column.kind)))
