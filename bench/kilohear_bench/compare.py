"""Two runs side by side: what one takes as a multiple of the other, with its interval."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Kind
from kilohear.errors import ConfigError
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import Run
from kilohear_bench.store import load_run

if TYPE_CHECKING:
    from rich.table import Table

_DRAWS = 2_000
_SELECTION = ("devices", "bundles", "runtimes", "rates_hz", "memory", "max_drop")
"""Parts of a configuration that choose what is measured, and not how."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """One quantity of one subject in two runs.

    Attributes
    ----------
    device, subject, name, unit, kind
        Of both.
    first, second
        Medians; of fractions means.
    ratio, low, high
        Second to first, with its central 95% of 2,000 bootstrap samples of both (Efron and
        Tibshirani 1993, percentiles); None where a run has a single sample, or the first is 0.
    """

    device: str
    subject: str
    name: str
    unit: str
    kind: Kind
    first: float
    second: float
    ratio: float | None
    low: float | None
    high: float | None


def compare(first: Path, second: Path) -> list[Ratio]:
    """Return what both runs measured, in the order of the first.

    Raises
    ------
    ConfigError
        Where a folder holds no finished run, the runs were measured in different ways (naming both
        values), one quantity is of two kinds, or they share nothing.
    """
    runs = []
    for folder in (first, second):
        run = load_run(folder)
        if run.finished_at is None:
            raise ConfigError(f"{folder}: isn't finished; kilohear bench resume {folder}")
        runs.append(run)
    a, b = runs
    _require_same_way(a, b)
    others = {_key(m, name): m for name, there in _partners(a, b) for m in b.of(there).measurements}
    pairs = ((m, others.get(_key(m, m.device))) for m in a.measurements)
    ratios = [_ratio(m, other) for m, other in pairs if other is not None]
    if not ratios:
        raise ConfigError(
            f"{first} and {second} measured nothing that is the same; compare runs with a subject "
            f"in common: {_subjects(a)} and {_subjects(b)}"
        )
    return ratios


def terminal_table(ratios: list[Ratio]) -> Table:
    """Return the comparison for a terminal of 80 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("", "first", "second", "second / first"):
        table.add_column(heading, justify="right" if heading else "left")
    subject = None
    for row in ratios:
        if (row.device, row.subject) != subject:
            subject = row.device, row.subject
            table.add_row(Text(f"{row.subject} on {row.device}", style="bold"))
        table.add_row(
            f"{row.name}, {row.unit} ({row.kind})",
            f"{row.first:.4g}",
            f"{row.second:.4g}",
            _words(row),
        )
    return table


def _require_same_way(a: Run, b: Run) -> None:
    ways = [("protocol", a.protocol, b.protocol)]
    for field in dataclasses.fields(a.configuration):
        if field.name not in _SELECTION:
            values = (getattr(run.configuration, field.name) for run in (a, b))
            ways.append((field.name, *values))
    for name, one, other in ways:
        if one != other:
            raise ConfigError(
                f"the runs were measured in two ways: {name} is {one!r} in the first and {other!r} "
                "in the second; measure one of them again like the other"
            )


def _partners(a: Run, b: Run) -> list[tuple[str, str]]:
    """Return names of devices in the first and in the second run: two phones may be compared."""
    if len(a.devices) == len(b.devices) == 1:
        return [(a.devices[0].name, b.devices[0].name)]
    return [(device.name, device.name) for device in b.devices]


def _key(m: Measurement, device: str) -> tuple[object, ...]:
    return device, m.name, m.subject, m.meter, m.conditions.get("rate_hz")


def _ratio(a: Measurement, b: Measurement) -> Ratio:
    if (a.kind, a.unit) != (b.kind, b.unit):
        raise ConfigError(
            f"{a.name} of {a.subject} is {a.kind}, in {a.unit}, in the first run and {b.kind}, in "
            f"{b.unit}, in the second; numbers of two kinds aren't compared"
        )
    first, second = (float(_middle(m, np.array(m.samples))) for m in (a, b))
    ratio = second / first if first else None
    low = high = None
    if ratio is not None and min(len(a.samples), len(b.samples)) > 1:
        random = np.random.default_rng(0)
        below, above = _drawn(a, random), _drawn(b, random)
        if below.all():
            low, high = (float(value) for value in np.percentile(above / below, [2.5, 97.5]))
    return Ratio(
        device=a.device,
        subject=a.subject,
        name=a.name,
        unit=a.unit,
        kind=a.kind,
        first=first,
        second=second,
        ratio=ratio,
        low=low,
        high=high,
    )


def _drawn(measurement: Measurement, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the middles of bootstrap samples, (draws,)."""
    samples = np.array(measurement.samples)
    return _middle(measurement, samples[random.integers(0, len(samples), (_DRAWS, len(samples)))])


def _middle(measurement: Measurement, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middle over the last axis: a fraction's samples are 0 and 1, or classes."""
    middle = np.mean if measurement.unit == "fraction" else np.median
    return np.asarray(middle(values, axis=-1))


def _words(row: Ratio) -> str:
    if row.ratio is None:
        return "-"
    if row.low is None or row.high is None:
        return f"{row.ratio:.3f}"
    return f"{row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"


def _subjects(run: Run) -> str:
    return ", ".join(dict.fromkeys(m.subject for m in run.measurements)) or "nothing"
