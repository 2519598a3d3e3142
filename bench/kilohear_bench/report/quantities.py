"""Quantities: their units, and what a report refuses rather than show.

A report refuses a unit that isn't the quantity's, energy that isn't mean power times time, and
numbers of two kinds in one column.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np

from kilohear.bundle import Kind
from kilohear.errors import KilohearError
from kilohear_bench.measurement import Measurement

TOLERANCE = 0.01
"""How far a window's energy may lie from its mean power times its length."""

UNITS = {
    "latency": "ms",
    "peak_memory": "bytes",
    "resident_memory": "bytes",
    "file_size": "bytes",
    "instructions": "1",
    "current": "mA",
    "current_physical": "mA",
    "current_paper": "mA",
    "power_idle": "mW",
    "power_microphone": "mW",
    "power_listening": "mW",
    "power_inference": "mW",
    "window_energy": "mJ",
    "window_power": "mW",
    "window_time": "s",
    "temperature": "celsius",
    "duty_cycle": "fraction",
    "uart_share": "fraction",
    "wakes": "1/s",
    "clip_correct": "fraction",
    "label_agreement": "fraction",
    "logit_agreement": "fraction",
    "macro_accuracy": "fraction",
    "macro_f1": "fraction",
    "word_error_rate": "fraction",
    "stoi": "fraction",
}
"""The unit of each quantity that a report knows."""

_COUNTED = re.compile(r"(instructions|cycles)_\w+")
"""A board's counts by stage, per second of sound."""


class ReportError(KilohearError):
    """Results that a report doesn't show, naming the row and both values."""


def row_of(measurement: Measurement) -> str:
    """Return the row that a measurement belongs to, in words."""
    rate_hz = measurement.conditions.get("rate_hz")
    at = f", {rate_hz:,} Hz" if rate_hz else ""
    return f"{measurement.device}, {measurement.subject}{at}"


def check_unit(measurement: Measurement) -> None:
    """Refuse a measurement without a unit, or in one that isn't its quantity's.

    Raises
    ------
    ReportError
        Naming the row and both units.
    """
    known = UNITS.get(measurement.name)
    if known is None and _COUNTED.fullmatch(measurement.name):
        known = "1/s"
    if not measurement.unit.strip():
        raise ReportError(
            f"{row_of(measurement)}: {measurement.name} has no unit"
            f"{f', it is in {known}' if known else ''}; mend the device's module, measure again"
        )
    if known is not None and measurement.unit != known:
        raise ReportError(
            f"{row_of(measurement)}: {measurement.name} is in {measurement.unit!r}, a report "
            f"shows it in {known!r}; mend the device's module, measure again"
        )


def check_energy(energy: Measurement, power: Measurement, time: Measurement) -> None:
    """Refuse energy that differs from mean power times time by more than 1%.

    Parameters
    ----------
    energy, power, time
        In mJ, mW and s; sample i of each is of the same window.

    Raises
    ------
    ReportError
        Where a window's energy, or the sum over all, is another; or the counts differ.
    """
    counts = [len(m.samples) for m in (energy, power, time)]
    if len(set(counts)) > 1:
        raise ReportError(
            f"{row_of(energy)}: {counts[0]} window energies, {counts[1]} mean powers, {counts[2]} "
            "times; they are of the same windows, so there must be as many of each: measure again"
        )
    found = np.asarray(energy.samples)
    expected = np.asarray(power.samples) * np.asarray(time.samples)
    pairs = [(f"window {i}", *pair) for i, pair in enumerate(zip(found, expected, strict=True))]
    for what, mj, product_mj in (*pairs, ("all windows", found.sum(), expected.sum())):
        if abs(mj - product_mj) > TOLERANCE * abs(product_mj):
            raise ReportError(
                f"{row_of(energy)}: the energy of {what} is {mj:.6g} mJ, mean power times time "
                f"{product_mj:.6g} mJ: more than {TOLERANCE:.0%} apart, so one of them is wrong; "
                f"check the time base of {energy.meter}, measure again"
            )


def check(measurements: Iterable[Measurement]) -> None:
    """Refuse wrong units and impossible energies of one device's run.

    Raises
    ------
    ReportError
        As `check_unit` and `check_energy`; also energy whose power or time isn't there, so that
        it can't be checked.
    """
    rows: dict[Hashable, list[Measurement]] = {}
    for m in measurements:
        check_unit(m)
        rows.setdefault((m.device, m.subject, m.conditions.get("rate_hz")), []).append(m)
    for row in rows.values():
        for energy in (m for m in row if m.name == "window_energy"):
            power, time = (_partner(energy, row, name) for name in ("window_power", "window_time"))
            check_energy(energy, power, time)


def _partner(energy: Measurement, row: Sequence[Measurement], name: str) -> Measurement:
    """Return the power or the time that belongs to an energy: of its meter, or the only one."""
    named = [m for m in row if m.name == name]
    found = [m for m in named if m.meter == energy.meter] or named
    if len(found) != 1:
        raise ReportError(
            f"{row_of(energy)}: the energy by {energy.meter} has {len(found)} {name}, so it can't "
            "be checked; it needs one of the same meter: mend the device's module"
        )
    return found[0]


@dataclasses.dataclass(frozen=True)
class Column:
    """A table's column: numbers of one quantity, unit and kind.

    Attributes
    ----------
    heading, unit
        What it shows.
    kind
        Of every number in it; None for a column of words.
    cells
        A text a row; empty where there is nothing.
    """

    heading: str
    unit: str
    kind: Kind | None
    cells: tuple[str, ...]


def column(
    heading: str,
    unit: str,
    found: Sequence[Measurement | None],
    text: Callable[[Measurement], str],
) -> Column:
    """Return a column, a cell a measurement; `unit` is what `text` writes it in.

    Raises
    ------
    ReportError
        Where there are two kinds, naming a row and the kind of each.
    """
    there = [m for m in found if m is not None]
    first = there[0] if there else None
    for m in there:
        if first is not None and m.kind != first.kind:
            raise ReportError(
                f"{heading}: {row_of(first)} is {first.kind}, {row_of(m)} is {m.kind}; a column "
                "holds one kind: split it"
            )
    cells = tuple("" if m is None else text(m) for m in found)
    return Column(heading, unit, first.kind if first else None, cells)


def split(
    rows: Sequence[Sequence[Measurement]],
) -> Mapping[tuple[Kind, str], tuple[Measurement | None, ...]]:
    """Part rows of one quantity into columns that each can hold: by kind, if need be by meter.

    Parameters
    ----------
    rows
        What each row has of the quantity, several where kinds or meters differ.

    Returns
    -------
    A measurement or None a row, by kind and meter; the meter is empty where no row has two of
    that kind.

    Raises
    ------
    ReportError
        Where a row has two of one kind and meter.
    """
    crowded = {
        m.kind for row in rows for m in row if sum(other.kind == m.kind for other in row) > 1
    }
    columns: dict[tuple[Kind, str], list[Measurement | None]] = {}
    for i, row in enumerate(rows):
        for m in row:
            key = (m.kind, m.meter if m.kind in crowded else "")
            cells = columns.setdefault(key, [None] * len(rows))
            if cells[i] is not None:
                raise ReportError(
                    f"{row_of(m)}: {m.name} is there twice, {m.kind} by {m.meter}; a cell holds "
                    "one number: mend the device's module"
                )
            cells[i] = m
    return {key: tuple(cells) for key, cells in columns.items()}
