"""The picture of the work: instructions per second of sound, a bar a rate, a piece a stage."""

from __future__ import annotations

from pathlib import Path

from kilohear import extras
from kilohear.files import replacing
from kilohear_bench.board.run import BoardRun
from kilohear_bench.board.simulated import REST
from kilohear_bench.figure import INK, dress_bars

_PIECES = {
    "capture and decimator": (("capture", "decimator"), "#2e6f95"),
    "log-mel": (("logmel",), "#8fb8d0"),
    "its FFT": (("fft",), "#3a9d74"),
    "student": (("student", "events"), "#d1495b"),
    "waking, sleeping, serial line": (REST, "#b9c2cb"),
}


def draw_work(run: BoardRun, path: Path) -> None:
    """Draw the instructions of every stage and rate, and write them as PNG, atomically."""
    extras.load("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates_hz = run.rates_hz
    figure = Figure(figsize=(8.4, 1.9 + 0.52 * len(rates_hz)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    ends = [0.0] * len(rates_hz)
    for name, (stages, colour) in _PIECES.items():
        widths = [run.total(hz, "instructions", stages) / 1e6 for hz in rates_hz]
        axis.barh(
            range(len(rates_hz)), widths, left=ends, height=0.56, color=colour,
            edgecolor="white", linewidth=0.8, label=name, zorder=2,
        )  # fmt: skip
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for y, (hz, end) in enumerate(zip(rates_hz, ends, strict=True)):
        low = run.total(hz, "instructions", ("decimator", "logmel", "fft")) / 1e6
        axis.annotate(
            f"{end:.2f} M, {low:.2f} M before the student",
            (end, y), xytext=(8, 0), textcoords="offset points", va="center",
            fontsize=9.5, color=INK,
        )  # fmt: skip
    dress_bars(axis, rates_hz, "million instructions per second of sound (simulated)")
    axis.set_xlim(0, 1.5 * max(ends))
    figure.suptitle(
        "What a second of sound takes on the board, the student every 5 s",
        x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK,
    )  # fmt: skip
    figure.legend(
        loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK,
        handlelength=1.1,
    )  # fmt: skip
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")
