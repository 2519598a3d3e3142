"""Latency distributions: every sample of every subject, in a chart a device and kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilohear_bench.measurement import Measurement
from kilohear_bench.report import svg
from kilohear_bench.report.results import Row, number
from kilohear_bench.report.section import Chart, Palette, Section

_LEFT, _RIGHT, _STEP, _TOP = 8.0, 372.0, 36.0, 8.0


def latency_section(rows: Sequence[Row], palette: Palette) -> Section:
    """Return a chart a device and kind, a line a subject, a stroke a sample."""
    found: dict[tuple[str, str], list[tuple[Row, Measurement]]] = {}
    for row in rows:
        for m in row.all("latency"):
            found.setdefault((row.device, m.kind), []).append((row, m))
    if not found:
        return Section(
            "", absent="No device timed a window: add --device host, a board or a phone."
        )
    charts = [
        Chart(f"Latency of a window on {device}", (kind,), _chart(f"latency{i}", lines, palette))
        for i, ((device, kind), lines) in enumerate(found.items())
    ]
    lead = (
        "A stroke is a window, the bar reaches from the 5th to the 95th percentile, the point is "
        "the median. The scale is logarithmic."
    )
    return Section("", lead, tuple(charts))


def _chart(key: str, lines: Sequence[tuple[Row, Measurement]], palette: Palette) -> str:
    values = [value for _, m in lines for value in m.samples if value > 0]
    x = svg.Scale.over(values, _LEFT, _RIGHT, log=True, margin=0.04)
    bottom = _TOP + _STEP * len(lines)
    unit = lines[0][1].unit
    parts = [svg.x_axis(x, bottom, bottom - _TOP, f"latency, {unit} ({lines[0][1].kind})", _tick)]
    for i, (row, m) in enumerate(lines):
        y = _TOP + _STEP * i
        colour = palette.colour(row.rate_hz)
        low, high = np.percentile(m.samples, [5, 95])
        told = f"{number(m.median)} {unit}, p95 {number(m.p95)}"
        parts += [
            svg.text(_LEFT, y + 12, row.subject, "label"),
            svg.text(_RIGHT, y + 12, told, "tick", "end"),
            svg.box(x(low), y + 21, max(x(high) - x(low), 1.5), 6, f"range {colour}"),
            _strokes(x, m.samples, y + 17, f"strokes {colour}"),
            svg.marker(x(m.median), y + 24, "circle", colour, f"{row.subject}: {told}"),
        ]
    return svg.chart(
        key,
        "Latency distributions",
        "; ".join(f"{row.subject}: median {number(m.median)} {unit}" for row, m in lines),
        bottom + 40,
        "".join(parts),
    )


def _strokes(x: svg.Scale, samples: Sequence[float], y: float, css: str) -> str:
    """Return a stroke a sample; those within half a unit of each other are one."""
    places = sorted({round(2 * x(value)) / 2 for value in samples if value > 0})
    return f'<path class="{css}" d="{"".join(f"M{at:g} {y:g}v14" for at in places)}"/>'


def _tick(value: float) -> str:
    return f"{value:g}"
