"""What the bench's commands say in a terminal: progress, then the table, its notes, the folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table


def say(text: str) -> None:
    """Tell the user how far a command is."""
    typer.echo(f"... {text}", err=True)


def show(table: Table, notes: Iterable[str], folder: Path) -> None:
    """Print a finished run: its table, what must be known to read it, where it was written."""
    from rich.console import Console

    console = Console()
    console.print(table)
    for note in notes:
        console.print(f"- {note}", highlight=False, markup=False)
    console.print(f"written: {folder}", highlight=False, markup=False, soft_wrap=True)
