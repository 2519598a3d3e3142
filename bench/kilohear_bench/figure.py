"""The figure: accuracy against latency, a point per rate, a line per runtime and precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kilohear import extras
from kilohear.files import replacing
from kilohear_bench.machine import HOST
from kilohear_bench.result import Run
from kilohear_bench.subject import Tested

INK, MUTED, GRID = "#1f2933", "#66727f", "#e4e8ec"
COLOURS = {"executorch": "#d1495b", "onnx": "#2e6f95", "coreml": "#3a9d74"}
NAMES = {"executorch": "ExecuTorch", "onnx": "ONNX Runtime", "coreml": "Core ML"}
MARKERS = {"float32": "o", "float16": "s", "int8": "D"}

_Point = tuple[Tested, float, float, float]
"""A subject with its latency in ms, its accuracy and that accuracy's standard deviation."""


def draw_accuracy_latency(run: Run, path: Path) -> bool:
    """Draw the host's students, a panel a data set, and write it as PNG, atomically.

    Returns
    -------
    Whether there was something to draw: without a student that has both numbers nothing is.
    """
    panels = _panels(run.of(HOST))
    if not panels:
        return False
    extras.load("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.4, 4.8 * len(panels)), 4.7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (dataset, points) in zip(axes, panels.items(), strict=True):
        _draw_panel(axis, dataset, points)
    handles: dict[str, Any] = {}
    for axis in axes:
        own, labels = axis.get_legend_handles_labels()
        handles |= dict(zip(labels, own, strict=True))
    figure.suptitle(
        "Accuracy against latency, by sampling rate",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    figure.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=4 if len(panels) > 1 else 2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")
    return True


def _panels(run: Run) -> dict[str, list[_Point]]:
    """Return the points that have both numbers, by data set."""
    panels: dict[str, list[_Point]] = defaultdict(list)
    for subject in run.subjects:
        accuracy = run.find("macro_accuracy", subject.name)
        latency = run.find("latency", subject.name)
        if accuracy is not None and latency is not None:
            spread = accuracy.std if accuracy.meter == "card" else 0.0
            point = subject, latency.median, accuracy.mean, spread
            kind = f"{accuracy.kind}, {'card' if accuracy.meter == 'card' else 'this run'}"
            panels[f"{accuracy.conditions['dataset']} ({kind})"].append(point)
    return dict(panels)


def _draw_panel(axis: Any, dataset: str, points: list[_Point]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator

    lines: dict[tuple[str, str], list[_Point]] = defaultdict(list)
    for point in points:
        lines[point[0].runtime, point[0].precision].append(point)
    for (runtime, precision), line in lines.items():
        line.sort(key=lambda point: point[0].rate_hz)
        colour = COLOURS.get(runtime, INK)
        axis.errorbar(
            [latency for _, latency, _, _ in line],
            [100 * accuracy for _, _, accuracy, _ in line],
            yerr=[100 * spread for _, _, _, spread in line],
            label=f"{NAMES.get(runtime, runtime)} {precision}",
            color=colour,
            ecolor=f"{colour}55",
            elinewidth=1.2,
            linewidth=1.3,
            linestyle="-" if precision == "float32" else "--",
            marker=MARKERS.get(precision, "o"),
            markersize=8,
            markerfacecolor=colour if precision == "float32" else "white",
            markeredgecolor=colour,
            markeredgewidth=1.6,
        )
    _name_rates(axis, points)
    axis.set_xscale("log")
    axis.margins(x=0.2, y=0.12)
    axis.set_title(dataset, loc="left", fontsize=10.5, color=INK)
    axis.set_xlabel("latency of one window, ms (measured, median, log scale)", color=MUTED)
    axis.set_ylabel("macro accuracy, %", color=MUTED)
    axis.grid(True, which="major", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", colors=MUTED, length=0, labelsize=9)
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True))
    axis.annotate(
        "better: up and left",
        (0.0, 1.0),
        xytext=(8, -6),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        fontstyle="italic",
        color=MUTED,
    )
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: "")
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)


def _name_rates(axis: Any, points: list[_Point]) -> None:
    """Write each rate once, beside its most accurate point, of equals the fastest."""
    from matplotlib.patheffects import withStroke

    best: dict[int, _Point] = {}
    for point in sorted(points, key=lambda point: (-point[2], point[1])):
        best.setdefault(point[0].rate_hz, point)
    for rate_hz, (_, latency, accuracy, _) in best.items():
        axis.annotate(
            f"{rate_hz / 1000:g} kHz",
            (latency, 100 * accuracy),
            xytext=(-7, 9),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=10,
            fontweight="bold",
            color=INK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


def dress_bars(axis: Any, rates_hz: Sequence[int], what: str) -> None:
    """Dress a panel of horizontal bars, one a rate from the top down, `what` along its foot."""
    axis.set_yticks(range(len(rates_hz)), [f"{rate_hz / 1000:g} kHz" for rate_hz in rates_hz])
    axis.set_ylim(len(rates_hz) - 0.5, -0.75)
    axis.set_xlabel(what, color=MUTED)
    axis.grid(True, axis="x", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=MUTED, length=0, labelsize=9.5)
    axis.tick_params(axis="y", labelcolor=INK)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)
