"""Where the board's current goes, by sampling rate: both profiles of the model, side by side.

The profiles stand in panels of their own, each with its own scale: the one is a fit to what the
paper's board drew, the other a sum of parts for our firmware. Nothing here was measured.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohear import extras
from kilohear.bundle import Kind
from kilohear.errors import ConfigError, DataError
from kilohear.files import replacing
from kilohear_bench.figure import INK, MUTED, dress_bars
from kilohear_bench.meters.model import (
    CONSTANTS,
    FORM,
    Load,
    PaperEstimate,
    PhysicalEstimate,
    fit_paper,
    paper_estimate,
    physical_estimate,
    published_points,
    typical,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

COUNTS = Path(__file__).with_name("counts.json")
"""What the simulator counted of the firmware that ships."""
GOAL_MA = 1.0
"""What the physical profile should stay under at 1 kHz."""

_KEYS = {"effective_hz", "pdm_clock_hz", "cycles_per_s"}
_OPTIONAL = {"wakes_per_s", "duty", "uart_share", "flash_in_sleep", "paper_workload_cycles_per_s"}

_GROUPS = {
    "microphone": ("microphone",),
    "oscillator for PDM": ("clock",),
    "PDM filter and lines": ("pdm",),
    "arithmetic": ("arithmetic",),
    "regulator": ("regulator",),
    "sleep and wake-ups": ("sleep", "wake-ups"),
    "serial port": ("uart",),
}
"""What is drawn as one piece, in this order."""
_COLOURS = {
    "microphone": ("#2e6f95", "blue"),
    "oscillator for PDM": ("#8fb8d0", "bright_blue"),
    "PDM filter and lines": ("#c7dbe6", "cyan"),
    "arithmetic": ("#d1495b", "red"),
    "regulator": ("#b9c2cb", "white"),
    "sleep and wake-ups": ("#66727f", "bright_black"),
    "serial port": ("#e0a458", "yellow"),
    "at every rate": ("#b9c2cb", "white"),
    "grows with the rate": ("#e0a458", "yellow"),
}


@dataclasses.dataclass(frozen=True)
class Counts:
    """Cycles by rate and stage with their origin.

    Attributes
    ----------
    kind
        `simulated`, or `measured` by a board's own counter.
    source
        Who counted.
    loads
        By nominal rate, highest first.
    paper_workload
        Cycles per second of audio of the paper's workload, an FFT a block, by nominal rate.
    """

    kind: Kind
    source: str
    loads: dict[int, Load]
    paper_workload: dict[int, float]


def load_counts(path: Path = COUNTS) -> Counts:
    """Read the simulator's counts.

    The file is JSON: `kind`, `source` and `rates`, which has for each nominal rate in Hz (as text)

    - `effective_hz`, `pdm_clock_hz`: Hz;
    - `cycles_per_s`: cycles per second of captured audio by stage, stages disjoint (`logmel`
      without the `fft` in it);
    - optionally `wakes_per_s` (2), `duty` (1), `uart_share` (0), `flash_in_sleep` (false), and
      `paper_workload_cycles_per_s`: the command `fft N` at this rate; without it, the stages
      `capture` and `fft`.

    Raises
    ------
    DataError
        Where the file can't be read or has another form.
    """
    try:
        content = json.loads(path.read_text())
        kind, source, rates = content["kind"], content["source"], content["rates"]
        loads, workload = {}, {}
        for rate_hz in sorted(map(int, rates), reverse=True):
            entry = dict(rates[str(rate_hz)])
            unknown = set(entry) - _KEYS - _OPTIONAL
            if unknown or not entry.keys() >= _KEYS:
                missing = _KEYS - entry.keys()
                raise DataError(
                    f"{path}: {rate_hz} Hz has unknown {sorted(unknown)}, lacks {sorted(missing)}; "
                    "count again with this version"
                )
            cycles = entry["cycles_per_s"]
            default = cycles.get("capture", 0.0) + cycles.get("fft", 0.0)
            workload[rate_hz] = float(entry.pop("paper_workload_cycles_per_s", default))
            loads[rate_hz] = Load(rate_hz=rate_hz, kind=kind, **entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: no counts of the simulator ({type(error).__name__}: {error}); run "
            "kilohear bench --device apollo3-simulator"
        ) from None
    if kind not in ("simulated", "measured") or not loads:
        raise DataError(f"{path}: kind {kind!r} with {len(loads)} rates; counts are simulated")
    return Counts(kind, str(source), loads, workload)


@dataclasses.dataclass(frozen=True)
class Drop:
    """What arithmetic explains of the drop that the paper saw from its highest to its lowest rate.

    Attributes
    ----------
    published_ma
        The drop, from the published battery hours, mA.
    arithmetic_ma
        Of the workload's cycles at the core's current per MHz (physical profile), mA.
    low_ma, high_ma
        The same over the range of that constant.
    """

    published_ma: float
    arithmetic_ma: float
    low_ma: float
    high_ma: float

    @property
    def share(self) -> float:
        """Share of the drop that arithmetic explains."""
        return self.arithmetic_ma / self.published_ma


def explained_drop(counts: Counts) -> Drop:
    """Return how little of the paper's drop its arithmetic explains."""
    currents = {point.rate_hz: point.current_ma for point in published_points()}
    high, low = max(currents), min(currents)
    missing = {high, low} - counts.paper_workload.keys()
    if missing:
        raise ConfigError(f"no cycles at {sorted(missing)} Hz; count {high} and {low} Hz")
    mhz = (counts.paper_workload[high] - counts.paper_workload[low]) / 1e6
    active = next(constant for constant in CONSTANTS if constant.name == "active")
    return Drop(
        published_ma=currents[high] - currents[low],
        arithmetic_ma=mhz * active.value / 1e3,
        low_ma=mhz * active.low / 1e3,
        high_ma=mhz * active.high / 1e3,
    )


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Both profiles at each rate, highest first."""

    counts: Counts
    paper: tuple[PaperEstimate, ...]
    physical: tuple[PhysicalEstimate, ...]
    drop: Drop


def explain(counts: Counts) -> Explanation:
    """Compute both profiles at each rate that was counted."""
    return Explanation(
        counts=counts,
        paper=tuple(paper_estimate(rate_hz) for rate_hz in counts.loads),
        physical=tuple(physical_estimate(load) for load in counts.loads.values()),
        drop=explained_drop(counts),
    )


def sentences(explanation: Explanation) -> list[str]:
    """Return what there is to say, a sentence or two each."""
    drop, counts, model = explanation.drop, explanation.counts, fit_paper()
    misses = ", ".join(
        f"{point.rate_hz / 1000:g} kHz {point.fitted_h:.1f} h ({point.hours:+.2f})"
        for point in model.residuals
    )
    values = typical()
    modes = values["microphone standard"] - values["microphone low-power"]
    said = [
        f"Arithmetic explains {100 * drop.share:.1f}% of the paper's drop: of "
        f"{drop.published_ma:.2f} mA between 16 and 1 kHz the transforms account for "
        f"{1e3 * drop.arithmetic_ma:.0f} uA ({1e3 * drop.low_ma:.0f} to "
        f"{1e3 * drop.high_ma:.0f}), at the current per MHz of the profile physical; cycles: "
        f"{counts.kind}, {counts.source}.",
        "Three numbers don't say where the rest goes. Of the physical parts the microphone's mode "
        f"({modes:.0f} uA between standard and low-power) and its clock are the candidates.",
        f"Profile paper: {model.base_ma:.3f} mA + {model.slope_ma:.4f} mA a kHz ({FORM}), "
        f"{len(model.residuals)} points, {model.degrees_of_freedom} degree of freedom; fitted "
        f"battery life (less the published): {misses}. 8 and 4 kHz are predictions.",
    ]
    lowest = min(explanation.physical, key=lambda estimate: estimate.load.rate_hz)
    load, shares = lowest.load, _groups(lowest)
    first = max(shares, key=lambda name: shares[name])
    said.append(
        f"Profile physical at {load.rate_hz / 1000:g} kHz ({load.effective_hz:g} Hz effective): "
        f"{lowest.current_ma:.2f} mA ({lowest.low_ma:.2f} to {lowest.high_ma:.2f}, 95% of 10,000 "
        f"draws of the constants), {lowest.battery_h:.0f} h on 300 mAh; the goal of "
        f"{GOAL_MA:g} mA is {'met' if lowest.high_ma <= GOAL_MA else 'not met for certain'}. The "
        f"core sleeps {100 * (1 - load.busy * load.duty):.0f}% of the time; the largest part is "
        f"{first} with {shares[first] / 10 / lowest.current_ma:.0f}%, arithmetic has "
        f"{shares['arithmetic'] / 10 / lowest.current_ma:.0f}%."
    )
    assumed = [constant.name for constant in CONSTANTS if constant.assumed]
    said.append(
        f"Both are modelled, nothing was measured; assumed without a source: {', '.join(assumed)}."
    )
    return said


def _groups(estimate: PhysicalEstimate) -> dict[str, float]:
    """Return the drawn pieces, uA; without those that draw nothing."""
    pieces = {
        name: sum(estimate.parts_ua[part] for part in parts) for name, parts in _GROUPS.items()
    }
    return {name: ua for name, ua in pieces.items() if ua > 0}


def _paper_pieces(estimate: PaperEstimate) -> dict[str, float]:
    """Return the fit's two terms, mA."""
    base = fit_paper().base_ma
    return {"at every rate": base, "grows with the rate": estimate.current_ma - base}


# ---- terminal --------------------------------------------------------------------------------


def terminal(explanation: Explanation, width: int = 28) -> RenderableType:
    """Return both panels and the sentences for a terminal."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    paper = Panel(
        _rows([_paper_row(estimate) for estimate in explanation.paper], width),
        title="profile paper: the paper's board, fitted to its three points (modelled)",
        title_align="left",
    )
    physical = Panel(
        _rows([_physical_row(estimate) for estimate in explanation.physical], width),
        title=f"profile physical: our firmware, a sum of parts (modelled; cycles "
        f"{explanation.counts.kind})",
        title_align="left",
    )
    lines = [Text(f"- {sentence}") for sentence in sentences(explanation)]
    return Group(paper, physical, *lines)


_Row = tuple[str, dict[str, float], str]
"""A rate's name, its pieces in mA, and what stands behind the bar."""


def _paper_row(estimate: PaperEstimate) -> _Row:
    known = estimate.published_ma
    behind = (
        f"published {known:.2f} mA"
        if known is not None
        else f"predicted ({estimate.low_ma:.2f}-{estimate.high_ma:.2f})"
    )
    text = f"{estimate.current_ma:.2f} mA {estimate.battery_h:5.1f} h  {behind}"
    return _rate(estimate.rate_hz), _paper_pieces(estimate), text


def _physical_row(estimate: PhysicalEstimate) -> _Row:
    pieces = {name: ua / 1e3 for name, ua in _groups(estimate).items()}
    text = (
        f"{estimate.current_ma:.2f} mA ({estimate.low_ma:.2f}-{estimate.high_ma:.2f}) "
        f"{estimate.battery_h:4.0f} h"
    )
    return _rate(estimate.load.rate_hz), pieces, text


def _rate(rate_hz: int) -> str:
    return f"{rate_hz / 1000:g} kHz"


def _rows(rows: list[_Row], width: int) -> Any:
    from rich.console import Group
    from rich.text import Text

    longest = max(sum(pieces.values()) for _, pieces, _ in rows)
    lines, names = [], {}
    for name, pieces, behind in rows:
        line = Text(f"{name:>6} ")
        done = 0.0
        for piece, ma in pieces.items():
            # Rounded at each end, so that the whole bar is right whatever its pieces.
            first, done = round(done / longest * width), done + ma
            line.append("█" * (round(done / longest * width) - first), _COLOURS[piece][1])
            names[piece] = _COLOURS[piece][1]
        line.append(" " * (width - round(done / longest * width)) + f" {behind}")
        lines.append(line)
    legend = Text("       ")
    for piece, colour in names.items():
        legend.append("█ ", colour).append(f"{piece}  ")
    return Group(*lines, legend)


# ---- figure ----------------------------------------------------------------------------------


def draw(explanation: Explanation, path: Path) -> None:
    """Draw both panels and write them as PNG, atomically."""
    extras.load("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.6, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_paper(left, explanation)
    _draw_physical(right, explanation)
    figure.suptitle(
        "Where the board's current goes, by sampling rate",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    drop = explanation.drop
    note = (
        f"Of the paper's drop of {drop.published_ma:.2f} mA from 16 to 1 kHz, arithmetic explains "
        f"{1e3 * drop.arithmetic_ma:.0f} uA: {100 * drop.share:.1f}%.  "
        f"Cycles: {explanation.counts.kind}, {explanation.counts.source}.\n"
        "Two profiles that answer different questions, each with its own scale; both are modelled, "
        "nothing here was measured."
    )
    figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=MUTED)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")


def _draw_paper(axis: Any, explanation: Explanation) -> None:
    for y, estimate in enumerate(explanation.paper):
        known = estimate.published_ma
        _bar(axis, y, _paper_pieces(estimate), faint=known is None)
        if known is None:
            axis.plot([estimate.low_ma, estimate.high_ma], [y, y], color=INK, linewidth=1.2)
            label = f"{estimate.current_ma:.2f} mA predicted"
        else:
            axis.plot(known, y, "D", color=INK, markersize=6, label="published")
            label = f"fit {estimate.current_ma:.2f} mA, {estimate.battery_h:.1f} h"
        _name(axis, label, max(estimate.high_ma, estimate.current_ma), y)
    _dress(axis, [estimate.rate_hz for estimate in explanation.paper])
    axis.set_title(
        "Profile paper: the paper's board\nfitted to its three published points (modelled)",
        loc="left",
        fontsize=10.5,
        color=INK,
    )
    axis.set_xlim(0, 1.42 * max(estimate.high_ma for estimate in explanation.paper))


def _draw_physical(axis: Any, explanation: Explanation) -> None:
    for y, estimate in enumerate(explanation.physical):
        _bar(axis, y, {name: ua / 1e3 for name, ua in _groups(estimate).items()})
        axis.errorbar(
            estimate.current_ma,
            y,
            xerr=[
                [estimate.current_ma - estimate.low_ma],
                [estimate.high_ma - estimate.current_ma],
            ],
            color=INK,
            elinewidth=1.2,
            capsize=3,
        )
        text = f"{estimate.current_ma:.2f} mA, {estimate.battery_h:.0f} h"
        _name(axis, text, estimate.high_ma, y)
    _dress(axis, [estimate.load.rate_hz for estimate in explanation.physical])
    axis.axvline(GOAL_MA, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axis.annotate(
        "goal at 1 kHz",
        (GOAL_MA, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        fontstyle="italic",
        color=MUTED,
    )
    axis.set_title(
        "Profile physical: our firmware\na sum of parts, 95% of 10,000 draws (modelled)",
        loc="left",
        fontsize=10.5,
        color=INK,
    )
    axis.set_xlim(0, 1.38 * max(estimate.high_ma for estimate in explanation.physical))


def _name(axis: Any, text: str, x: float, y: int) -> None:
    """Write a bar's figures behind it, over the grid."""
    from matplotlib.patheffects import withStroke

    axis.annotate(
        text,
        (x, y),
        xytext=(10, 0),
        textcoords="offset points",
        va="center",
        fontsize=9.5,
        color=INK,
        path_effects=[withStroke(linewidth=4, foreground="white")],
    )


def _bar(axis: Any, y: int, pieces: dict[str, float], faint: bool = False) -> None:
    start = 0.0
    for piece, ma in pieces.items():
        axis.barh(
            y,
            ma,
            left=start,
            height=0.56,
            color=_COLOURS[piece][0],
            alpha=0.45 if faint else 1.0,
            edgecolor="white",
            linewidth=0.8,
            label=None if faint else piece,
            zorder=2,
        )
        start += ma


def _dress(axis: Any, rates_hz: list[int]) -> None:
    dress_bars(axis, rates_hz, "mean current, mA (modelled)")
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axis.legend(
        once.values(),
        once,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.1,
    )


def constants_table() -> RenderableType:
    """Return the physical profile's constants with their sources, for a terminal."""
    from rich.table import Table

    table = Table(title="profile physical: constants", title_justify="left", show_lines=True)
    for column in ("constant", "value", "range", "source"):
        table.add_column(column)
    for constant in CONSTANTS:
        table.add_row(
            constant.name,
            f"{constant.value:g} {constant.unit}",
            f"{constant.low:g}-{constant.high:g}",
            constant.source,
        )
    return table
