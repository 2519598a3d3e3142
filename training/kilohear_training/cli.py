"""The commands `kilohear train`, `evaluate`, `export` and `study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohear.errors import ConfigError, DataError, KilohearError

if TYPE_CHECKING:
    from kilohear.bundle import Export
    from kilohear_training.fit import Folders

RUNS = Path("runs")
CACHE = Path("cache")

_Runs = Annotated[Path, typer.Option("--runs", help="Folder of training runs.")]
_Cache = Annotated[Path, typer.Option("--cache", help="Folder of cached features.")]


def add_commands(app: typer.Typer) -> None:
    """Add the training commands to `kilohear`."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(export)
    study = typer.Typer(help="Compare methods, rates and folds.", no_args_is_help=True)
    study.command("run")(study_run)
    study.command("table")(study_table)
    study.command("ship")(study_ship)
    app.add_typer(study, name="study")


def train(
    config: Annotated[
        Path | None, typer.Option(help="A fit as JSON (a run's config.json), instead of options.")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="esc10, esc50, kitchen20, or the CSV of your recordings.")
    ] = "esc10",
    fold: Annotated[int | None, typer.Option(help="Test fold; without it all clips train.")] = None,
    network: Annotated[str, typer.Option(help="mobilenet_v3 or tiny.")] = "tiny",
    method: Annotated[str, typer.Option(help="raw, finetune, basd or cssd.")] = "cssd",
    rate: Annotated[int, typer.Option(help="The student's rate, Hz.")] = 1_000,
    teacher: Annotated[str, typer.Option(help="Network of cssd's teacher.")] = "mobilenet_v3",
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and draws.")] = 1,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Train a network; a run that was killed goes on, a finished one is not run again."""
    _need_torch()
    import dataclasses

    from kilohear.config import load_json
    from kilohear_training.fit import Fit, run_fit
    from kilohear_training.methods import RECIPES, expand
    from kilohear_training.study import reporter

    folders = _folders(runs, cache)
    if config is not None:
        fit = load_json(Fit, config)
    else:
        for name in (network, teacher):
            if name not in RECIPES:
                raise ConfigError(f"network {name!r} is unknown; use one of {', '.join(RECIPES)}")
        student_recipe = dataclasses.replace(RECIPES[network], seed=seed)
        if epochs is not None:
            student_recipe = dataclasses.replace(student_recipe, epochs=epochs)
        teacher_recipe = dataclasses.replace(RECIPES[teacher], seed=seed)
        fit = expand(method, dataset, fold, rate, student_recipe, teacher_recipe).fit
    folder = run_fit(fit, folders, reporter())
    typer.echo(folder)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    heard_at: Annotated[
        int | None, typer.Option(help="Rate of the test clips, Hz; default the run's own.")
    ] = None,
    cache: _Cache = CACHE,
) -> None:
    """Score a run on its test fold: macro accuracy, macro F1, per class."""
    _need_torch()
    from rich.console import Console
    from rich.table import Table

    from kilohear.config import load_json
    from kilohear_training.fit import Fit
    from kilohear_training.methods import Experiment
    from kilohear_training.study import test

    fit = load_json(Fit, run / "config.json")
    if fit.fold is None:
        raise DataError(
            f"{run}: trained on all folds, so no clip is left to test on; "
            "evaluate the runs that kept a fold"
        )
    experiment = Experiment("evaluate", fit, heard_at or fit.front_end.rate_hz)
    scores = test(experiment, _folders(run.parent, cache))["scores"]
    table = Table(title=f"{run.name}, heard at {experiment.heard_at_hz:,} Hz (measured)")
    table.add_column("class")
    table.add_column("accuracy", justify="right")
    for label, value in scores["per_class"].items():
        table.add_row(label, f"{value:.3f}")
    low, high = scores["interval"]
    table.add_section()
    table.add_row("macro accuracy", f"{scores['macro_accuracy']:.3f}")
    table.add_row("95% of bootstrap samples", f"{low:.3f} to {high:.3f}")
    table.add_row("macro F1", f"{scores['macro_f1']:.3f}")
    Console().print(table)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    name: Annotated[str | None, typer.Option(help="Its name; default the folder's.")] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="executorch, onnx or coreml; default all.")
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="float32, float16 or int8; default all.")
    ] = None,
) -> None:
    """Export a run as a bundle; each file must agree with the torch model or nothing is written."""
    _need_torch()
    from kilohear.config import from_dict
    from kilohear_training.shipping import Choice, export_run

    wanted = {"runtimes": runtime, "precisions": precision}
    choice = from_dict(Choice, {key: value for key, value in wanted.items() if value}, "export")
    bundle = export_run(run, out, name, choice, _say_export)
    typer.echo(f"{bundle.path}: {bundle.card.name} at {bundle.card.rate_hz:,} Hz")


def study_ship(
    config: Annotated[Path, typer.Argument(help="A study of students as JSON.")],
    rate: Annotated[int, typer.Option(help="The student's rate, Hz.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder of result files; default results/NAME.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Copy the torch weights to this file.")
    ] = None,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Export the weights trained on all folds, with the scores of the tested folds in the card."""
    _need_torch()
    from kilohear.config import load_json
    from kilohear_training.shipping import Choice, ship
    from kilohear_training.study import Study

    study = load_json(Study, config)
    where = results or Path("results") / study.name
    bundle = ship(study, rate, _folders(runs, cache), where, out, weights, Choice(), _say_export)
    typer.echo(f"{bundle.path}: {bundle.card.name} at {bundle.card.rate_hz:,} Hz")


def study_run(
    config: Annotated[Path, typer.Argument(help="The study as JSON; see training/studies.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder of result files; default results/NAME.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Run a study; finished runs are skipped, killed ones go on."""
    _need_torch()
    from kilohear.config import load_json
    from kilohear_training.study import Study, run_study

    study = load_json(Study, config)
    run_study(study, _folders(runs, cache), results or Path("results") / study.name, jobs)


def study_table(
    results: Annotated[Path, typer.Argument(help="Folder of result files.")],
    out: Annotated[Path | None, typer.Option(help="Write Markdown here.")] = None,
) -> None:
    """Print the table of a study: mean and standard deviation over folds, paired gains."""
    from kilohear.files import write_text
    from kilohear_training.tables import table_of

    text = table_of(results)
    typer.echo(text)
    if out is not None:
        write_text(out, text)


def _say_export(export: Export) -> None:
    parity = export.parity
    typer.echo(
        f"{export.file}: {export.bytes / 1e3:,.0f} kB, top-1 agreement "
        f"{parity.top1_agreement:.3f}, largest probability error "
        f"{parity.probability_error_max:.2g} over {parity.clips} clips ({parity.executed_by})"
    )


def _folders(runs: Path, cache: Path) -> Folders:
    from kilohear_training.fit import Folders

    for folder in (runs, cache):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KilohearError(
                f"{folder}: can't make this folder ({error.strerror}); choose another"
            ) from None
    return Folders(runs, cache)


def _need_torch() -> None:
    """Refuse, with what to install, where torch is missing; else keep its threads polite."""
    import importlib.util
    import os

    if importlib.util.find_spec("torch") is None:
        raise KilohearError("training needs torch: pip install 'kilohear[training]'")
    # Spinning threads slow a step several times over when another process is busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
