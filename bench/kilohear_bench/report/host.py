"""The host's table: what its students are worth and what they cost, a row a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilohear_bench.accuracy import METRICS
from kilohear_bench.latency import real_time_factor
from kilohear_bench.machine import HOST
from kilohear_bench.measurement import Measurement
from kilohear_bench.report.plain import markdown_table
from kilohear_bench.result import Run
from kilohear_bench.subject import Tested

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "bundle",
    "rate",
    "runtime",
    "precision",
    "macro accuracy",
    "macro F1",
    "latency median ms",
    "latency p95 ms",
    "real-time factor",
    "file kB",
    "peak memory MB",
)
_ABSENT = "not measured"


def rows(run: Run) -> list[tuple[str, ...]]:
    """Return the table's cells, a row a subject, in the order of COLUMNS."""
    host = run.of(HOST)
    return [_row(host, subject) for subject in host.subjects]


def markdown(run: Run) -> str:
    """Return the report as Markdown."""
    machine = run.machine
    lines = [
        "# Bench report",
        "",
        f"{run.started_at}, {machine['cpu']}, {machine['physical_cores']} cores, "
        f"{machine['system']}, Python {machine['python']}; one thread.",
        "",
        *markdown_table(COLUMNS, rows(run), 4),
        "",
        *(f"- {note}" for note in notes(run)),
        "",
        "![Accuracy against latency](accuracy_latency.png)",
        "",
    ]
    return "\n".join(lines)


def notes(run: Run) -> list[str]:
    """Return what must be known to read the table: kinds, conditions, origins."""
    run = run.of(HOST)
    counts = {len(m.samples) for m in run.measurements if m.name == "latency"}
    windows = ", ".join(map(str, sorted(counts)))
    said = [
        f"Latency in ms ({_kinds(run, 'latency')}): one window of waveform to probabilities, "
        f"median and 95th percentile of {windows} windows, subjects in turns.",
        "Real-time factor: seconds of sound classified per second of computing, window / median "
        f"latency (computed from what was {_kinds(run, 'latency')}).",
        f"File ({_kinds(run, 'file_size')}): bytes on disk, 1 kB = 1,000 bytes.",
    ]
    if run.configuration.memory:
        said.append(
            f"Peak memory ({_kinds(run, 'peak_memory')}): a whole fresh process with interpreter "
            "and numpy; ExecuTorch's Python bindings import torch, which is most of theirs. "
            "1 MB = 1,000,000 bytes."
        )
    scores = [m for m in run.measurements if m.name in METRICS]
    said += dict.fromkeys(_origin(measurement) for measurement in scores)
    if any(run.find("macro_accuracy", subject.name) is None for subject in run.subjects):
        said.append(f"Accuracy {_ABSENT}: the card holds no score of that file's own.")
    return said


def terminal_table(run: Run, title: str) -> Table:
    """Return the table for a terminal of 80 columns: a heading a bundle, a line a file."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    run = run.of(HOST)
    headings = ["", "accuracy", "F1", "ms", "p95", "factor", "kB"]
    headings += ["MB"] if run.configuration.memory else []
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=bool(i))
    for i, (subject, row) in enumerate(zip(run.subjects, rows(run), strict=True)):
        bundle, rate, runtime, precision, accuracy, f1, *costs = row
        if not i or run.subjects[i - 1].bundle != subject.bundle:
            table.add_row(Text(f"{bundle}, {rate}", style="bold"))
        scores = (accuracy.partition(" (")[0], f1.partition(" ")[0])
        cells = ("-" if cell.startswith("not") else cell for cell in (*scores, *costs))
        table.add_row(f"{runtime} {precision}", *list(cells)[: len(headings) - 1])
    return table


def _row(run: Run, subject: Tested) -> tuple[str, ...]:
    latency = run.find("latency", subject.name)
    size = run.find("file_size", subject.name)
    memory = run.find("peak_memory", subject.name)
    return (
        subject.bundle,
        f"{subject.rate_hz:,} Hz",
        subject.runtime,
        subject.precision,
        *(_score_cell(run.find(metric, subject.name)) for metric in METRICS),
        f"{latency.median:.2f}" if latency else _ABSENT,
        f"{latency.p95:.2f}" if latency else _ABSENT,
        f"{real_time_factor(subject.window_s, latency.median):,.0f}" if latency else _ABSENT,
        f"{size.median / 1e3:,.0f}" if size else _ABSENT,
        f"{memory.median / 1e6:,.0f}" if memory else _ABSENT,
    )


def _score_cell(score: Measurement | None) -> str:
    if score is None:
        return _ABSENT
    if score.meter == "card":
        return f"{score.mean:.3f} ± {score.std:.3f} ({score.kind}, card)"
    return f"{score.mean:.3f} ({score.kind})"


def _origin(score: Measurement) -> str:
    conditions = score.conditions
    if score.meter == "card":
        return (
            f"Accuracy and F1 on {conditions['dataset']} ({score.kind}, from the card): mean ± "
            f"standard deviation of {len(score.samples)} folds. {conditions['note']}"
        )
    return (
        f"Accuracy and F1 on {conditions['dataset']} ({score.kind} in this run): mean of "
        f"{len(score.samples)} classes; {conditions['note']}."
    )


def _kinds(run: Run, name: str) -> str:
    return ", ".join(sorted({m.kind for m in run.measurements if m.name == name})) or _ABSENT
