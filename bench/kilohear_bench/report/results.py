"""What a report shows: runs as rows, and rows as tables whose columns hold one kind each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from kilohear_bench.accuracy import METRICS
from kilohear_bench.latency import WINDOWS, noise
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.model import BATTERY_MAH, battery_hours
from kilohear_bench.report.quantities import Column, check, column, split
from kilohear_bench.result import Run
from kilohear_bench.verdict import shortfalls

CARD = "card"
"""The meter of a score that comes from a bundle's card."""
PAPER = "current_paper"
CURRENTS = {
    "current": "",
    "current_physical": ", profile physical",
    PAPER: ", profile paper",
}
"""A board's currents, and what their headings say of them."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A run and the folder that holds it."""

    folder: Path
    run: Run


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of one subject at one rate on one device.

    Attributes
    ----------
    device
        Its name; where runs of several folders share it, with the folder's.
    rate_hz
        Nominal; None where a measurement has none.
    measurements
        Of this row.
    failures
        What fell short, in words.
    """

    device: str
    subject: str
    rate_hz: int | None
    measurements: tuple[Measurement, ...]
    failures: tuple[str, ...]

    @property
    def rate(self) -> str:
        """The nominal rate in words."""
        return "" if self.rate_hz is None else f"{self.rate_hz / 1000:g} kHz"

    def all(self, *names: str) -> list[Measurement]:
        """Return every measurement of these names, one a kind and meter."""
        return [m for m in self.measurements if m.name in names]

    def scores(self, name: str, card: bool) -> list[Measurement]:
        """Return the scores from the card, or those of this run."""
        return [m for m in self.all(name) if (m.meter == CARD) == card]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: rows, and the columns that have something to show for them."""

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]


def rows_of(sources: Sequence[Source]) -> list[Row]:
    """Return the rows of runs: devices as they were measured, rates from the lowest up.

    Raises
    ------
    ReportError
        Where a unit or an energy is wrong; see `kilohear_bench.report.quantities.check`.
    """
    made = []
    for source in sources:
        run = source.run
        check(run.measurements)
        rates = {subject.name: subject.rate_hz for subject in run.subjects}
        found: dict[tuple[str, str, int | None], list[Measurement]] = {}
        for m in run.measurements:
            rate_hz = m.conditions.get("rate_hz") or rates.get(m.subject)
            found.setdefault((m.device, m.subject, rate_hz), []).append(m)
        order = {device.name: i for i, device in enumerate(run.devices)}
        for device, subject, rate_hz in sorted(
            found, key=lambda key: (order.get(key[0], len(order)), key[2] or 0)
        ):
            measurements = tuple(found[device, subject, rate_hz])
            made.append(
                Row(
                    device=name_in(sources, source, device),
                    subject=subject,
                    rate_hz=rate_hz,
                    measurements=measurements,
                    failures=tuple(shortfalls(measurements, run.configuration.max_drop)),
                )
            )
    return made


def name_in(sources: Sequence[Source], source: Source, device: str) -> str:
    """Return what a report calls a device: with the folder where several runs have it."""
    runs = [s for s in sources if any(d.name == device for d in s.run.devices)]
    return f"{device} ({source.folder.name})" if len(runs) > 1 else device


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return the tables that have something to show."""
    made = (
        _table("Time and size", rows, _costs),
        _table("Energy", rows, _energy),
        _table("Worth", rows, _worth),
    )
    return [table for table in made if table.rows]


def counted(row: Row) -> list[Measurement]:
    """Return a board's instructions per second of sound, all stages together."""
    stages = [
        m
        for m in row.measurements
        if m.name.startswith("instructions_") and not m.name.startswith("instructions_paper")
    ]
    if not stages or len({m.kind for m in stages}) > 1:
        return []
    total = sum(m.mean for m in stages)
    return [dataclasses.replace(stages[0], name="instructions_all", samples=(total,))]


def _table(
    title: str, rows: Sequence[Row], columns: Callable[[Sequence[Row]], Iterator[Column]]
) -> Table:
    """Return the table of the rows that have something in a column of numbers."""
    numbers = [c for c in columns(rows) if c.kind is not None]
    kept = [row for i, row in enumerate(rows) if any(c.cells[i] for c in numbers)]
    found = [c for c in columns(kept) if any(c.cells)]
    if not any(c.kind for c in found):
        return Table(title, (), ())
    return Table(title, tuple(kept), tuple(found))


def _columns(
    rows: Sequence[Row],
    heading: str,
    unit: str,
    find: Callable[[Row], Sequence[Measurement]],
    text: Callable[[Measurement], str],
) -> Iterator[Column]:
    """Yield a quantity's columns, one a kind."""
    for (_, meter), found in split([find(row) for row in rows]).items():
        yield column(f"{heading}, {meter}" if meter else heading, unit, found, text)


def _costs(rows: Sequence[Row]) -> Iterator[Column]:
    def named(name: str) -> Callable[[Row], list[Measurement]]:
        return lambda row: row.all(name)

    yield from _columns(
        rows,
        "latency, median and p95",
        "ms",
        named("latency"),
        lambda m: f"{number(m.median)} ({number(m.p95)})",
    )
    yield from _columns(rows, "A against A", "ratio", _timed, _noise)
    yield from _columns(
        rows,
        "instructions a window",
        "million",
        named("instructions"),
        lambda m: number(m.median / 1e6),
    )
    yield from _columns(
        rows, "instructions a second of sound", "million", counted, lambda m: number(m.mean / 1e6)
    )
    yield from _columns(
        rows, "peak memory", "MB", named("peak_memory"), lambda m: number(m.median / 1e6)
    )
    yield from _columns(rows, "file", "kB", named("file_size"), lambda m: number(m.median / 1e3))
    yield from _columns(
        rows, "temperature, highest", "°C", named("temperature"), lambda m: f"{max(m.samples):.1f}"
    )


def _timed(row: Row) -> list[Measurement]:
    """Return the latencies that were measured in pairs of rounds."""
    return [m for m in row.all("latency") if m.kind == "measured" and len(m.samples) >= WINDOWS]


def _noise(m: Measurement) -> str:
    found = noise(m.samples)
    return f"{found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})"


def _energy(rows: Sequence[Row]) -> Iterator[Column]:
    for name, heading, unit in (
        ("window_energy", "energy of a window", "mJ"),
        ("window_power", "mean power of a window", "mW"),
        ("power_idle", "power, idle", "mW"),
        ("power_microphone", "power, microphone on", "mW"),
        ("power_listening", "power, listening", "mW"),
        ("power_inference", "power, inference", "mW"),
    ):
        yield from _columns(
            rows, heading, unit, lambda row, name=name: row.all(name), lambda m: number(m.median)
        )
    for name, profile in CURRENTS.items():
        if name == PAPER:  # not of what ran here: it stands in Table 3, beside what it is fitted to
            continue
        yield from _columns(
            rows, f"current{profile}", "mA", lambda row, name=name: row.all(name), _current
        )
        yield from _columns(
            rows,
            f"on {BATTERY_MAH:.0f} mAh{profile}",
            "h",
            lambda row, name=name: row.all(name),
            hours,
        )
    yield Column("source", "", None, tuple(_meters(row) for row in rows))


def _worth(rows: Sequence[Row]) -> Iterator[Column]:
    for metric, name in zip(METRICS, ("macro accuracy", "macro F1"), strict=True):
        for card, origin in ((True, "card"), (False, "this run")):
            yield from _columns(
                rows,
                f"{name}, {origin}",
                "",
                lambda row, metric=metric, card=card: row.scores(metric, card),
                score,
            )
    yield from _columns(
        rows,
        "labels as the host's",
        "clips",
        lambda row: row.all("label_agreement"),
        lambda m: f"{sum(m.samples):.0f} of {len(m.samples)}",
    )
    yield Column("verdict", "", None, tuple(verdict(row) for row in rows))


def verdict(row: Row) -> str:
    """Return whether a row does what its card promises; empty where nothing was compared."""
    if row.failures:
        return "FAILED"
    expected = [
        m.conditions["card_score"]
        for m in row.scores("macro_accuracy", card=False)
        if m.conditions.get("card_score") is not None
    ]
    if expected:
        return f"passed, card {expected[0]:.3f}"
    return "as the host" if row.all("label_agreement") else ""


def score(m: Measurement) -> str:
    """Return a score; from a card with the spread of its folds."""
    return f"{m.mean:.3f} ± {m.std:.3f}" if m.meter == CARD else f"{m.mean:.3f}"


def span_ma(m: Measurement) -> tuple[float, float] | None:
    """Return the interval that a model gives a current, mA; of windows their intervals' mean."""
    if "low_ma" not in m.conditions:
        return None
    return float(np.mean(m.conditions["low_ma"])), float(np.mean(m.conditions["high_ma"]))


def hours(m: Measurement) -> str:
    """Return how long 300 mAh last at a current in mA, with the interval where it has one."""
    text, span = number(battery_hours(m.mean)), span_ma(m)
    if span is None:
        return text
    least, most = (number(battery_hours(current_ma)) for current_ma in reversed(span))
    return f"{text} ({least} to {most})"


def number(value: float) -> str:
    """Return a number with three digits at least, none invented for large ones."""
    if value == 0:
        return "0"
    for limit, form in ((0.1, ".3g"), (10, ".2f"), (100, ".1f")):
        if abs(value) < limit:
            return format(value, form)
    return f"{value:,.0f}"


def _current(m: Measurement) -> str:
    span = span_ma(m)
    return number(m.mean) + (f" ({number(span[0])} to {number(span[1])})" if span else "")


def _meters(row: Row) -> str:
    names = ("window_energy", "power_idle", "power_microphone", "power_listening")
    names += ("power_inference", "current", "current_physical")
    # The profile of a modelled current stands in its heading.
    return "; ".join(dict.fromkeys(m.meter.partition(", profile")[0] for m in row.all(*names)))
