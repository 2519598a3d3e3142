"""The figure: word error rate and STOI by sampling rate, published and measured told apart."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from kilohear import extras
from kilohear.files import replacing
from kilohear_bench.figure import GRID, INK, MUTED
from kilohear_bench.privacy.report import LISTENERS, PrivacyRun, Row, rows

_STYLES = {
    ("published", ""): ("#66727f", "o", "--", "people"),
    ("measured", ""): ("#1f2933", "s", "-", "people"),
    ("measured", "decimator"): ("#d1495b", "o", "-", "our decimator"),
    ("measured", "soxr"): ("#2e6f95", "^", ":", "soxr"),
    ("measured", "band-extension"): ("#e0a458", "D", ":", "attack: band extension"),
}
"""Colour, marker, line and name by kind and treatment."""
_ASIDE = {"soxr": 0.09, "band-extension": 0.18}
"""How far right of its rate a treatment stands, octaves: their points nearly coincide."""


def draw(run: PrivacyRun, path: Path) -> None:
    """Draw both panels and write them as PNG, atomically."""
    extras.load("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.9), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    lines: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows(run):
        lines[row.kind, row.treatment].append(row)
    for key, line in lines.items():
        line.sort(key=lambda row: row.rate_hz)
        _draw_wer(left, key, line, run.configuration.recogniser)
        if line[0].who != LISTENERS:
            _draw_stoi(right, key, line)
    rates = sorted({row.rate_hz for line in lines.values() for row in line})
    _finish(left, rates, "word error rate, %, clips capped at 100%", 104)
    _finish(right, rates, "STOI (measured), 1 is the original", 1.04)
    left.set_title("Words not understood", loc="left", fontsize=10.5, color=INK)
    right.set_title("Envelopes left", loc="left", fontsize=10.5, color=INK)
    figure.suptitle(
        "What is left of speech, by sampling rate",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")


def _draw_wer(axis: Any, key: tuple[str, str], line: list[Row], recogniser: str) -> None:
    kind, treatment = key
    colour, marker, dash, name = _STYLES[key]
    values, below, above = [], [], []
    for row in line:
        value = row.score.pooled.value if row.score else row.published or 0.0
        values.append(100 * value)
        below.append(100 * (value - row.score.pooled.low) if row.score else 0.0)
        above.append(100 * (row.score.pooled.high - value) if row.score else 0.0)
    axis.errorbar(
        _at(line, treatment),
        values,
        yerr=(below, above) if kind != "published" else None,
        label=f"{name} ({kind})" if not treatment else f"{recogniser}, {name} ({kind})",
        **_style(colour, marker, dash, kind),
    )


def _draw_stoi(axis: Any, key: tuple[str, str], line: list[Row]) -> None:
    kind, treatment = key
    colour, marker, dash, _ = _STYLES[key]
    stois = [row.stoi for row in line if row.stoi is not None]
    medians = [stoi.median for stoi in stois]
    axis.errorbar(
        _at(line, treatment),
        medians,
        yerr=(
            [m - stoi.interval[0] for m, stoi in zip(medians, stois, strict=True)],
            [stoi.interval[1] - m for m, stoi in zip(medians, stois, strict=True)],
        ),
        **_style(colour, marker, dash, kind),
    )


def _style(colour: str, marker: str, dash: str, kind: str) -> dict[str, Any]:
    return {
        "color": colour,
        "marker": marker,
        "linestyle": dash,
        "linewidth": 1.5,
        "elinewidth": 1.3,
        "capsize": 3,
        "markersize": 7,
        "markerfacecolor": "white" if kind == "published" else colour,
        "markeredgecolor": colour,
        "markeredgewidth": 1.6,
    }


def _at(line: list[Row], treatment: str) -> list[float]:
    return [row.rate_hz * 2 ** _ASIDE.get(treatment, 0.0) for row in line]


def _finish(axis: Any, rates: list[int], label: str, top: float) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xticks(rates, [f"{rate_hz / 1000:g}" for rate_hz in rates])
    axis.minorticks_off()
    axis.margins(x=0.08)
    axis.set_ylim(0, top)
    axis.set_xlabel("sampling rate, kHz", color=MUTED)
    axis.set_ylabel(label, color=MUTED)
    axis.grid(True, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", colors=MUTED, length=0, labelsize=9)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)
