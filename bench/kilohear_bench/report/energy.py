"""Where the energy goes: a board's current by part, a phone's power by state, a bar a rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from kilohear_bench.board.run import board_view, counts_of
from kilohear_bench.meters.model import Load, physical_estimate
from kilohear_bench.report import svg
from kilohear_bench.report.results import Row, Source, name_in, number
from kilohear_bench.report.section import Chart, Mark, Section
from kilohear_bench.result import Run

_LEFT, _RIGHT, _STEP, _TOP = 8.0, 372.0, 38.0, 4.0
_COLOURS = {
    "idle": "c5",
    "arithmetic": "c0",
    "inference": "c0",
    "wake-ups": "c1",
    "sleep": "c5",
    "clock": "c6",
    "pdm": "c4",
    "microphone": "c3",
    "uart": "c7",
    "regulator": "c2",
}
"""Of parts and states; no two of one device share one."""
_STATES = {
    "power_idle": "idle",
    "power_microphone": "microphone",
    "power_inference": "inference",
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """A row's parts by name, in one unit, and what is said of the whole."""

    name: str
    parts: dict[str, float]
    told: str


def energy_section(sources: Sequence[Source], rows: Sequence[Row]) -> Section:
    """Return a chart a device that tells where its energy goes."""
    charts: list[_Bars] = []
    for source in sources:
        for device in source.run.devices:
            name = name_in(sources, source, device.name)
            charts += _board(name, source.run, device.name)
            charts += _states(name, [row for row in rows if row.device == name])
    if not charts:
        return Section(
            "",
            absent="No device told its energy by part: add --device apollo3-simulator, or a phone "
            "whose power can be measured idle, with the microphone on and while it infers.",
        )
    return Section(
        "",
        lead="A board's parts are the energy model's, profile physical, from the cycles of this "
        "run; a phone's are differences between states.",
        charts=tuple(
            Chart(title, (kind,), _chart(f"energy{i}", title, unit, kind, bars), _legend(bars))
            for i, (title, unit, kind, bars) in enumerate(charts)
        ),
    )


_Bars = tuple[str, str, str, list[Bar]]
"""A chart's title, unit, kind and bars."""


def _board(name: str, run: Run, device: str) -> Iterator[_Bars]:
    """Yield the chart of a board whose cycles were counted; `name` is what the report calls it."""
    if not any((m.device, m.name) == (device, "cycles_paper_workload") for m in run.measurements):
        return
    counts, bars = counts_of(board_view(run, device)), []
    for rate_hz, counted in counts["rates"].items():
        counted.pop("paper_workload_cycles_per_s")
        load = Load(rate_hz=int(rate_hz), kind=counts["kind"], **counted)
        estimate = physical_estimate(load)
        parts = {part: ua / 1e3 for part, ua in estimate.parts_ua.items() if ua > 0}
        told = f"{number(estimate.current_ma)} mA ({number(estimate.low_ma)} to "
        told += f"{number(estimate.high_ma)})"
        bars.append(Bar(f"{load.rate_hz / 1000:g} kHz", parts, told))
    yield f"Mean current of {name} by part", "mA", "modelled", bars


def _states(device: str, rows: Sequence[Row]) -> Iterator[_Bars]:
    found: dict[str, list[Bar]] = {}
    for row in rows:
        powers = {m.name: m for m in row.all(*_STATES)}
        if (
            len(powers) < 2
            or "power_idle" not in powers
            or len({m.kind for m in powers.values()}) > 1
        ):
            continue
        parts, drawn_mw = {}, 0.0
        for state, name in _STATES.items():
            if state in powers:
                # A state that draws less than the one before it adds nothing: noise, no saving.
                parts[name] = max(powers[state].median - drawn_mw, 0.0)
                drawn_mw += parts[name]
        kind = powers["power_idle"].kind
        bar = Bar(row.subject, parts, f"{number(drawn_mw)} mW")
        found.setdefault(kind, []).append(bar)
    for kind, bars in found.items():
        yield f"Mean power of {device} by state", "mW", kind, bars


def _legend(bars: Sequence[Bar]) -> tuple[Mark, ...]:
    names = dict.fromkeys(name for bar in bars for name in bar.parts)
    return tuple(Mark("square", _COLOURS[name], name) for name in names)


def _chart(key: str, title: str, unit: str, kind: str, bars: Sequence[Bar]) -> str:
    longest = max(sum(bar.parts.values()) for bar in bars)
    x = svg.Scale(0, 1.04 * longest, _LEFT, _RIGHT)
    bottom = _TOP + _STEP * len(bars)
    parts = [svg.x_axis(x, bottom, bottom - _TOP, f"{unit} ({kind})", lambda value: f"{value:g}")]
    for i, bar in enumerate(bars):
        y, start = _TOP + _STEP * i, 0.0
        parts.append(svg.text(_LEFT, y + 13, bar.name, "label"))
        parts.append(svg.text(_RIGHT, y + 13, bar.told, "tick", "end"))
        for name, value in bar.parts.items():
            hint = f"{bar.name}, {name}: {number(value)} {unit}"
            parts.append(
                svg.box(x(start), y + 18, x(value) - x(0), 13, f"bar {_COLOURS[name]}", hint)
            )
            start += value
    told = "; ".join(f"{bar.name}: {bar.told}" for bar in bars)
    return svg.chart(key, title, told, bottom + 40, "".join(parts))
