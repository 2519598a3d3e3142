"""The commands `kilohear train`, `evaluate`, `export` and `study`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kilohear.bundle import Bundle
from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear.guides import write_guide
from kilohear_training.data_cli import add_data_commands

if TYPE_CHECKING:
    from kilohear.bundle import Export
    from kilohear_training.fit import Folders
    from kilohear_training.shipping import Choice
    from kilohear_training.study import Study
    from kilohear_training.workers import Workers

RUNS = Path("runs")
CACHE = Path("cache")

RESULTS = Path("results")

_Number = TypeVar("_Number", int, float)
_StudyName = Annotated[
    str, typer.Argument(help="A study that ships (table1, students-esc10...) or a JSON file.")
]
_Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", help="Only this one; may be repeated.")
]
_Networks = Annotated[
    list[str] | None, typer.Option("--network", help="Only this arm or network; repeatable.")
]
_Methods = Annotated[list[str] | None, typer.Option("--method", help="Only this; repeatable.")]
_Rates = Annotated[str | None, typer.Option("--rates", help="Student rates, Hz, by commas.")]
_Folds = Annotated[str | None, typer.Option("--folds", help="Test folds, by commas.")]
_Seeds = Annotated[str | None, typer.Option("--seeds", help="Seeds, by commas.")]
_Results = Annotated[
    Path | None, typer.Option("--results", help="Folder of result files; default results/NAME.")
]
_Runs = Annotated[Path, typer.Option("--runs", help="Folder of training runs.")]
_Cache = Annotated[Path, typer.Option("--cache", help="Folder of cached features.")]
_Runtimes = Annotated[
    list[str] | None,
    typer.Option("--runtime", help="executorch, onnx, coreml or c; again for more; default all."),
]
_Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", help="float32, float16 or int8; again for more; default all."),
]


def add_commands(app: typer.Typer) -> None:
    """Add the training commands to `kilohear`."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(export)
    study = typer.Typer(help="Compare methods, rates and folds.", no_args_is_help=True)
    study.command("plan")(study_plan)
    study.command("run")(study_run)
    study.command("tune")(study_tune)
    study.command("report")(study_report)
    study.command("ship")(study_ship)
    app.add_typer(study, name="study")
    add_data_commands(app)


def train(
    config: Annotated[
        Path | None, typer.Option(help="A fit as JSON (a run's config.json), instead of options.")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="esc10, esc50, kitchen20, or the CSV of your recordings.")
    ] = "esc10",
    fold: Annotated[int | None, typer.Option(help="Test fold; without it all clips train.")] = None,
    network: Annotated[str, typer.Option(help="One of the networks.")] = "tiny",
    method: Annotated[str, typer.Option(help="raw, finetune, basd or cssd.")] = "cssd",
    rate: Annotated[int, typer.Option(help="The student's rate, Hz.")] = 1_000,
    teacher: Annotated[str, typer.Option(help="Network of cssd's teacher.")] = "mobilenet_v3",
    init: Annotated[
        str | None, typer.Option(help="The student's first weights: none, audioset or a FILE.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and draws.")] = 1,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Train a network; a run that was killed goes on, a finished one is not run again."""
    _need_torch()
    import dataclasses

    from kilohear.config import load_json
    from kilohear.files import sha256_of
    from kilohear_training.data.catalogue import load_dataset
    from kilohear_training.fit import Fit, run_fit
    from kilohear_training.methods import METHODS, RECIPES, Split, expand
    from kilohear_training.study import reporter

    folders = _folders(runs, cache)
    if config is not None:
        fit = load_json(Fit, config)
    else:
        for name in (network, teacher):
            if name not in RECIPES:
                raise ConfigError(f"network {name!r} is unknown; use one of {', '.join(RECIPES)}")
        if method not in METHODS:
            raise ConfigError(f"method {method!r} is unknown; use one of {', '.join(METHODS)}")
        recipe = RECIPES[network]
        if epochs is not None:
            recipe = dataclasses.replace(recipe, epochs=epochs)
        if init is not None:
            is_file = init not in ("none", "audioset")
            if is_file and not Path(init).is_file():
                raise ConfigError(f"{init}: no such file; --init takes none, audioset or a file")
            sha256 = sha256_of(Path(init)) if is_file else None
            recipe = dataclasses.replace(recipe, initial=init, initial_sha256=sha256)
        loaded = load_dataset(dataset)
        split = Split(dataset, loaded, fold, loaded.never_trained_on(fold))
        recipe = dataclasses.replace(recipe, window_s=loaded.window_s)
        taught_by = dataclasses.replace(RECIPES[teacher], window_s=loaded.window_s)
        fit = expand(METHODS[method], split, rate, recipe, taught_by, seed)
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
    experiment = Experiment("evaluate", "evaluate", fit, heard_at or fit.front_end.rate_hz)
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
    labels_only_header: Annotated[
        bool,
        typer.Option(
            "--labels-only-header",
            help="Write kilohear_labels.h for C into OUT, of a bundle instead of a run.",
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Its name; default the folder's.")] = None,
    runtime: _Runtimes = None,
    precision: _Precisions = None,
    add: Annotated[
        bool,
        typer.Option(
            "--add",
            help="Make the files of --runtime again in the bundle OUT, of the run it came from or "
            "of that run's weights.pt; the others stay.",
        ),
    ] = False,
    fold_run: Annotated[
        list[Path] | None,
        typer.Option(help="With --add: a run that kept a fold, to score the files by; one a fold."),
    ] = None,
) -> None:
    """Export a run as a bundle; each file must agree with the torch model or nothing is written."""
    if labels_only_header:
        for file in write_guide("c", Bundle.load(run).card, out):
            typer.echo(file)
        return
    _need_torch()
    from kilohear_training.shipping import add_to_bundle, export_run, score_folds

    choice = _choice(runtime, precision)
    if add:
        if not runtime or name:
            raise ConfigError("--add takes --runtime, and no --name; say which files to make")
        bundle = Bundle.load(out)
        weights = run / "weights.pt" if run.is_dir() else run
        for target in choice.targets:
            score = score_folds(bundle, fold_run, *target) if fold_run else None
            bundle = add_to_bundle(bundle, weights, *target, score, _say_export)
    else:
        bundle = export_run(run, out, name, choice, _say_export)
    typer.echo(f"{bundle.path}: {bundle.card.name} at {bundle.card.rate_hz:,} Hz")


def study_ship(
    study: _StudyName,
    rate: Annotated[int, typer.Option(help="The student's rate, Hz.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    results: _Results = None,
    weights: Annotated[
        Path | None, typer.Option(help="Copy the torch weights to this file.")
    ] = None,
    runtime: _Runtimes = None,
    precision: _Precisions = None,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Export the weights trained on all folds, with the scores of the tested folds in the card."""
    _need_torch()
    from kilohear_training.shipping import ship
    from kilohear_training.study import load_study

    loaded = load_study(study)
    where = results or RESULTS / loaded.name
    choice = _choice(runtime, precision)
    bundle = ship(loaded, rate, _folders(runs, cache), where, out, weights, choice, _say_export)
    typer.echo(f"{bundle.path}: {bundle.card.name} at {bundle.card.rate_hz:,} Hz")


def study_run(
    study: _StudyName,
    dataset: _Datasets = None,
    network: _Networks = None,
    method: _Methods = None,
    rates: _Rates = None,
    folds: _Folds = None,
    seeds: _Seeds = None,
    results: _Results = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes, one thread each; default one a core.", min=1)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="A Ray cluster's address, instead of processes here.")
    ] = None,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Run a study; finished runs are skipped, killed ones go on."""
    _need_torch()
    from kilohear_training.study import load_study, run_study, save_study

    whole = load_study(study)
    part = _part(whole, dataset, network, method, rates, folds, seeds)
    where = results or RESULTS / whole.name
    save_study(whole, where)
    run_study(part, _folders(runs, cache), where, _workers(jobs, cluster), _say)


def study_plan(
    study: _StudyName,
    dataset: _Datasets = None,
    network: _Networks = None,
    method: _Methods = None,
    rates: _Rates = None,
    folds: _Folds = None,
    seeds: _Seeds = None,
    results: _Results = None,
    jobs: Annotated[int | None, typer.Option(help="Processes to plan for.", min=1)] = None,
    runs: _Runs = RUNS,
) -> None:
    """Print the runs of a study and what they will cost, a step of each timed on this machine."""
    _need_torch()
    from rich.console import Console

    from kilohear_training.fit import Folders
    from kilohear_training.plan import plan_table
    from kilohear_training.study import load_study, plan

    whole = load_study(study)
    part = _part(whole, dataset, network, method, rates, folds, seeds)
    todo = plan(part, Folders(runs, CACHE), results or RESULTS / whole.name)
    Console().print(plan_table(part.name, todo, jobs or _cores()))


def study_tune(
    study: _StudyName,
    dataset: Annotated[str, typer.Option(help="One of the study's data sets.")],
    arm: Annotated[str, typer.Option(help="One of its arms.")],
    rate: Annotated[int, typer.Option(help="The student's rate, Hz.")] = 1_000,
    method: Annotated[str, typer.Option(help="A method with a teacher.")] = "cssd",
    alphas: Annotated[str, typer.Option(help="From 0 to 1, by commas.")] = "0.1,0.5,1",
    temperatures: Annotated[str, typer.Option(help="Above 0, by commas.")] = "1,2,4",
    folds: _Folds = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and draws.")] = 1,
    results: _Results = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes, one thread each; default one a core.", min=1)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="A Ray cluster's address, instead of processes here.")
    ] = None,
    runs: _Runs = RUNS,
    cache: _Cache = CACHE,
) -> None:
    """Search alpha and T on validation folds; the test folds are neither heard nor scored."""
    _need_torch()
    from kilohear_training.study import load_study
    from kilohear_training.tune import Grid, tune

    loaded = load_study(study)
    grid = Grid(
        dataset,
        arm,
        rate,
        method,
        _list(alphas, float),
        _list(temperatures, float),
        seed,
        _list(folds, int),
    )
    where = results or RESULTS / loaded.name
    found = tune(loaded, grid, _folders(runs, cache), where, _workers(jobs, cluster), _say)
    for row in found["grid"]:
        typer.echo(f"alpha {row['alpha']}, T {row['temperature']}: {row[found['metric']]:.3f}")
    best = found["best"]
    typer.echo(f"best on validation folds: alpha {best['alpha']}, T {best['temperature']}")


def study_report(
    results: Annotated[list[Path], typer.Argument(help="Folders of result files.")],
    out: Annotated[Path, typer.Option(help="The report's folder.")],
    baseline: Annotated[
        str | None, typer.Option(help="ARM:METHOD that all others are compared with.")
    ] = None,
) -> None:
    """Write Table 1, Table 2, Figure 2, ablations and confusions: Markdown, CSV, HTML, PNG."""
    from kilohear_training.report import write_report

    for file in write_report(results, out, baseline):
        typer.echo(file)


def _part(
    study: Study,
    dataset: list[str] | None,
    network: list[str] | None,
    method: list[str] | None,
    rates: str | None,
    folds: str | None,
    seeds: str | None,
) -> Study:
    """Return the chosen part of a study; unless data sets are named, of those on this disk."""
    from kilohear_training.study import on_this_disk

    part = study.only(
        tuple(dataset or ()),
        tuple(network or ()),
        tuple(method or ()),
        _list(rates, int),
        _list(folds, int),
        _list(seeds, int),
    )
    return part if dataset else on_this_disk(part, _say)


def _list(text: str | None, kind: type[_Number]) -> tuple[_Number, ...]:
    """Return the numbers that commas separate; none of them where nothing is given."""
    if text is None:
        return ()
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{text!r} isn't a list of numbers; separate them by commas") from None


def _workers(jobs: int | None, cluster: str | None) -> AbstractContextManager[Workers]:
    from kilohear_training.workers import local_workers, ray_workers

    return ray_workers(cluster) if cluster else local_workers(jobs or _cores())


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _say_export(export: Export) -> None:
    parity = export.parity
    typer.echo(
        f"{export.file}: {export.bytes / 1e3:,.0f} kB, top-1 agreement "
        f"{parity.top1_agreement:.3f}, largest probability error "
        f"{parity.probability_error_max:.2g} over {parity.clips} clips ({parity.executed_by})"
    )


def _choice(runtimes: list[str] | None, precisions: list[str] | None) -> Choice:
    from kilohear.config import from_dict
    from kilohear_training.shipping import Choice

    wanted = {"runtimes": runtimes, "precisions": precisions}
    return from_dict(Choice, {key: value for key, value in wanted.items() if value}, "export")


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
    """Refuse, with what to install, where torch is missing; else set its environment."""
    import importlib.util

    from kilohear_training.workers import set_environment

    if importlib.util.find_spec("torch") is None:
        raise KilohearError("training needs torch: pip install 'kilohear[training]'")
    set_environment()
