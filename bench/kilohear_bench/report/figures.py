"""The report's figures: sections of charts, each of one kind of number, or what would be needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from kilohear_bench.report.energy import energy_section
from kilohear_bench.report.latencies import latency_section
from kilohear_bench.report.pareto import pareto_section
from kilohear_bench.report.results import Row, Source
from kilohear_bench.report.section import Palette, Section
from kilohear_bench.report.table3 import Heard
from kilohear_bench.report.traces import trace_section


def sections(
    sources: Sequence[Source], rows: Sequence[Row], errors: Sequence[Heard]
) -> list[Section]:
    """Return every section; one that can't be drawn says why, the others stand."""
    palette = Palette.of(rows)
    drawings: tuple[tuple[str, Callable[[], Section]], ...] = (
        ("What accuracy costs", lambda: pareto_section(rows, errors, palette)),
        ("Latency", lambda: latency_section(rows, palette)),
        ("Where the energy goes", lambda: energy_section(sources, rows)),
        ("Current and power over time", lambda: trace_section(sources)),
    )
    return [_drawn(title, draw) for title, draw in drawings]


def _drawn(title: str, draw: Callable[[], Section]) -> Section:
    try:
        return dataclasses.replace(draw(), title=title)
    except Exception as error:  # whatever is wrong with a picture, the numbers are to be read
        return Section(title, absent=f"Couldn't be drawn ({type(error).__name__}: {error}).")
