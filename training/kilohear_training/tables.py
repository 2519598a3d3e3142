"""The paper's tables, from cells: Table 1, Table 2, the ablations, and a comparison of arms."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch

from kilohear.config import from_dict, read_json
from kilohear.errors import DataError
from kilohear_training.counting import count_parameters
from kilohear_training.export.student import WaveformStudent, count_student_macs
from kilohear_training.fit import Fit
from kilohear_training.methods import METHODS
from kilohear_training.networks import build
from kilohear_training.results import Cell, Collection, Gain, Key, gain

BASELINE = "finetune"
NOT_RUN = "not run"
_PAPER = Path(__file__).parent / "published" / "paper.json"
METRIC_NAMES = {"macro_accuracy": "macro accuracy", "macro_f1": "macro F1"}


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text under columns, with a title and a note that says how to read them."""

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return a Markdown section."""
        lines = [f"### {self.title}", "", self.note, ""]
        lines.append(f"| {' | '.join(self.columns)} |")
        lines.append(f"|{' --- |' * len(self.columns)}")
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Return comma-separated values with a header."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([self.columns, *self.rows])
        return out.getvalue()


def table1(collection: Collection, dataset: str) -> Table:
    """Return Table 1 of a data set: a row for each rate and arm, a column for each method."""
    published = _published("macro_accuracy")
    keys = [k for k in collection.keys if k.dataset == dataset and k.method in METHODS]
    arms = sorted(
        {(key.rate_hz, key.arm) for key in keys},
        key=lambda at: (
            -at[0],
            not any(Key(dataset, *at, m) in collection.cells for m in METHODS),
            at[1],
        ),
    )
    rows: list[tuple[str, ...]] = []
    for rate_hz, arm in arms:
        cells = {m: collection.cells.get(Key(dataset, rate_hz, arm, m)) for m in METHODS}
        planned = {key.method for key in keys if (key.rate_hz, key.arm) == (rate_hz, arm)}
        texts = []
        for method, cell in cells.items():
            text = cell_text(cell) if cell else NOT_RUN if method in planned else ""
            paper = published.get((dataset, arm, rate_hz, method))
            texts.append(text if paper is None else f"{text}; paper {paper:.3f} (published)")
        gains = []
        for method in ("basd", "cssd"):
            own, baseline = cells[method], cells[BASELINE]
            gains.append(gain_text(gain(own, baseline)) if own and baseline else "")
        rows.append((f"{rate_hz:,}", arm, *texts, *gains))
    metric = _metric(collection, dataset)
    return Table(
        f"table1-{_slug(dataset)}",
        f"Table 1: {dataset}",
        f"{METRIC_NAMES[metric]}, measured unless marked published: mean ± standard deviation "
        "over test folds, each fold first averaged over its seeds. Gains over finetune are in "
        "points, on the seeds that both have, with the 95% bootstrap interval over the same clips; "
        "then clips won / lost and p of the exact sign test on them.",
        ("Hz", "arm", *METHODS, "gain of basd", "gain of cssd"),
        tuple(rows),
    )


def summary(collection: Collection) -> Table:
    """Return the rows of Table 1 that say what distillation gains, all data sets in one."""
    rows: list[tuple[str, ...]] = []
    for dataset in collection.datasets:
        for after in collection.select(dataset=dataset, method="cssd"):
            at = (dataset, after.key.rate_hz, after.key.arm)
            cells = [collection.cells.get(Key(*at, method)) for method in METHODS]
            before = collection.cells.get(Key(*at, BASELINE))
            if before is None:
                continue
            texts = [cell_text(cell) if cell else NOT_RUN for cell in cells]
            told = gain_text(gain(after, before))
            metric = METRIC_NAMES[after.metric]
            rows.append((dataset, metric, f"{after.key.rate_hz:,}", after.key.arm, *texts, told))
    return Table(
        "summary",
        "What distillation gains",
        "Measured; read as Table 1.",
        ("data set", "score", "Hz", "arm", *METHODS, "gain of cssd over finetune"),
        tuple(rows),
    )


def read_table(path: Path) -> Table:
    """Read a table's CSV back, as rows under columns."""
    with path.open(newline="", encoding="utf-8") as file:
        columns, *rows = (tuple(row) for row in csv.reader(file))
    return Table(path.stem, path.stem, "", columns, tuple(rows))


def table2(collection: Collection, dataset: str) -> Table:
    """Return Table 2 of a data set: each class before and after distillation."""
    published = _published("class_accuracy")
    rows: list[tuple[str, ...]] = []
    for after in collection.select(dataset=dataset, method="cssd"):
        key = after.key
        before = collection.cells.get(dataclasses.replace(key, method=BASELINE))
        if before is None or not set(before.results) & set(after.results):
            continue
        now = after.shared_with(before).per_class()
        for label, was in before.shared_with(after).per_class().items():
            paper = published.get((dataset, key.arm, key.rate_hz, label))
            rows.append(
                (
                    f"{key.rate_hz:,}",
                    key.arm,
                    label,
                    f"{was:.3f}",
                    f"{now[label]:.3f}",
                    f"{100 * (now[label] - was):+.1f}",
                    "" if paper is None else f"{paper[0]:.2f} to {paper[1]:.2f}",
                )
            )
    return Table(
        f"table2-{_slug(dataset)}",
        f"Table 2: {dataset}, class by class",
        "Accuracy of each class before (finetune) and after distillation (cssd), measured over "
        "the folds and seeds that both have; the paper's, where it has the class, is published.",
        ("Hz", "arm", "class", "finetune", "cssd", "points", "paper (published)"),
        tuple(rows),
    )


def ablations(collection: Collection, dataset: str) -> Table:
    """Return the methods beside the paper's four, against cssd and finetune at their rate."""
    published = _published("macro_accuracy")
    rows: list[tuple[str, ...]] = []
    for key in collection.keys:
        if key.dataset != dataset or key.method in METHODS:
            continue
        cell = collection.cells.get(key)
        paper = published.get((dataset, key.arm, key.rate_hz, key.method))
        gains = []
        for method in (BASELINE, "cssd"):
            other = collection.cells.get(dataclasses.replace(key, method=method))
            gains.append(gain_text(gain(cell, other)) if cell and other else "")
        score = cell_text(cell) if cell else NOT_RUN
        shown = "" if paper is None else f"{paper:.3f}"
        rows.append((f"{key.rate_hz:,}", key.arm, key.method, score, *gains, shown))
    return Table(
        f"ablations-{_slug(dataset)}",
        f"Ablations: {dataset}",
        f"{METRIC_NAMES[_metric(collection, dataset)]}, measured. A method's chain of generations "
        "stands in its study: `cssd-basd` adds a generation taught by the cssd student, "
        "`1k-teacher` is taught by a network that hears 1 kHz.",
        ("Hz", "arm", "method", "score", "gain over finetune", "gain over cssd", "published"),
        tuple(rows),
    )


def arms(collection: Collection, dataset: str, baseline: str) -> Table:
    """Return every arm and method at each rate against one of them.

    Parameters
    ----------
    baseline
        `ARM:METHOD`.

    Raises
    ------
    DataError
        Where it isn't of that form.
    """
    arm, colon, method = baseline.partition(":")
    if not colon:
        raise DataError(f"baseline {baseline!r}: give ARM:METHOD, such as tiny-paper:finetune")
    rows: list[tuple[str, ...]] = []
    for other in collection.select(dataset=dataset, arm=arm, method=method):
        for cell in collection.select(dataset=dataset, rate_hz=other.key.rate_hz):
            if cell.any["network"] != other.any["network"] or cell.key.method == "raw":
                continue
            parameters, network_macs, front_end_macs = _cost(cell)
            own = cell.key == other.key
            rows.append(
                (
                    f"{cell.key.rate_hz:,}",
                    cell.key.arm,
                    cell.key.method,
                    cell_text(cell),
                    "baseline" if own else gain_text(gain(cell, other)),
                    f"{parameters / 1e3:,.1f} k",
                    f"{network_macs / 1e6:.1f}",
                    f"{front_end_macs / 1e6:.1f}",
                )
            )
    return Table(
        f"arms-{_slug(dataset)}",
        f"Arms of one network: {dataset}",
        f"{METRIC_NAMES[_metric(collection, dataset)]}, measured; gains in points over "
        f"`{baseline}` at the same rate, read as in Table 1. Multiply-accumulates for one window, "
        "of the network and of its front end, are counted.",
        (
            "Hz",
            "arm",
            "method",
            "score",
            "gain",
            "parameters",
            "network MMAC",
            "front end MMAC",
        ),
        tuple(rows),
    )


def folds(collection: Collection) -> Table:
    """Return every fold's score of every cell: the numbers behind Figure 2."""
    rows = [
        (
            key.dataset,
            str(key.rate_hz),
            key.arm,
            key.method,
            str(fold),
            f"{accuracy:.4f}",
            f"{cell.folds('macro_f1')[fold]:.4f}",
            " ".join(str(seed) for seed in cell.seeds),
        )
        for key, cell in sorted(collection.cells.items())
        for fold, accuracy in cell.folds("macro_accuracy").items()
    ]
    return Table(
        "folds",
        "Fold by fold",
        "Measured, averaged over seeds.",
        ("data set", "Hz", "arm", "method", "fold", "macro accuracy", "macro F1", "seeds"),
        tuple(rows),
    )


def confusion(cell: Cell) -> Table:
    """Return a cell's confusion matrix: rows true, columns predicted, clips of all folds."""
    labels = tuple(cell.any["labels"])
    rows = tuple(
        (label, *(str(count) for count in row))
        for label, row in zip(labels, cell.confusion().tolist(), strict=True)
    )
    name = f"confusion-{_slug(cell.key.dataset)}-{cell.key.rate_hz}hz-{cell.key.arm}"
    return Table(f"{name}-{cell.key.method}", name, "", ("true \\ predicted", *labels), rows)


def cell_text(cell: Cell) -> str:
    """Return mean and spread, and what is lacking or unusual."""
    std = cell.std
    text = f"{cell.mean:.3f}" + ("" if math.isnan(std) else f" ± {std:.3f}")
    remarks = []
    if math.isnan(std):
        remarks.append(f"fold {next(iter(cell.folds()))} alone")
    if len(cell.seeds) > 1:
        remarks.append(f"{len(cell.seeds)} seeds")
    if cell.lacking:
        remarks.append(f"{cell.lacking} runs to come")
    return f"{text} ({', '.join(remarks)})" if remarks else text


def gain_text(of: Gain) -> str:
    """Return points, interval, clips won and lost, and p; bold where the interval leaves 0 out."""
    points = f"{of.points:+.1f} ({of.low:+.1f} to {of.high:+.1f})"
    marked = f"**{points}**" if of.is_clear else points
    return f"{marked}; {of.won} / {of.lost}, p {of.p_value:.2g}"


@cache
def _published(kind: str) -> dict[tuple[str, str, int, str], Any]:
    """The paper's figures by data set, network, rate, and method or class."""
    rows = read_json(_PAPER)[kind]
    if kind == "macro_accuracy":
        return {(r["dataset"], r["network"], r["rate_hz"], r["method"]): r["value"] for r in rows}
    return {
        (r["dataset"], r["network"], r["rate_hz"], r["class"]): (r["finetune"], r["cssd"])
        for r in rows
    }


def _cost(cell: Cell) -> tuple[int, int, int]:
    """Return parameters, and multiply-accumulates of network and front end, as exported."""
    fit = from_dict(Fit, cell.any["fit"], str(cell.key))
    network = build(fit.network, len(cell.any["labels"]), fit.front_end, fit.window_s)
    student = WaveformStudent(fit.front_end, network)
    waveform = torch.zeros(1, round(fit.window_s * fit.front_end.rate_hz))
    return count_parameters(network), *count_student_macs(student, waveform)


def _metric(collection: Collection, dataset: str) -> str:
    cells = list(collection.select(dataset=dataset))
    return cells[0].metric if cells else "macro_accuracy"


def _slug(dataset: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in dataset.lower())
