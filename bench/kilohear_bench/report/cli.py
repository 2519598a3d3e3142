"""The command `kilohear report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[list[Path], typer.Argument(help="A run's folder; several in one report.")],
    privacy: Annotated[
        Path | None,
        typer.Option(
            help="A run of kilohear privacy. [privacy in RUN, if it is there]", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for the report. [the first RUN]", show_default=False),
    ] = None,
) -> None:
    """Make report.html, report.md and report.csv of bench runs."""
    from kilohear import extras
    from kilohear_bench.report.write import write_report

    extras.load("jinja2")
    typer.echo(f"written: {write_report(run, out, privacy)}")
