"""The picture: time to a label, throughput of the log-mel, memory over the hour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kilohear import extras
from kilohear.files import replacing
from kilohear_bench.figure import COLOURS, GRID, INK, MUTED, NAMES
from kilohear_bench.latency import real_time_factor
from kilohear_bench.measurement import Measurement
from kilohear_bench.peers import COVERING
from kilohear_bench.speed.label import AND_DECIMATION
from kilohear_bench.speed.logmel import OURS
from kilohear_bench.speed.part import Part

PEER = "#9aa5b1"


def draw_speed(parts: Mapping[str, Part], path: Path) -> None:
    """Draw a panel a part and write them as PNG, atomically."""
    extras.load("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0), hspace=0.08, wspace=0.06)
    panels = {
        "label": (grid[:, 0], "5 s of waveform to a label, one thread", _draw_label),
        "logmel": (grid[0, 1], "Log-mel of a whole clip, one core", _draw_log_mel),
        "listening": (grid[1, 1], "Memory while listening at 1 kHz", _draw_memory),
    }
    for name, (place, title, draw) in panels.items():
        axis = figure.add_subplot(place)
        _dress(axis, title)
        if name in parts:
            draw(axis, parts[name])
        else:
            axis.text(0.5, 0.5, "not measured", ha="center", color=MUTED, transform=axis.transAxes)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")


def _draw_label(axis: Any, part: Part) -> None:
    """A line a subject: the median, and a whisker up to the 95th percentile."""
    shown = [m for m in part.of("latency").values() if _is_drawn(m)]
    shown.sort(key=lambda m: m.median)
    for row, m in enumerate(reversed(shown)):
        about = m.conditions
        is_student = about["role"] == "student"
        colour = COLOURS.get(about["runtime"], INK) if is_student else PEER
        axis.plot([m.median, m.p95], [row, row], color=colour, linewidth=2, alpha=0.45)
        axis.plot(m.median, row, "o", color=colour, markersize=9 if is_student else 8)
        axis.annotate(
            f"{m.median:.2f} ms",
            (m.median, row),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK if is_student else MUTED,
        )
    axis.set_xscale("log")
    axis.set_yticks(range(len(shown)), [_label_name(m) for m in reversed(shown)])
    axis.set_ylim(-0.6, len(shown) - 0.2)
    axis.margins(x=0.12)
    axis.set_xlabel("ms, log scale: median, and up to the 95th percentile", color=MUTED)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: "")
    axis.grid(visible=True, axis="x", color=GRID, linewidth=0.8)


def _draw_log_mel(axis: Any, part: Part) -> None:
    """A bar a library, a group a rate."""
    whole = [m for m in part.of("cpu_time").values() if m.conditions["way"] == "whole"]
    rates_hz = sorted({m.conditions["rate_hz"] for m in whole}, reverse=True)
    libraries = list(dict.fromkeys(m.conditions["library"] for m in whole))
    shades = dict(zip(libraries, ("#d1495b", "#2e6f95", "#7ba7c4", "#c3ccd5"), strict=False))
    width = 0.8 / len(libraries)
    for m in whole:
        library, group = m.conditions["library"], rates_hz.index(m.conditions["rate_hz"])
        at = group + (libraries.index(library) - (len(libraries) - 1) / 2) * width
        factor = real_time_factor(m.conditions["sound_s"], m.median)
        axis.bar(at, factor, 0.9 * width, color=shades[library], label=library if not group else "")
        weight = "bold" if library == OURS else "normal"
        text = f"{factor / 1e3:.1f}k"
        axis.text(at, factor, text, ha="center", va="bottom", fontsize=7, color=INK, weight=weight)
    axis.set_xticks(range(len(rates_hz)), [f"{rate_hz // 1000} kHz" for rate_hz in rates_hz])
    axis.set_ylabel("s of sound a CPU second", color=MUTED)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.margins(y=0.12)
    axis.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axis.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper left")


def _draw_memory(axis: Any, part: Part) -> None:
    """A line a runtime; of several granted rates the first."""
    highest = 0.0
    drawn: set[str] = set()
    for m in part.of("resident_memory").values():
        runtime = m.conditions["runtime"]
        if m.conditions["paced"] or runtime in drawn:
            continue
        drawn.add(runtime)
        minutes = m.conditions["every_s"] / 60 * np.arange(1, len(m.samples) + 1)
        megabytes = np.asarray(m.samples) / 1e6
        highest = max(highest, megabytes.max())
        share = part.of("cpu_share")[m.subject].mean
        colour = COLOURS.get(runtime, INK)
        axis.plot(minutes, megabytes, color=colour, linewidth=2)
        axis.annotate(
            f"{NAMES.get(runtime, runtime)}, {share:.2%} of one core",
            (minutes[0], megabytes[-1]),
            xytext=(2, 5),
            textcoords="offset points",
            fontsize=9,
            color=colour,
        )
    axis.set_ylim(0, 1.3 * highest)
    axis.set_xlabel("minutes of sound", color=MUTED)
    axis.set_ylabel("resident memory, MB", color=MUTED)
    axis.grid(visible=True, axis="y", color=GRID, linewidth=0.8)


def _dress(axis: Any, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", colors=MUTED, length=0, labelsize=9)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)


def _is_drawn(m: Measurement) -> bool:
    about = m.conditions
    if about["role"] == "student":
        return about["precision"] == "float32" and AND_DECIMATION not in m.subject
    return about["bundle"] != "YAMNet" or m.subject == COVERING


def _label_name(m: Measurement) -> str:
    about = m.conditions
    if about["role"] == "student":
        return f"{about['rate_hz'] // 1000} kHz student, {NAMES.get(about['runtime'])}"
    if about["bundle"] == "YAMNet":
        return "YAMNet, LiteRT"
    return f"{about['bundle']}, {NAMES.get(about['runtime'])}"
