"""The commands `kilohear data get` and `kilohear data check`."""

from __future__ import annotations

from typing import Annotated

import typer

from kilohear.errors import KilohearError


def add_data_commands(app: typer.Typer) -> None:
    """Add the commands about data sets to `kilohear`."""
    data = typer.Typer(help="Download data sets, and look at them.", no_args_is_help=True)
    data.command("get")(data_get)
    data.command("check")(data_check)
    app.add_typer(data, name="data")


def data_get(
    name: Annotated[str, typer.Argument(help="esc50, tau2019-mobile or kitchen20.")],
) -> None:
    """Download a data set into the data folder; a download that broke off goes on."""
    from kilohear.files import data_root
    from kilohear_training.data.download import get

    folder = get(name, data_root(), _say)
    typer.echo(f"{folder}: here; look at it with `kilohear data check {name}`")


def data_check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Named data sets, or CSVs of recordings; default all that are known."),
    ] = None,
) -> None:
    """Say what is there, clips per class and fold, and what is wrong; then the status is 1."""
    from rich.console import Console

    from kilohear_training.data.catalogue import NAMED
    from kilohear_training.data.check import check, counts_table

    console = Console()
    wrong = False
    for name in names or NAMED:
        try:
            findings = check(name)
        except KilohearError as error:
            console.print(f"{name}: {error}", markup=False, soft_wrap=True)
            if name in NAMED:
                base = "esc50" if name == "esc10" else name
                console.print(f"  to download it: kilohear data get {base}", markup=False)
            # Without names this is a survey: what isn't here isn't wrong.
            wrong = wrong or bool(names)
            continue
        console.print(counts_table(findings))
        for problem in findings.problems:
            console.print(f"- {problem}", markup=False, soft_wrap=True)
        wrong = wrong or bool(findings.problems)
    if wrong:
        raise typer.Exit(1)


def _say(line: str) -> None:
    typer.echo(line, err=True)
