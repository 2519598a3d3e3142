"""The report: `run.json` with all raw samples, and `report.md` made from it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohear.bundle import Kind
from kilohear.config import save_json
from kilohear.files import write_text
from kilohear_bench.machine import versions
from kilohear_bench.measurement import Measurement
from kilohear_bench.privacy.humans import Answer
from kilohear_bench.privacy.run import Line, PrivacyConfig
from kilohear_bench.privacy.treatments import MEANING
from kilohear_bench.privacy.wer import Errors, Score, difference, score
from kilohear_bench.report.plain import markdown_table

if TYPE_CHECKING:
    from rich.table import Table

PUBLISHED = Path(__file__).with_name("published.json")
"""Word error rates of the paper's Table 3."""
FIGURE = "word_error_rate.png"
WER, STOI = "word_error_rate", "stoi"
RECOGNISER, LISTENERS = "recogniser", "listeners"
_NONE = "none"


@dataclasses.dataclass(frozen=True)
class PrivacyRun:
    """A finished run, as `run.json` keeps it."""

    configuration: PrivacyConfig
    machine: dict[str, Any]
    measurements: tuple[Measurement, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """The word error rate of one listener, a machine or people, at one rate after one treatment.

    Attributes
    ----------
    who
        RECOGNISER or LISTENERS.
    treatment
        By its name; of listeners "", what they were played is their study's.
    score
        Computed from the raw samples; None where a single value is published.
    published
        That value as a fraction; None where there are samples.
    stoi
        Of the same clips; None where it wasn't measured.
    """

    rate_hz: int
    who: str
    kind: Kind
    treatment: str
    score: Score | None
    published: float | None
    stoi: Measurement | None


def make_run(
    config: PrivacyConfig,
    lines: Sequence[Line],
    answers: Sequence[Answer],
    machine: dict[str, Any],
) -> PrivacyRun:
    """Return a run's lines, listeners' answers and the published values as measurements."""
    made = []
    for rate_hz, treatment in config.conditions:
        there = [line for line in lines if (line.rate_hz, line.treatment) == (rate_hz, treatment)]
        made += _of_recogniser(config, rate_hz, treatment, there)
    for rate_hz in sorted({answer.rate_hz for answer in answers}, reverse=True):
        made.append(_of_listeners([a for a in answers if a.rate_hz == rate_hz], config.normaliser))
    return PrivacyRun(config, machine, (*made, *published()))


def published() -> list[Measurement]:
    """Return the paper's word error rates; kind `published`."""
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return [
        Measurement(
            name=WER,
            subject=content["subject"],
            samples=(point["wer_percent"] / 100,),
            unit="fraction",
            kind="published",
            device="paper",
            meter="listeners' transcripts",
            versions={},
            started_at=None,
            conditions={
                "who": LISTENERS,
                "rate_hz": point["rate_hz"],
                "treatment": "",
                "source": content["source"],
            },
        )
        for point in content["points"]
    ]


def rows(run: PrivacyRun) -> list[Row]:
    """Return every word error rate, as they were measured, the published ones last."""
    stois = {_key(m): m for m in run.measurements if m.name == STOI}
    return [
        Row(
            rate_hz=m.conditions["rate_hz"],
            who=m.conditions["who"],
            kind=m.kind,
            treatment=m.conditions["treatment"],
            score=None if m.kind == "published" else score(_errors(m)),
            published=m.samples[0] if m.kind == "published" else None,
            stoi=stois.get(_key(m)) if m.conditions["who"] == RECOGNISER else None,
        )
        for m in run.measurements
        if m.name == WER
    ]


def write_report(run: PrivacyRun, folder: Path) -> None:
    """Write the run's files into `folder`, each whole or not at all."""
    from kilohear_bench.privacy.figure import draw

    save_json(run, folder / "run.json")
    draw(run, folder / FIGURE)
    write_text(folder / "report.md", markdown(run))


def markdown(run: PrivacyRun) -> str:
    """Return the report as Markdown."""
    config, machine = run.configuration, run.machine
    return "\n".join(
        [
            "# Privacy report",
            "",
            f"{config.started_at}, {config.clips} clips, {config.recogniser}; "
            f"{machine.get('cpu', 'unknown processor')}, {machine.get('system', '')}.",
            "",
            "## People and recogniser",
            "",
            *markdown_table(*summary(run), 1),
            "",
            f"![Word error rate by sampling rate]({FIGURE})",
            "",
            "## All that was measured",
            "",
            *markdown_table(DETAILS, details(run), 2),
            "",
            *(f"- {note}" for note in [*compared(run), *notes(run)]),
            "",
        ]
    )


def summary(run: PrivacyRun) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heading and the cells of the short table: a column a listener and kind."""
    columns: dict[str, dict[int, str]] = {}
    for row in rows(run):
        if row.who == RECOGNISER and row.treatment != "decimator":
            continue
        who = "people" if row.who == LISTENERS else run.configuration.recogniser
        cell = str(row.score.pooled) if row.score else f"{100 * (row.published or 0):.1f}%"
        columns.setdefault(f"{who} ({row.kind})", {})[row.rate_hz] = cell
    names = sorted(columns, key=lambda name: "published" not in name)
    rates = sorted({rate_hz for cells in columns.values() for rate_hz in cells}, reverse=True)
    heading = ("rate", *(f"WER, {name}" for name in names))
    return heading, [
        (f"{rate_hz:,} Hz", *(columns[name].get(rate_hz, _NONE) for name in names))
        for rate_hz in rates
    ]


DETAILS = (
    "treatment",
    "who",
    "rate",
    "WER, all words, capped",
    "uncapped",
    "mean of clips, capped",
    "uncapped",
    "STOI median",
    "clips",
)


def details(run: PrivacyRun) -> list[tuple[str, ...]]:
    """Return the cells of the long table, in the order of DETAILS; measured rows only."""
    cells = []
    for row in rows(run):
        if row.score is None:
            continue
        counts = f"{row.score.clips}"
        if row.score.transcripts != row.score.clips:
            counts += f" ({row.score.transcripts} transcripts)"
        cells.append(
            (
                row.treatment or "as played",
                row.who,
                f"{row.rate_hz:,} Hz",
                str(row.score.pooled),
                str(row.score.pooled_uncapped),
                str(row.score.mean),
                str(row.score.mean_uncapped),
                _stoi_cell(row.stoi),
                counts,
            )
        )
    return cells


def compared(run: PrivacyRun) -> list[str]:
    """Return what each other treatment changes against our decimator at the same rate."""
    found = {
        (m.conditions["rate_hz"], m.conditions["treatment"]): _errors(m)
        for m in run.measurements
        if m.name == WER and m.conditions["who"] == RECOGNISER
    }
    said = []
    for (rate_hz, treatment), results in found.items():
        before = found.get((rate_hz, "decimator"))
        if treatment != "decimator" and before is not None:
            points = difference(results, before)
            said.append(
                f"{treatment} at {rate_hz:,} Hz against our decimator, clip by clip: "
                f"{100 * points.value:+.1f} points of word error rate ({100 * points.low:+.1f} to "
                f"{100 * points.high:+.1f})."
            )
    return said


def notes(run: PrivacyRun) -> list[str]:
    """Return what must be known to read the tables."""
    config = run.configuration
    used = dict.fromkeys(treatment for _, treatment in config.conditions)
    said = [
        "Word error rate: substitutions, deletions and insertions over words said, counted by "
        f"jiwer after the normaliser {config.normaliser}. Capped: no clip counts more errors than "
        "it has words; uncapped it may exceed 100%, as a recogniser invents words. In parentheses "
        "the central 95% of 10,000 bootstrap samples of the clips.",
        *(f"{name}: {MEANING[name]}." for name in used),
        "STOI (measured): of what is heard, against the original; 1 is the original. It compares "
        "envelopes in third octaves from 150 Hz up and knows nothing of words.",
        f"Recogniser: {config.recogniser_version}.",
        "It was trained on whole-band speech. One that is trained on low-rate speech, or a "
        "better attack, may understand more, as people do: the rates say what this recogniser "
        "makes of it, and are no proof that nobody can make more.",
    ]
    paper = [m for m in run.measurements if m.kind == "published"]
    if paper:
        said.append(
            f"Published: {paper[0].subject} ({paper[0].conditions['source']}). Other clips and "
            "other listeners than ours, no interval given."
        )
    return said


def terminal_table(run: PrivacyRun) -> Table:
    """Return the short form for a terminal: a line a treatment and rate."""
    from rich import box
    from rich.table import Table

    table = Table(title="privacy", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(("", "rate", "kind", "WER %, capped", "uncapped", "STOI")):
        table.add_column(name, justify="right" if i in (1, 3, 4, 5) else "left", no_wrap=True)
    for row in rows(run):
        capped, uncapped = f"{100 * (row.published or 0):.1f}", ""
        if row.score:
            rate, uncapped = row.score.pooled, f"{100 * row.score.pooled_uncapped.value:.1f}"
            capped = f"{100 * rate.value:.1f} ({100 * rate.low:.0f} to {100 * rate.high:.0f})"
        stoi = f"{row.stoi.median:.2f}" if row.stoi else ""
        name = row.treatment or row.who
        table.add_row(name, f"{row.rate_hz:,} Hz", row.kind, capped, uncapped, stoi)
    return table


def _of_recogniser(
    config: PrivacyConfig, rate_hz: int, treatment: str, lines: Sequence[Line]
) -> list[Measurement]:
    shared: dict[str, Any] = {
        "subject": f"{config.recogniser}, {rate_hz} Hz, {treatment}",
        "unit": "fraction",
        "kind": "measured",
        "device": "host",
        "started_at": config.started_at,
    }
    conditions = {
        "who": RECOGNISER,
        "rate_hz": rate_hz,
        "treatment": treatment,
        "samples_are": "clips",
        "clips": [line.clip for line in lines],
    }
    software = versions() | {"soxr": importlib.metadata.version("soxr")}
    jiwer, pystoi = importlib.metadata.version("jiwer"), importlib.metadata.version("pystoi")
    counted = conditions | {
        "words": [line.words for line in lines],
        "normaliser": config.normaliser,
        "recogniser": config.recogniser_version,
    }
    rates = tuple(line.result.rate for line in lines)
    stois = tuple(line.stoi for line in lines)
    return [
        Measurement(
            name=WER,
            samples=rates,
            meter="jiwer",
            versions=software | {"jiwer": jiwer},
            conditions=counted,
            **shared,
        ),
        Measurement(
            name=STOI,
            samples=stois,
            meter="pystoi",
            versions=software | {"pystoi": pystoi},
            conditions=conditions,
            **shared,
        ),
    ]


def _of_listeners(answers: Sequence[Answer], normaliser: str) -> Measurement:
    rate_hz = answers[0].rate_hz
    return Measurement(
        name=WER,
        subject=f"{len({answer.listener for answer in answers})} listeners, {rate_hz} Hz",
        samples=tuple(answer.result.rate for answer in answers),
        unit="fraction",
        kind="measured",
        device="listeners",
        meter="jiwer",
        versions=versions() | {"jiwer": importlib.metadata.version("jiwer")},
        started_at=None,
        conditions={
            "who": LISTENERS,
            "rate_hz": rate_hz,
            "treatment": "",
            "samples_are": "transcripts",
            "clips": [answer.result.group for answer in answers],
            "words": [answer.result.words for answer in answers],
            "listeners": [answer.listener for answer in answers],
            "normaliser": normaliser,
        },
    )


def _errors(measurement: Measurement) -> list[Errors]:
    """Return the counts behind a measurement's samples."""
    clips, words = measurement.conditions["clips"], measurement.conditions["words"]
    return [
        Errors(clip, count, round(rate * count))
        for clip, count, rate in zip(clips, words, measurement.samples, strict=True)
    ]


def _key(measurement: Measurement) -> tuple[int, str]:
    return measurement.conditions["rate_hz"], measurement.conditions["treatment"]


def _stoi_cell(stoi: Measurement | None) -> str:
    if stoi is None:
        return _NONE
    low, high = stoi.interval
    return f"{stoi.median:.3f} ({low:.3f} to {high:.3f})"
