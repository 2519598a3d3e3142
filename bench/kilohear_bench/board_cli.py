"""The commands `kilohear board ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_commands(app: typer.Typer) -> None:
    """Add the group `board` to `kilohear`."""
    board = typer.Typer(help="The Apollo3 board: its energy model.", no_args_is_help=True)
    # Without a callback a group of one command would become that command.
    board.callback()(_board)
    board.command()(explain)
    app.add_typer(board, name="board")


def _board() -> None:
    """The Apollo3 board: its energy model."""


def explain(
    counts: Annotated[
        Path | None,
        typer.Option(
            help="The simulator's counts as JSON. [the working tree's, else an estimate]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Draw it as PNG, too.", show_default=False)
    ] = None,
    constants: Annotated[
        bool, typer.Option("--constants", help="List the constants with their sources, too.")
    ] = False,
) -> None:
    """Show where the board's current goes at each sampling rate, by both profiles."""
    from rich.console import Console

    from kilohear_bench.explain import (
        constants_table,
        counts_or_estimate,
        draw,
        terminal,
    )
    from kilohear_bench.explain import explain as explain_counts

    explanation = explain_counts(counts_or_estimate(counts))
    console = Console()
    console.print(terminal(explanation))
    if constants:
        console.print(constants_table())
    if out is not None:
        draw(explanation, out)
        console.print(f"written: {out}", highlight=False, markup=False, soft_wrap=True)
