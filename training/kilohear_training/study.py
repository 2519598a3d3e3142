"""A grid of data sets, networks, rates, methods, seeds and folds: each training once, resumable."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from kilohear.config import load_json, read_json, save_json, to_dict
from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear.files import write_text
from kilohear_training import evaluate
from kilohear_training.cost import Costs
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.data.features import load_features
from kilohear_training.fit import Fit, Folders, load_network, run_fit, short_name
from kilohear_training.methods import METHODS, Chain, Experiment, Recipe, Split, expand
from kilohear_training.workers import Task, Workers, run_tasks

NAMED = Path(__file__).parent / "studies"


@dataclasses.dataclass(frozen=True)
class Arm:
    """A network and how it is trained, on all data sets of the study or only on some.

    Several arms may have one name, each for other data sets.
    """

    name: str
    student: Recipe
    teacher: Recipe | None = None
    datasets: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes
    ----------
    name
        Of the folder of results.
    datasets
        Named data sets, or paths of a CSV.
    arms, rates_hz, methods
        Every method is run for every arm at every rate.
    chains
        Methods beside the paper's: the rates of their generations, as in `methods.METHODS`.
    folds
        Test folds; `null`: the data set's own. A `null` among them trains on all folds, for
        weights to ship, untested.
    seeds
        Everything is run once for each.
    """

    name: str
    datasets: tuple[str, ...]
    arms: tuple[Arm, ...]
    rates_hz: tuple[int, ...]
    methods: tuple[str, ...]
    chains: dict[str, Chain] = dataclasses.field(default_factory=dict)
    folds: tuple[int | None, ...] | None = None
    seeds: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        for field in ("datasets", "arms", "rates_hz", "methods", "seeds"):
            if not getattr(self, field):
                raise ConfigError(f"study {self.name!r}: {field} is empty; name one at least")
        for method in self.methods:
            self.chain(method)
        used = {dataset for arm in self.arms for dataset in arm.datasets}
        unknown = sorted(used - set(self.datasets))
        if unknown:
            raise ConfigError(
                f"study {self.name!r}: an arm is for data set {unknown[0]!r}, "
                f"which isn't among {', '.join(self.datasets)}"
            )

    def chain(self, method: str) -> Chain:
        """Return the chain of a method; raises ConfigError where it is unknown."""
        chains = {**METHODS, **self.chains}
        if method not in chains:
            raise ConfigError(f"method {method!r} is unknown; use one of {', '.join(chains)}")
        return chains[method]

    def only(
        self,
        datasets: tuple[str, ...] = (),
        networks: tuple[str, ...] = (),
        methods: tuple[str, ...] = (),
        rates_hz: tuple[int, ...] = (),
        folds: tuple[int, ...] = (),
        seeds: tuple[int, ...] = (),
    ) -> Study:
        """Return a part of the study; what is left empty stays as it is.

        `networks` are names of arms, or of networks that no arm is named after. Rates, folds and
        seeds may be others than the study's own.

        Raises
        ------
        ConfigError
            Where the study has no such data set, network or method.
        """
        names = {arm.name for arm in self.arms}
        chosen = {
            arm.name
            for arm in self.arms
            if not networks or arm.name in networks or arm.student.network in set(networks) - names
        }
        arms = tuple(
            dataclasses.replace(
                arm, datasets=tuple(d for d in arm.datasets if d in (datasets or self.datasets))
            )
            for arm in self.arms
            if arm.name in chosen
            and (not arm.datasets or set(arm.datasets) & set(datasets or self.datasets))
        )
        known = {
            "data set": (datasets, self.datasets),
            "network": (networks, tuple(n for a in self.arms for n in (a.name, a.student.network))),
        }
        for what, (wanted, there) in known.items():
            for name in wanted:
                if name not in there:
                    raise ConfigError(
                        f"study {self.name!r} has no {what} {name!r}; "
                        f"it has {', '.join(dict.fromkeys(there))}"
                    )
        return dataclasses.replace(
            self,
            datasets=datasets or self.datasets,
            arms=arms,
            rates_hz=rates_hz or self.rates_hz,
            methods=methods or self.methods,
            folds=folds or self.folds,
            seeds=seeds or self.seeds,
        )

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment, seed by seed, so that a study that is stopped has whole seeds."""
        for seed in self.seeds:
            for name in self.datasets:
                yield from self._of_dataset(name, load_dataset(name), seed)

    def _of_dataset(self, name: str, dataset: Dataset, seed: int) -> Iterator[Experiment]:
        folds = dataset.folds_to_test if self.folds is None else self.folds
        for arm in self.arms:
            if arm.datasets and name not in arm.datasets:
                continue
            for rate_hz in self.rates_hz:
                for method in self.methods:
                    chain = self.chain(method)
                    for fold in folds:
                        split = Split(name, dataset, fold, dataset.never_trained_on(fold))
                        fit = expand(chain, split, rate_hz, arm.student, arm.teacher, seed)
                        yield Experiment(arm.name, method, fit, rate_hz)


def load_study(name_or_path: str) -> Study:
    """Return one of the studies that ship with the package, by name, or one from a JSON file.

    Raises
    ------
    ConfigError
        Where there is neither, naming the studies that ship.
    """
    shipped = NAMED / f"{name_or_path}.json"
    if shipped.is_file():
        return load_json(Study, shipped)
    path = Path(name_or_path)
    if path.suffix != ".json" and not path.exists():
        names = ", ".join(sorted(file.stem for file in NAMED.glob("*.json")))
        raise ConfigError(
            f"study {name_or_path!r} is unknown; use one of {names}, or the path of a JSON file"
        )
    return load_json(Study, path)


def on_this_disk(study: Study, say: Callable[[str], None]) -> Study:
    """Return the study without data sets that aren't here, or not whole, and say which those are.

    Raises
    ------
    DataError
        Where none is here.
    """
    here: list[str] = []
    reasons: list[str] = []
    for name in study.datasets:
        try:
            dataset = load_dataset(name)
            for fold in dataset.folds_to_test if study.folds is None else study.folds:
                dataset.split(fold, dataset.never_trained_on(fold))
            here.append(name)
        except DataError as error:
            reasons.append(str(error))
            say(f"{name} is left out: {error}")
    if not here:
        raise DataError(reasons[0])
    return study.only(datasets=tuple(here))


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is still to do for a study.

    Attributes
    ----------
    experiments, fits
        All of them; the fits without repetition, teachers before their students.
    waiting
        The fits that aren't finished.
    untested
        The experiments without a result of their own, those to ship left out.
    """

    experiments: tuple[Experiment, ...]
    fits: tuple[Fit, ...]
    waiting: tuple[Fit, ...]
    untested: tuple[Experiment, ...]


def plan(study: Study, folders: Folders, results: Path) -> Plan:
    """Compare a study with what has been run."""
    experiments = tuple(study.experiments())
    untested = tuple(
        experiment
        for experiment in experiments
        if experiment.fit.fold is not None
        and not _has_result(results / result_name(experiment), experiment)
    )
    shipped = [e for e in experiments if e.fit.fold is None]
    return Plan(
        experiments,
        tuple(with_teachers(experiment.fit for experiment in experiments)),
        tuple(with_teachers((e.fit for e in (*untested, *shipped)), unfinished_in=folders)),
        untested,
    )


def with_teachers(fits: Iterable[Fit], unfinished_in: Folders | None = None) -> list[Fit]:
    """Return the fits and their teachers, each once, teachers before their students.

    With `unfinished_in` only those that are still to be run: a finished fit needs no teacher.
    """
    found: dict[str, Fit] = {}

    def place(fit: Fit) -> None:
        if fit.name in found or (
            unfinished_in and (unfinished_in.runs / fit.name / "result.json").is_file()
        ):
            return
        for teacher in fit.teachers:
            place(teacher)
        found[fit.name] = fit

    for fit in fits:
        place(fit)
    return list(found.values())


def run_study(
    study: Study,
    folders: Folders,
    results: Path,
    workers: AbstractContextManager[Workers],
    say: Callable[[str], None] = print,
) -> None:
    """Run what isn't finished, and write one result file an experiment into `results`.

    Parameters
    ----------
    results
        Gets a file for each experiment as soon as it is tested; those of the same fit are kept.
    workers
        Where it runs.
    say
        Told what is done and how long the rest will take.

    Raises
    ------
    KilohearError
        After the other runs have ended, where some failed: naming them.
    """
    todo = plan(study, folders, results)
    costs = Costs()
    tasks = fit_tasks(todo.waiting, folders, costs)
    tasks += [
        Task(
            result_name(experiment),
            _write_result,
            (study.name, experiment, folders, results),
            frozenset([experiment.fit.name]),
            costs.test_s,
        )
        for experiment in todo.untested
    ]
    say(
        f"{study.name}: {len(todo.fits) - len(todo.waiting)} of {len(todo.fits)} runs are "
        f"finished, {len(todo.untested)} of {len(todo.experiments)} results are missing"
    )
    finish(tasks, workers, say)


def finish(
    tasks: Sequence[Task], workers: AbstractContextManager[Workers], say: Callable[[str], None]
) -> None:
    """Run tasks to their end and tell how far they are; raises KilohearError naming those lost."""
    if not tasks:
        return
    total_s = sum(task.cost_s for task in tasks)
    done_s, ended = 0.0, 0
    began = time.monotonic()

    def done(task: Task) -> None:
        nonlocal done_s, ended
        done_s, ended = done_s + task.cost_s, ended + 1
        left_s = (time.monotonic() - began) * (total_s - done_s) / max(done_s, 1e-9)
        say(f"{ended} of {len(tasks)} tasks, about {left_s / 60:.0f} min left: {task.name}")

    with workers as pool:
        failed = run_tasks(tasks, pool, done)
    if failed:
        raise KilohearError(
            f"{len(failed)} tasks failed, the others are kept; mend and run again:\n"
            + "\n".join(f"{name}: {reason}" for name, reason in failed.items())
        )


def result_name(experiment: Experiment) -> str:
    """The file name of an experiment's result."""
    fit = experiment.fit
    return (
        f"{short_name(fit.dataset)}-{experiment.arm}-{experiment.method}-{experiment.heard_at_hz}hz"
        f"-seed{fit.seed}-fold{fit.fold}.json"
    )


def test(experiment: Experiment, folders: Folders) -> dict[str, Any]:
    """Return the scores of a finished experiment on its test fold, with every prediction."""
    fit, heard_at_hz = experiment.fit, experiment.heard_at_hz
    dataset = load_dataset(fit.dataset)
    training, chosen = dataset.split(fit.fold, fit.left_out)
    _, network = load_network(folders.runs / fit.name, len(dataset.labels))
    features = load_features(dataset, fit.front_end, fit.window_s, folders.cache, heard_at_hz)
    trained = read_json(folders.runs / fit.name / "result.json")
    return {
        "kind": "measured",
        "dataset": dataset.name,
        "arm": experiment.arm,
        "network": fit.network,
        "method": experiment.method,
        "heard_at_hz": heard_at_hz,
        "seed": fit.seed,
        "fold": fit.fold,
        "seconds": trained["seconds"],
        "threads": trained["threads"],
        "fingerprint": dataset.fingerprint(),
        "training_clips": len(training),
        "labels": dataset.labels,
        "metric": dataset.metric,
        "scores": evaluate.test_scores(network, torch.from_numpy(features), dataset, chosen),
        "run": fit.name,
        "versions": trained["versions"],
        "fit": to_dict(fit),
    }


def reporter(every: int = 1) -> Callable[[str], None]:
    """Return a function that prints a run's lines, of its epochs only each `every`-th."""
    console = Console(stderr=True, highlight=False)
    seen = 0

    def report(line: str) -> None:
        nonlocal seen
        seen += 1
        if ": epoch " not in line or seen % every == 0:
            console.print(f"[{os.getpid()}] {line}", markup=False, soft_wrap=True)

    return report


def fit_tasks(fits: Iterable[Fit], folders: Folders, costs: Costs) -> list[Task]:
    """Return one task for each fit, given teachers first."""
    return [
        Task(
            fit.name,
            _run_alone,
            (fit, folders),
            frozenset(teacher.name for teacher in fit.teachers),
            costs.seconds(fit),
        )
        for fit in fits
    ]


def _run_alone(fit: Fit, folders: Folders) -> None:
    run_fit(fit, folders, reporter(every=10))


def _write_result(study: str, experiment: Experiment, folders: Folders, results: Path) -> None:
    result = {"study": study, **test(experiment, folders)}
    write_text(results / result_name(experiment), json.dumps(result, indent=1) + "\n")


def _has_result(file: Path, experiment: Experiment) -> bool:
    return file.is_file() and read_json(file).get("run") == experiment.fit.name


def save_study(study: Study, results: Path) -> None:
    """Write the whole study beside its results, so that what wasn't run shows as such."""
    save_json(study, results / "study.json")
