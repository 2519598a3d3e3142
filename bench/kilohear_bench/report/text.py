"""The report as Markdown, and as CSV with a row a measurement."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterator, Sequence

from kilohear_bench.measurement import Measurement
from kilohear_bench.report.plain import markdown_table
from kilohear_bench.report.quantities import Column
from kilohear_bench.report.results import Row, Source, Table, span_ma
from kilohear_bench.report.table3 import Rates
from kilohear_bench.report.table3 import notes as notes_of_table3

FIELDS = (
    *("device", "subject", "rate_hz", "quantity", "median", "p95", "mean", "low", "high"),
    *("samples", "unit", "kind", "meter", "started_at"),
)
"""Of the CSV. `low` and `high`: the 95% interval of the median, of modelled currents the model's;
both are empty where there is one sample and no model."""


def markdown(
    sources: Sequence[Source],
    rows: Sequence[Row],
    tables: Sequence[Table],
    rates: Rates,
    picture: str | None,
) -> str:
    """Return the report as Markdown, with a picture of that file name."""
    lines = ["# Bench report", ""]
    for source in sources:
        run = source.run
        lines += [
            f"- {source.folder.name}: {when(run.started_at)}, driven by "
            f"{run.machine.get('cpu', 'an unknown processor')}"
            f"{'' if run.finished_at else '; **not finished**'}; devices: "
            f"{', '.join(device.name for device in run.devices)}."
        ]
    for failure in failures(sources, rows):
        lines.append(f"- **FAILED**: {failure}")
    for table in tables:
        cells = [
            (row.device, row.subject, row.rate, *(c.cells[i] or "-" for c in table.columns))
            for i, row in enumerate(table.rows)
        ]
        heading = ("device", "student", "rate", *map(heading_of, table.columns))
        lines += ["", f"## {table.title}", "", *markdown_table(heading, cells, 3)]
    lines += [
        "",
        "## Table 3",
        "",
        *markdown_table(
            ("rate", *map(heading_of, rates.columns)),
            [
                (f"{rate_hz:,} Hz", *(c.cells[i] or "-" for c in rates.columns))
                for i, rate_hz in enumerate(rates.rates_hz)
            ],
            1,
        ),
        "",
        *(f"- {note}" for note in [*notes_of_table3(rates.columns), *notes(tables)]),
        "",
    ]
    if picture is not None:
        lines += [f"![Accuracy against latency of the host, by sampling rate]({picture})", ""]
    return "\n".join(lines)


def csv_text(rows: Sequence[Row]) -> str:
    """Return every measurement's summary, one a line, in the order of FIELDS."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(FIELDS)
    for row in rows:
        writer.writerows(_summary(row, m) for m in row.measurements)
    return text.getvalue()


def failures(sources: Sequence[Source], rows: Sequence[Row]) -> list[str]:
    """Return everything that went wrong, each once."""
    told = [failure for source in sources for failure in source.run.failures]
    told += [failure for row in rows for failure in row.failures]
    return list(dict.fromkeys(told))


def heading_of(column: Column) -> str:
    """Return a column's heading with its unit and kind."""
    unit = f" {column.unit}" if column.unit else ""
    return f"{column.heading}{unit}{f' ({column.kind})' if column.kind else ''}"


def notes(tables: Sequence[Table]) -> list[str]:
    """Return what must be known to read the tables, of the columns that they have."""
    headings = " ".join(c.heading for table in tables for c in table.columns)
    said = {
        "latency": "Latency: one window of waveform to a label, timed on the device itself. A "
        "board's is from the end of a window's last block of samples to the label.",
        "A against A": "A against A: a student's second rounds over its own first, with the 95% "
        "interval. What differs by less can't be told from noise.",
        "instructions": "Instructions are counted, not timed; a simulator's milliseconds aren't "
        "shown where they mean nothing.",
        "energy of a window": "Energy: every window's lies within 1% of its mean power times its "
        "time, else there were no report.",
        "mAh": "Hours on 300 mAh: the battery's charge over the mean current; in parentheses the "
        "model's interval.",
        "card": "From the card: mean and spread of folds, each scored by weights that never saw "
        "it. In this run: macro accuracy on clips that the weights never saw.",
        "verdict": "Verdict: macro accuracy against the card's, labels against the host's. A "
        "shortfall that chance doesn't explain fails the run.",
    }
    return [note for name, note in said.items() if name in headings]


def when(iso: str) -> str:
    """Return an ISO 8601 time in words, UTC, to the minute."""
    time = datetime.datetime.fromisoformat(iso).astimezone(datetime.UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def _summary(row: Row, m: Measurement) -> Iterator[object]:
    low, high = span_ma(m) or (m.interval if len(m.samples) > 1 else ("", ""))
    yield from (row.device, m.subject, "" if row.rate_hz is None else row.rate_hz, m.name)
    yield from (m.median, m.p95, m.mean, low, high, len(m.samples), m.unit, m.kind, m.meter)
    yield m.started_at or ""
