"""Accuracy against energy, latency and word error rate: a point a student, rate and device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from kilohear_bench.measurement import Measurement
from kilohear_bench.report import svg
from kilohear_bench.report.results import Row, number
from kilohear_bench.report.section import Chart, Palette, Section
from kilohear_bench.report.table3 import Heard

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 296.0, 40.0, 368.0, 20.0, 256.0
_COSTS = (  # what meters call energy isn't the same: a chart each
    ("window_energy", "energy of a window", "mJ"),
    ("current", "mean current", "mA"),
    ("current_physical", "mean current", "mA"),
    ("latency", "latency, median", "ms"),
)


@dataclasses.dataclass(frozen=True)
class Point:
    """What a student gives (its accuracy) for what (its cost, or what it keeps from listeners)."""

    x: float
    accuracy: float
    row: Row


@dataclasses.dataclass(frozen=True)
class Axes:
    """What a chart's axes show; numbers of different kinds or data sets get charts of their own."""

    name: str
    unit: str
    kind: str
    accuracy: str
    accuracy_kind: str
    high_is_better: bool = False


def pareto_section(rows: Sequence[Row], errors: Sequence[Heard], palette: Palette) -> Section:
    """Return a chart for every pair of axes with two points or more."""
    found: dict[Axes, list[Point]] = {}
    for axes, point in (*_costs(rows), *_words(rows, errors)):
        found.setdefault(axes, []).append(point)
    charts = [
        _chart(f"pareto{i}", axes, points, palette)
        for i, (axes, points) in enumerate(found.items())
        if len(points) > 1
    ]
    if not charts:
        return Section(
            "",
            absent="No student has an accuracy and a cost: give a bundle whose card has scores, or "
            "--dataset, and a device that measures.",
        )
    shown = [point.row for points in found.values() if len(points) > 1 for point in points]
    return Section(
        "",
        lead="A point is a student at a rate on a device; the line joins those that no other beats "
        "in both. Filled: float32. Numbers of different kinds never share a chart.",
        charts=tuple(charts),
        legend=palette.legend(
            [row.rate_hz for row in shown if row.rate_hz], [row.device for row in shown]
        ),
    )


def frontier(points: Sequence[Point], high_is_better: bool) -> list[Point]:
    """Return the points that none beats in both, from the least accurate to the most.

    A point beats another where it is as good in both and better in one.
    """
    sign = 1 if high_is_better else -1
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (sign * p.x, p.accuracy), reverse=True):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best


def accuracy_of(row: Row, rows: Sequence[Row]) -> Measurement | None:
    """Return a row's accuracy: of this run, else from the card.

    A board's student that trained on every clip is scored by the same network with a fold kept
    back: a bundle of its name and `-fold` with a number, in the same runtime and precision.
    """
    bundle, _, file = row.subject.partition(" ")
    fits = [row]
    for other in rows:
        name, _, other_file = other.subject.partition(" ")
        if name.startswith(f"{bundle}-fold") and file == other_file:
            fits.append(other)
    for card in (False, True):
        for fit in fits:
            if (fit.device, fit.rate_hz) == (row.device, row.rate_hz):
                for m in fit.scores("macro_accuracy", card):
                    return m
    return None


def _costs(rows: Sequence[Row]) -> Iterator[tuple[Axes, Point]]:
    for name, heading, unit in _COSTS:
        for row in rows:
            accuracy = accuracy_of(row, rows)
            for m in row.all(name) if accuracy else []:
                value = m.mean if unit == "mA" else m.median
                if accuracy and value > 0:
                    what = heading if unit == "ms" else f"{heading}, {m.meter}"
                    yield _axes(what, unit, m.kind, accuracy), Point(value, accuracy.mean, row)


def _words(rows: Sequence[Row], errors: Sequence[Heard]) -> Iterator[tuple[Axes, Point]]:
    for error in errors:
        for row in rows:
            accuracy = accuracy_of(row, rows) if row.rate_hz == error.rate_hz else None
            if accuracy:
                name = f"word errors, {error.who}"
                axes = _axes(name, "%", error.measurement.kind, accuracy)
                point = Point(100 * error.fraction, accuracy.mean, row)
                yield dataclasses.replace(axes, high_is_better=True), point


def _axes(name: str, unit: str, kind: str, accuracy: Measurement) -> Axes:
    origin = "card" if accuracy.meter == "card" else "this run"
    dataset = accuracy.conditions.get("dataset", "")
    return Axes(name, unit, kind, f"{dataset}, {origin}", accuracy.kind)


def _chart(key: str, axes: Axes, points: Sequence[Point], palette: Palette) -> Chart:
    words = axes.unit == "%"
    if words:
        x = svg.Scale(0, max(100.0, *(p.x for p in points)), _LEFT, _RIGHT)
    else:
        x = svg.Scale.over([p.x for p in points], _LEFT, _RIGHT, log=True, margin=0.12)
    y = svg.Scale.over([100 * p.accuracy for p in points], _BOTTOM, _TOP, margin=0.12)
    best = frontier(points, axes.high_is_better)
    parts = [
        svg.y_axis(y, _LEFT, _RIGHT - _LEFT, lambda value: f"{value:g}"),
        svg.x_axis(
            x,
            _BOTTOM,
            _BOTTOM - _TOP,
            f"{axes.name.partition(', ')[0]}, {axes.unit} ({axes.kind})",
            _tick,
        ),
        svg.path([(x(p.x), y(100 * p.accuracy)) for p in best], "frontier"),
    ]
    for point in sorted(points, key=lambda p: p in best):
        row = point.row
        filled = "" if row.subject.endswith(" float32") else " hollow"
        parts.append(
            svg.marker(
                x(point.x),
                y(100 * point.accuracy),
                palette.shape(row.device),
                palette.colour(row.rate_hz) + filled,
                f"{row.subject} on {row.device}: {100 * point.accuracy:.1f}%, "
                f"{number(point.x)} {axes.unit}",
            )
        )
    parts += _labels(best, x, y)
    corner = "better: up and right" if axes.high_is_better else "better: up and left"
    parts.append(svg.text(_LEFT, 11, corner, "hint"))
    title = f"Accuracy against {axes.name}"
    told = "; ".join(
        f"{p.row.subject} on {p.row.device} {100 * p.accuracy:.1f}% at {number(p.x)} {axes.unit}"
        for p in best
    )
    return Chart(
        f"{title} · macro accuracy % on {axes.accuracy}",
        tuple(dict.fromkeys((axes.accuracy_kind, axes.kind))),
        svg.chart(
            key, title, f"{len(points)} points. None beats: {told}.", _HEIGHT, "".join(parts)
        ),
    )


def _labels(best: Sequence[Point], x: svg.Scale, y: svg.Scale) -> Iterator[str]:
    """Yield the rate beside each point of the frontier, a rate once, none over another."""
    taken: list[tuple[float, float]] = []
    named: set[str] = set()
    for point in reversed(best):
        at = (x(point.x), y(100 * point.accuracy))
        if point.row.rate in named or any(
            abs(at[0] - a) < 44 and abs(at[1] - b) < 14 for a, b in taken
        ):
            continue
        named.add(point.row.rate)
        taken.append(at)
        left = at[0] > _RIGHT - 60
        yield svg.text(
            at[0] + (-9 if left else 9),
            at[1] - 8,
            point.row.rate,
            "rate",
            "end" if left else "start",
        )


def _tick(value: float) -> str:
    return f"{value:g}" if value < 10_000 else f"{value:,.0f}"
