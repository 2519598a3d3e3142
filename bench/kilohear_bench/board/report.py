"""The board's own report: `report.md`, and of a simulator `counts.json` and two pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kilohear.files import write_text
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.board.run import BoardRun, counts_of, interval_ma
from kilohear_bench.board.simulated import REST, STAGES
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.model import battery_hours
from kilohear_bench.report.plain import markdown_table

if TYPE_CHECKING:
    from rich.table import Table

_ABSENT = "-"
_FRONT_END = ("logmel", "fft")
_SHORT = {
    "decim": ("capture", "decimator"),
    "logmel": ("logmel",),
    "fft": ("fft",),
    "student": ("student", "events"),
}
"""A terminal's columns of stages."""


def write_report(run: BoardRun, folder: Path) -> None:
    """Write the report's files into `folder`, over those of an earlier one."""
    if run.simulated:
        from kilohear_bench.board.explain import draw, explain, load_counts
        from kilohear_bench.board.figure import draw_work

        write_text(folder / "counts.json", json.dumps(counts_of(run), indent=2) + "\n")
        draw_work(run, folder / "work.png")
        if _spans(run):
            draw(explain(load_counts(folder / "counts.json")), folder / "energy.png")
    write_text(folder / "report.md", markdown(run))


def markdown(run: BoardRun) -> str:
    """Return the report as Markdown."""
    machine = run.machine
    lines = [
        "# Board report",
        "",
        f"{run.started_at}, {machine['board']}, firmware {machine['firmware']}, "
        f"log-mel in {run.arithmetic}.",
    ]
    for title, (columns, rows) in tables(run).items():
        lines += [
            "",
            f"## {title}",
            "",
            *markdown_table(columns, rows, 1 + (columns[1] == "student")),
        ]
    lines += ["", *(f"- {note}" for note in notes(run))]
    if run.simulated:
        lines += ["", "![Instructions by stage and rate](work.png)"]
        if _spans(run):
            lines += ["", "![Where the current goes](energy.png)"]
    return "\n".join([*lines, ""])


def tables(run: BoardRun) -> dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return the report's tables, by title: columns and rows, a row a rate."""
    rates_hz = run.rates_hz
    made = {}
    if run.simulated:
        made["Instructions per second of sound, thousands (simulated)"] = (
            ("rate", "effective Hz", *STAGES, "rest", "all"),
            [_work_row(run, rate_hz) for rate_hz in rates_hz],
        )
        made["Cycles per second of sound, thousands (simulated, within 15%)"] = (
            ("rate", *STAGES, "rest", "all"),
            [(_rate(hz), *_counts(run, hz, "cycles")) for hz in rates_hz],
        )
        made["Time (simulated) and current (modelled)"] = (
            (
                "rate",
                "latency ms",
                "duty cycle",
                "physical mA (95%)",
                "physical h on 300 mAh",
                "paper mA",
                "paper h on 300 mAh",
            ),
            [_time_row(run, rate_hz) for rate_hz in rates_hz],
        )
    else:
        made["Time and current (measured)"] = (
            ("rate", "effective Hz", "latency ms", "mean current mA", "energy a window mJ"),
            [_measured_row(run, rate_hz) for rate_hz in rates_hz],
        )
    if any(run.find("macro_accuracy", rate_hz) for rate_hz in rates_hz):
        made["Worth (simulated)"] = (
            ("rate", "student", "macro accuracy", "macro F1", "labels as the reference", "logits"),
            [_worth_row(run, rate_hz) for rate_hz in rates_hz],
        )
    return made


def notes(run: BoardRun) -> list[str]:
    """Return what must be known to read the tables."""
    if not run.simulated:
        return [
            "Latency: from the end of a window's last block of samples to its label. Current and "
            "energy: from label to label, listening all along, the student once."
        ]
    said = [
        "Instructions are counted one by one; cycles are a cost by class of instruction. Windows "
        "of 5 s at the nominal rate follow each other, so the student runs every 5.12 s; `rest` is "
        "waking, sleeping and the serial line. Nothing here ran on a board.",
        "Latency: from the end of the block of samples that completes a window to its label, log-"
        "mel of that block included. Duty cycle: share of the time that the core is awake.",
        "The two profiles answer different questions. `physical`: what this firmware should draw, "
        "a sum of parts; the serial port has power only while it says a label; the interval is of "
        "10,000 draws of its constants. `paper`: what the paper's board drew, fitted to its three "
        "published points; at 8 and 4 kHz predicted.",
    ]
    if len(run.rates_hz) > 1:
        first, last = max(run.rates_hz), min(run.rates_hz)
        said.append(
            f"Of what {first:,} Hz needs, {last:,} Hz needs "
            f"{_share(run, last, first, _FRONT_END)} in the front end (log-mel with its FFT), "
            f"{_share(run, last, first, (*_FRONT_END, 'decimator'))} with the decimator, and "
            f"{_share(run, last, first, STAGES)} in all stages; instructions, per second of sound."
        )
    for rate_hz in run.rates_hz:
        if accuracy := run.find("macro_accuracy", rate_hz):
            compared = [
                f"{len(by.samples)} clips of {_bundle(by)}"
                for by in run.all("label_agreement", rate_hz)
            ]
            said.append(
                f"{_rate(rate_hz)}: {accuracy.conditions['dataset']}, played into the simulated "
                f"microphone; scored are {accuracy.conditions['note']}, by {_bundle(accuracy)}; "
                f"compared are {', '.join(compared)}."
            )
    return said


def terminal_table(run: BoardRun) -> Table:
    """Return the essence for a terminal of 80 columns, a line a rate."""
    from rich import box
    from rich.table import Table

    simulated = run.simulated
    title = "million cycles a second of sound, time, current, worth"
    columns = ["kHz", *_SHORT, "all", "ms", "awake", "mA", "h", "acc", "labels"]
    rows = [_short_row(run, rate_hz) for rate_hz in run.rates_hz]
    # A column in which no rate has anything to show isn't shown.
    shown = [i for i in range(len(columns)) if any(row[i] != _ABSENT for row in rows)]
    table = Table(
        title=f"{title} ({'simulated; mA and h modelled' if simulated else 'measured'})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for i in shown:
        table.add_column(columns[i], justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    return table


def readme_table(run: BoardRun) -> str:
    """Return the simulator's essence as Markdown, a line a rate."""
    columns = (
        "rate",
        "effective Hz",
        "million instructions a second of sound (simulated)",
        "latency ms (simulated)",
        "awake (simulated)",
        "physical mA (modelled, 95%)",
        "paper's board mA (modelled)",
        "accuracy (simulated)",
        "labels as the reference",
    )
    rows = []
    for rate_hz in run.rates_hz:
        _, latency, awake, physical, _, paper, _ = _time_row(run, rate_hz)
        _, _, accuracy, _, labels, _ = _worth_row(run, rate_hz)
        instructions = run.total(rate_hz, "instructions", (*STAGES, *REST)) / 1e6
        effective = f"{rate_of(rate_hz).effective_hz:,.1f}"
        work = (effective, f"{instructions:.2f}", latency, awake)
        rows.append((_rate(rate_hz), *work, physical, paper, accuracy, labels))
    return "\n".join(markdown_table(columns, rows, 1))


def _spans(run: BoardRun) -> bool:
    """Whether both ends of the paper's rates were counted, between which its current fell."""
    return {1_000, 16_000} <= set(run.rates_hz)


def _share(run: BoardRun, rate_hz: int, of_hz: int, stages: Sequence[str]) -> str:
    ratio = run.total(of_hz, "instructions", stages) / run.total(rate_hz, "instructions", stages)
    return f"1/{ratio:.1f}"


def _counts(run: BoardRun, rate_hz: int, what: str) -> tuple[str, ...]:
    values = [run.total(rate_hz, what, (stage,)) for stage in STAGES]
    values += [run.total(rate_hz, what, REST), run.total(rate_hz, what, (*STAGES, *REST))]
    return tuple(f"{value / 1e3:,.1f}" for value in values)


def _work_row(run: BoardRun, rate_hz: int) -> tuple[str, ...]:
    counts = _counts(run, rate_hz, "instructions")
    return (_rate(rate_hz), f"{rate_of(rate_hz).effective_hz:,.1f}", *counts)


def _time_row(run: BoardRun, rate_hz: int) -> tuple[str, ...]:
    duty = run.find("duty_cycle", rate_hz)
    physical, paper = (run.find(f"current_{p}", rate_hz) for p in ("physical", "paper"))
    cells = [_rate(rate_hz), _median(run.find("latency", rate_hz), ".0f")]
    cells.append(f"{duty.mean:.1%}" if duty else _ABSENT)
    if physical is None or paper is None:
        return (*cells, *4 * [_ABSENT])
    low_ma, high_ma = interval_ma(physical)
    return (
        *cells,
        f"{physical.mean:.2f} ({low_ma:.2f} to {high_ma:.2f})",
        f"{battery_hours(physical.mean):.0f} ({battery_hours(high_ma):.0f} to "
        f"{battery_hours(low_ma):.0f})",
        f"{paper.mean:.2f}",
        f"{battery_hours(paper.mean):.1f}",
    )


def _short_row(run: BoardRun, rate_hz: int) -> tuple[str, ...]:
    duty, accuracy = run.find("duty_cycle", rate_hz), run.find("macro_accuracy", rate_hz)
    current = run.find("current_physical", rate_hz) or run.find("current", rate_hz)
    cycles = [run.total(rate_hz, "cycles", stages) for stages in _SHORT.values()]
    return (
        f"{rate_hz / 1000:g}",
        *(f"{value / 1e6:.2f}" for value in cycles),
        f"{run.total(rate_hz, 'cycles', (*STAGES, *REST)) / 1e6:.2f}",
        _median(run.find("latency", rate_hz), ".0f"),
        f"{duty.mean:.1%}" if duty else _ABSENT,
        f"{current.mean:.2f}" if current else _ABSENT,
        f"{battery_hours(current.mean):.0f}" if current else _ABSENT,
        f"{accuracy.mean:.3f}" if accuracy else _ABSENT,
        _agreed(run, "label", rate_hz, "/"),
    )


def _measured_row(run: BoardRun, rate_hz: int) -> tuple[str, ...]:
    current = run.find("current", rate_hz)
    return (
        _rate(rate_hz),
        f"{rate_of(rate_hz).effective_hz:,.1f}",
        _median(run.find("latency", rate_hz), ".0f"),
        f"{current.mean:.3f}" if current else _ABSENT,
        _median(run.find("window_energy", rate_hz), ".2f"),
    )


def _worth_row(run: BoardRun, rate_hz: int) -> tuple[str, ...]:
    accuracy, f1 = (run.find(name, rate_hz) for name in ("macro_accuracy", "macro_f1"))
    if accuracy is None or f1 is None:
        return (_rate(rate_hz), *5 * [_ABSENT])
    return (
        _rate(rate_hz),
        _bundle(accuracy),
        f"{accuracy.mean:.3f}",
        f"{f1.mean:.3f}",
        *(_agreed(run, what, rate_hz, " of ") for what in ("label", "logit")),
    )


def _agreed(run: BoardRun, what: str, rate_hz: int, of: str) -> str:
    """Return on how many clips labels or logits agree, of all students at a rate."""
    samples = [v for m in run.all(f"{what}_agreement", rate_hz) for v in m.samples]
    return f"{sum(samples):.0f}{of}{len(samples)}" if samples else _ABSENT


def _bundle(measurement: Measurement) -> str:
    """Return the subject without runtime and precision: on a board these are always the same."""
    return measurement.subject.removesuffix(" c int8")


def _median(measurement: Measurement | None, form: str) -> str:
    return format(measurement.median, form) if measurement else _ABSENT


def _rate(rate_hz: int) -> str:
    return f"{rate_hz:,} Hz"
