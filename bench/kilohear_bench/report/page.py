"""The report as one HTML file: nothing in it is fetched from anywhere, no script runs."""

from __future__ import annotations

import dataclasses
import os
import urllib.parse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from kilohear import extras
from kilohear_bench.report import svg
from kilohear_bench.report.results import Row, Source, Table
from kilohear_bench.report.section import Mark, Section
from kilohear_bench.report.table3 import Rates
from kilohear_bench.report.table3 import notes as notes_of_table3
from kilohear_bench.report.text import failures, notes, when

TEMPLATES = Path(__file__).with_name("templates")
KINDS = {
    "measured": "taken by a clock, a meter or a count on the thing itself",
    "simulated": "counted or computed by a simulator that runs the same program",
    "modelled": "computed by a model from other numbers; nobody measured it",
    "published": "printed by others",
}
"""What each kind of number is."""


def page(
    sources: Sequence[Source],
    rows: Sequence[Row],
    tables: Sequence[Table],
    rates: Rates,
    sections: Sequence[Section],
    target: Path,
) -> str:
    """Return the page; links to raw files are relative to `target`.

    Raises
    ------
    ExtraError
        Where jinja2 isn't installed.
    """
    jinja2 = extras.load("jinja2")
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": when,
        "safe_svg": Markup,
        "mark": lambda entry: Markup(_mark(entry)),
    }
    return environment.get_template("report.html.j2").render(
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        runs=[_run(source, target) for source in sources],
        failures=failures(sources, rows),
        kinds=KINDS,
        tables=[(table, _groups(table)) for table in tables],
        rates=rates,
        notes=notes(tables),
        notes_of_table3=notes_of_table3(rates.columns),
        sections=sections,
    )


def _groups(table: Table) -> list[tuple[str, list[tuple[int, Row]]]]:
    """Return a table's rows with their numbers, a group a device."""
    numbered = enumerate(table.rows)
    return [(name, list(rows)) for name, rows in groupby(numbered, lambda pair: pair[1].device)]


def _run(source: Source, target: Path) -> dict[str, Any]:
    """Return what the page says of a run."""
    run = source.run
    files = [
        (path.relative_to(source.folder).as_posix(), _link(path, target))
        for path in sorted(source.folder.rglob("*"))
        if path.is_file()
        and path.suffix in (".json", ".jsonl", ".csv", ".txt")
        and path.stem != "report"
    ]
    traces = sorted(source.folder.glob("*/traces/*.csv.gz"))
    return {
        "name": source.folder.resolve().name,
        "run": run,
        "devices": [
            {
                "name": device.name,
                "what": _flat(device.what),
                "subjects": device.subjects,
                "kinds": sorted({m.kind for m in run.measurements if m.device == device.name}),
                "measurements": sum(m.device == device.name for m in run.measurements),
            }
            for device in run.devices
        ],
        "configuration": _flat(dataclasses.asdict(run.configuration)),
        "machine": _flat(run.machine),
        "versions": run.versions,
        "software": _software(source),
        "files": files,
        "traces": [(path.name, _link(path, target)) for path in traces],
    }


def _software(source: Source) -> dict[str, str]:
    """Return the versions that measurements name beside the run's own."""
    found: dict[str, str] = {}
    for m in source.run.measurements:
        if m.meter != "card":
            found |= m.versions
    return {name: version for name, version in found.items() if name not in source.run.versions}


def _flat(mapping: dict[str, Any]) -> dict[str, str]:
    """Return a mapping's entries as text; those that say nothing are left out."""
    flat = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {entry}" for name, entry in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in (None, ""):
            flat[key.replace("_", " ")] = str(value)
    return flat


def _link(path: Path, target: Path) -> str:
    relative = os.path.relpath(path.resolve(), target.resolve()).replace(os.sep, "/")
    return urllib.parse.quote(relative)


def _mark(entry: Mark) -> str:
    """Return a legend's mark as a small drawing."""
    drawn = svg.marker(7, 7, "circle" if entry.shape == "dot" else entry.shape, entry.colour)
    return f'<svg class="mark" viewBox="0 0 14 14" aria-hidden="true">{drawn}</svg>'
