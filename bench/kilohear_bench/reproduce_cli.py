"""The commands `kilohear reproduce ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilohear_bench.privacy.cli import Clips, Model, Speech
from kilohear_bench.terminal import say, show


def add_commands(app: typer.Typer) -> None:
    """Add the group `reproduce` to `kilohear`."""
    reproduce = typer.Typer(help="The paper's tables, ours beside them.")
    reproduce.callback()(_reproduce)  # else a group of one command would become that command
    reproduce.command()(table3)
    app.add_typer(reproduce, name="reproduce")


def _reproduce() -> None:
    """The paper's tables, ours beside them. Table 1: kilohear study."""


def table3(
    clips: Clips = None,
    model: Model = None,
    speech: Speech = None,
    out: Annotated[
        Path, typer.Option(help="A folder; a run that was stopped goes on there.")
    ] = Path("runs/table3"),
) -> None:
    """Table 3: battery hours and word error rate per sampling rate, and our students' accuracy."""
    from kilohear import extras
    from kilohear_bench.privacy.recogniser import FasterWhisper
    from kilohear_bench.privacy.speech import choose, read_utterances, speech_root
    from kilohear_bench.table3 import notes, reproduce, terminal_table

    for module in ("jiwer", "matplotlib", "pystoi", "soxr", "unicorn"):
        extras.load(module)  # what is missing is said before minutes of work
    utterances = choose(read_utterances(speech or speech_root()), clips)
    made = reproduce(utterances, FasterWhisper(model), out, say)
    show(terminal_table(made), notes(made), out)
