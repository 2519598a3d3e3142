"""The paper's Table 3 beside a report's own numbers: a row a rate, a kind a column."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from kilohear.config import load_json
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.model import BATTERY_MAH, published_points
from kilohear_bench.report.quantities import Column, column, split
from kilohear_bench.report.results import CURRENTS, PAPER, Row, hours, score

WER, DECIMATOR = "word_error_rate", "decimator"


@dataclasses.dataclass(frozen=True)
class Heard:
    """How much of speech is understood at a rate.

    Attributes
    ----------
    rate_hz
        Nominal.
    measurement
        With its kind; a published one has a single sample.
    who
        Who listened.
    fraction
        Word error rate over all words, no clip counted above 100%.
    text
        The same with its interval.
    """

    rate_hz: int
    measurement: Measurement
    who: str
    fraction: float
    text: str


@dataclasses.dataclass(frozen=True)
class Rates:
    """Table 3: its rates, highest first, and its columns."""

    rates_hz: tuple[int, ...]
    columns: tuple[Column, ...]


def heard(privacy: Path | None) -> list[Heard]:
    """Return the published word error rates, and those of a privacy run where there is one.

    Raises
    ------
    ConfigError
        Where the folder holds no privacy run.
    """
    from kilohear_bench.privacy.report import LISTENERS, PrivacyRun, published
    from kilohear_bench.privacy.report import rows as rows_of_privacy

    made = [
        Heard(m.conditions["rate_hz"], m, "people", m.mean, f"{100 * m.mean:.1f}%")
        for m in published()
    ]
    if privacy is None:
        return made
    run = load_json(PrivacyRun, privacy / "run.json")
    errors = [m for m in run.measurements if m.name == WER]
    for row, m in zip(rows_of_privacy(run), errors, strict=True):
        if row.score is None or row.treatment not in ("", DECIMATOR):
            continue
        who = "people" if row.who == LISTENERS else run.configuration.recogniser
        made.append(Heard(row.rate_hz, m, who, row.score.pooled.value, str(row.score.pooled)))
    return made


def table3(rows: Sequence[Row], errors: Sequence[Heard]) -> Rates:
    """Return the table of published values, and of ours what there is at each rate."""
    points = {point.rate_hz: point for point in published_points()}
    found = {
        row.rate_hz
        for row in rows
        if row.rate_hz and row.all(*CURRENTS, "macro_accuracy", "window_energy")
    }
    rates_hz = tuple(sorted({*points, *found, *(e.rate_hz for e in errors)}, reverse=True))
    battery = Column(
        f"{BATTERY_MAH:.0f} mAh last",
        "h",
        "published",
        tuple(f"{points[hz].battery_h:.1f}" if hz in points else "" for hz in rates_hz),
    )
    columns = [battery, *_batteries(rows, rates_hz), *_words(errors, rates_hz)]
    columns += _accuracies(rows, rates_hz)
    return Rates(rates_hz, tuple(c for c in columns if any(c.cells)))


def _batteries(rows: Sequence[Row], rates_hz: Sequence[int]) -> Iterator[Column]:
    published_h = {point.rate_hz: point.battery_h for point in published_points()}

    def beside(m: Measurement) -> str:
        known = published_h.get(m.conditions["rate_hz"])
        if m.name != PAPER or known is None:
            return hours(m)
        lasts_h = BATTERY_MAH / m.mean
        return f"{lasts_h:.1f} ({round(lasts_h - known, 1) + 0.0:+.1f})"

    for name, profile in CURRENTS.items():
        for device in _devices(rows):
            own = [row for row in rows if row.device == device]
            cells = [
                [m for row in own if row.rate_hz == hz for m in row.all(name)] for hz in rates_hz
            ]
            for (_, meter), found in split([cell[:1] for cell in cells]).items():
                heading = f"{device}{profile}{f', {meter}' if meter else ''}"
                yield column(heading, "h", found, beside)


def _words(errors: Sequence[Heard], rates_hz: Sequence[int]) -> Iterator[Column]:
    texts = {id(e.measurement): e.text for e in errors}
    for who, kind in dict.fromkeys((e.who, e.measurement.kind) for e in errors):
        of = {
            e.rate_hz: e.measurement for e in errors if (e.who, e.measurement.kind) == (who, kind)
        }
        yield column(
            f"word errors, {who}", "", [of.get(hz) for hz in rates_hz], lambda m: texts[id(m)]
        )


def _accuracies(rows: Sequence[Row], rates_hz: Sequence[int]) -> Iterator[Column]:
    """Yield a column an origin and device: of several students at a rate the best, named."""
    for device in _devices(rows):
        for card in (True, False):
            best: list[list[Measurement]] = []
            for hz in rates_hz:
                scores = [
                    m
                    for row in rows
                    if (row.device, row.rate_hz) == (device, hz)
                    for m in row.scores("macro_accuracy", card)
                ]
                best.append(sorted(scores, key=lambda m: -m.mean)[:1])
            origin = "from the card" if card else "in this run"
            for found in split(best).values():
                yield column(f"best accuracy, {device}, {origin}", "", found, score)


def _devices(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.device for row in rows))


def notes(columns: Sequence[Column]) -> list[str]:
    """Return what must be known to read the table, of the columns that it has."""
    headings = " ".join(c.heading for c in columns)
    said = [
        "Published are the paper's Apollo3 board, which computed FFTs alone, and its ten "
        "listeners, three clips a rate. Other work, other clips and other listeners than ours: "
        "compare the shape of the columns.",
    ]
    if "profile paper" in headings:
        said.append(
            "Profile paper is fitted to the three published values (less the published); profile "
            "physical sums parts that nobody measured, with the central 95% of 10,000 draws."
        )
    return said
