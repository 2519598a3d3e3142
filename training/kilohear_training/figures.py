"""Figure 2, fold by fold, and confusion matrices, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kilohear.files import replacing
from kilohear_training.results import Cell, Collection, Key
from kilohear_training.tables import BASELINE, METRIC_NAMES

INK, MUTED, GRID = "#1f2933", "#66727f", "#e4e8ec"
UP, DOWN = "#2e6f95", "#d1495b"

_Pair = tuple[Key, Cell, Cell]
"""The key of the later cell, the earlier, the later."""


def draw_figure2(collection: Collection, path: Path) -> bool:
    """Draw each fold before (finetune) and after (cssd), a panel for each data set and rate.

    Returns whether there was anything to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pairs = _pairs(collection)
    panels = list(dict.fromkeys((key.dataset, key.rate_hz) for key, _, _ in pairs))
    if not panels:
        return False
    columns = min(4 if all(len(_own(pairs, panel)) == 1 for panel in panels) else 2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(
        figsize=(1.2 + (3.1 if columns != 2 else 5.2) * columns, 0.9 + 3.2 * rows),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (dataset, rate_hz) in zip(grid.flat, panels, strict=False):
        _draw_pairs(axis, _own(pairs, (dataset, rate_hz)))
        axis.set_title(f"{dataset}, {rate_hz / 1000:g} kHz", loc="left", fontsize=10, color=INK)
    figure.suptitle(
        "Fold by fold: finetune, then cssd (measured; blue gains, red loses)",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    _save(figure, path)
    return True


def draw_confusion(cell: Cell, path: Path) -> None:
    """Draw a confusion matrix: rows true, shares of each row, clips in numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = [label.replace("_", " ") for label in cell.any["labels"]]
    counts = cell.confusion()
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = 2.2 + 0.36 * len(labels)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        ink = "white" if share[row, column] > 0.55 else INK
        axis.text(
            column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=ink
        )
    axis.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8, color=INK)
    axis.set_yticks(range(len(labels)), labels, fontsize=8, color=INK)
    axis.tick_params(length=0)
    axis.set_xlabel("predicted", fontsize=9, color=MUTED)
    axis.set_ylabel("true", fontsize=9, color=MUTED)
    key = cell.key
    axis.set_title(
        f"{key.dataset}, {key.rate_hz / 1000:g} kHz: {key.arm}, {key.method}",
        loc="left",
        fontsize=10,
        fontweight="bold",
        color=INK,
    )
    for spine in axis.spines.values():
        spine.set_visible(False)
    _save(figure, path)


def _pairs(collection: Collection) -> list[_Pair]:
    pairs = []
    for after in collection.select(method="cssd"):
        key = Key(after.key.dataset, after.key.rate_hz, after.key.arm, BASELINE)
        before = collection.cells.get(key)
        if before is not None and set(before.results) & set(after.results):
            pairs.append((after.key, before.shared_with(after), after.shared_with(before)))
    return pairs


def _own(pairs: list[_Pair], panel: tuple[str, int]) -> list[_Pair]:
    return [pair for pair in pairs if (pair[0].dataset, pair[0].rate_hz) == panel]


def _draw_pairs(axis: Any, pairs: list[_Pair]) -> None:
    """Draw a pair of columns for each arm, joined fold by fold, and the means."""
    ticks: list[int] = []
    names: list[str] = []
    for place, (key, before, after) in enumerate(pairs):
        left, right = 3 * place, 3 * place + 1
        was, now = before.folds(), after.folds()
        for fold in sorted(set(was) & set(now)):
            colour = UP if now[fold] >= was[fold] else DOWN
            axis.plot(
                [left, right], [was[fold], now[fold]], color=colour, linewidth=1.2, alpha=0.85
            )
            axis.scatter([left, right], [was[fold], now[fold]], color=colour, s=16, zorder=3)
        for x, cell in ((left, before), (right, after)):
            axis.hlines(cell.mean, x - 0.35, x + 0.35, color=INK, linewidth=2, zorder=2)
        ticks += [left, right]
        names += ["finetune", "cssd"]
        axis.text(
            (left + right) / 2,
            -0.13,
            key.arm,
            ha="center",
            va="top",
            fontsize=8,
            fontweight="bold",
            color=INK,
            transform=axis.get_xaxis_transform(),
        )
    axis.set_xticks(ticks, names, fontsize=7, color=MUTED)
    axis.set_xlim(-0.8, 3 * len(pairs) - 1.2)
    axis.tick_params(axis="y", labelsize=8, labelcolor=MUTED, length=0)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y", color=GRID)
    axis.set_axisbelow(True)
    axis.set_ylabel(METRIC_NAMES[pairs[0][1].metric], fontsize=8, color=MUTED)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, metadata={"Software": None})
