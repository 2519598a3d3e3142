"""The commands `kilohear board ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilohear_bench.terminal import say


def add_commands(app: typer.Typer) -> None:
    """Add the group `board` to `kilohear`."""
    board = typer.Typer(help="The Apollo3 board: flash it, explain its current.")
    board.command()(explain)
    board.command()(flash)
    board.command()(ports)
    app.add_typer(board, name="board")


def explain(
    counts: Annotated[
        Path | None,
        typer.Option(help="A run's counts.json. [of the firmware that ships]", show_default=False),
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

    from kilohear_bench.board.explain import (
        constants_table,
        draw,
        load_counts,
        terminal,
    )
    from kilohear_bench.board.explain import explain as explain_counts

    explanation = explain_counts(load_counts(counts) if counts else load_counts())
    console = Console()
    console.print(terminal(explanation))
    if constants:
        console.print(constants_table())
    if out is not None:
        draw(explanation, out)
        console.print(f"written: {out}", highlight=False, markup=False, soft_wrap=True)


def flash(
    firmware: Annotated[
        Path | None,
        typer.Option(help="An ELF. [what ships, unless --bundle stands alone]", show_default=False),
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(help="A bundle's student, for the user slot. [none]")
    ] = None,
    svl: Annotated[
        str | None,
        typer.Option(help="A serial port: by SparkFun's boot loader; the ELF built with SVL=1."),
    ] = None,
    probe: Annotated[
        str | None, typer.Option(help="A debug probe's serial number. [the only one]")
    ] = None,
) -> None:
    """Write firmware, or a student into the user slot; all is checked before anything is erased."""
    from kilohear.errors import ConfigError
    from kilohear_bench.apollo3.elf import load_image
    from kilohear_bench.apollo3.flash import flash_pyocd, flash_svl
    from kilohear_bench.board.students import image_of, load_student

    student = image_of(load_student(bundle)).to_bytes() if bundle else None
    image = load_image(firmware) if firmware or svl or student is None else None
    if svl is None:
        flash_pyocd(image, student, probe)
    elif probe is not None:
        raise ConfigError("--svl and --probe are two ways to flash; give one")
    else:
        assert image is not None  # --svl loads one
        flash_svl(svl, image, student, progress=_progress)
    what = [*(["firmware"] if image else []), *([f"student of {bundle}"] if bundle else [])]
    typer.echo(f"written and verified: {', '.join(what)}" if svl is None else "written")


def ports() -> None:
    """List the serial ports that may be a board."""
    from kilohear_bench.devices.apollo3 import find_ports

    found = find_ports()
    for port in found:
        typer.echo(f"{port.path}  {port.description}")
    if not found:
        typer.echo("none; plug a board in, or use --device apollo3-simulator")


def _progress(done: int, total: int) -> None:
    say(f"{done:,} of {total:,} bytes")
