"""Current and power over time, as meters sampled them, windows marked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kilohear_bench.report import svg
from kilohear_bench.report.results import Source, name_in, number
from kilohear_bench.report.section import Chart, Section
from kilohear_bench.store import KeptTrace, read_traces

MOST = 12
"""Charts that are drawn; the other traces lie in the run's folder."""

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 210.0, 40.0, 372.0, 10.0, 168.0
_COLUMNS = {"current_ma": "current, mA", "power_mw": "power, mW"}


def trace_section(sources: Sequence[Source]) -> Section:
    """Return a chart for the first trace of each subject on each device."""
    charts: list[Chart] = []
    left_out = 0
    for source in sources:
        for device in source.run.devices:
            seen: set[tuple[str, int]] = set()
            for trace, columns in read_traces(source.folder, device.name):
                value = next((c for c in _COLUMNS if c in columns), None)
                if value is None or not len(columns["time_s"]):
                    left_out += 1
                    continue
                key = (trace.subject, trace.rate_hz)
                if key in seen or len(charts) >= MOST:
                    left_out += 1
                    continue
                seen.add(key)
                called = name_in(sources, source, device.name)
                charts.append(_chart(f"trace{len(charts)}", called, trace, columns, value))
    if not charts:
        return Section(
            "",
            absent="No trace was recorded: a board with --meter, or a phone with power rails, "
            "records current or power over time.",
        )
    more = f" {left_out} more traces lie in the run's folder." if left_out else ""
    lead = "The least and the most of each moment; windows that were classified are shaded."
    return Section("", lead + more, tuple(charts))


def envelope(
    time_s: NDArray[np.floating], values: NDArray[np.floating], most: int
) -> list[tuple[float, float, float]]:
    """Return (time in s, least, most) of up to `most` stretches of equally many samples."""
    edges = np.linspace(0, len(values), min(most, len(values)) + 1).astype(int)
    return [
        (float(time_s[first]), float(values[first:last].min()), float(values[first:last].max()))
        for first, last in itertools.pairwise(edges)
        if last > first
    ]


def windows(
    time_s: NDArray[np.floating], level: NDArray[np.floating]
) -> Iterator[tuple[float, float]]:
    """Yield start and end, s, of each stretch in which `level` isn't 0."""
    high = np.concatenate([[False], np.asarray(level) > 0, [False]])
    edges = np.flatnonzero(high[1:] != high[:-1])
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield float(time_s[first]), float(time_s[min(last, len(time_s) - 1)])


def _chart(
    key: str,
    device: str,
    trace: KeptTrace,
    columns: Mapping[str, NDArray[np.floating]],
    value: str,
) -> Chart:
    time_s, values = columns["time_s"], columns[value]
    x = svg.Scale(float(time_s[0]), float(max(time_s[-1], time_s[0] + 1e-9)), _LEFT, _RIGHT)
    y = svg.Scale.over([0.0, float(values.max())], _BOTTOM, _TOP, margin=0.04)
    y = svg.Scale(min(0.0, float(values.min())), y.high, _BOTTOM, _TOP)
    parts = [
        svg.box(x(start), _TOP, max(x(end) - x(start), 1), _BOTTOM - _TOP, "window", "a window")
        for start, end in windows(time_s, columns.get("window", np.zeros(len(time_s))))
    ]
    drawn = envelope(time_s, values, int(_RIGHT - _LEFT))
    upper = [(x(at), y(high)) for at, _, high in drawn]
    lower = [(x(at), y(low)) for at, low, _ in reversed(drawn)]
    parts += [
        svg.y_axis(y, _LEFT, _RIGHT - _LEFT, lambda tick: f"{tick:g}"),
        svg.x_axis(x, _BOTTOM, 0, "time, s", lambda tick: f"{tick:g}"),
        svg.path([*upper, *lower], "envelope", closed=True),
        svg.text(_LEFT, _HEIGHT - 10, f"{_COLUMNS[value]} ({trace.kind})", "name"),
    ]
    what = f"{device}, {trace.subject}, {trace.rate_hz / 1000:g} kHz"
    told = (
        f"{len(values)} samples over {number(float(time_s[-1] - time_s[0]))} s, mean "
        f"{number(float(values.mean()))}, {trace.meter}"
    )
    return Chart(
        f"{what} · {trace.meter}",
        (trace.kind,),
        svg.chart(key, f"{_COLUMNS[value]} of {what}", told, _HEIGHT, "".join(parts)),
    )
