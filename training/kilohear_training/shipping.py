"""From finished runs to bundles: one run, or a study's students with the scores of their folds."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import from_numpy

from kilohear.bundle import Bundle, Export, Identity, Precision, Runtime, Score, Training
from kilohear.config import from_dict, load_json, read_json, to_dict
from kilohear.errors import ExportError
from kilohear.files import write_bytes
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.data.features import read_clip
from kilohear_training.export import c_header
from kilohear_training.export.bundle import (
    FILES,
    Request,
    add_file,
    export_bundle,
    write_file,
)
from kilohear_training.export.parity import open_file, score_export
from kilohear_training.export.student import WaveformStudent
from kilohear_training.fit import Fit, Folders, load_network
from kilohear_training.methods import Experiment
from kilohear_training.networks import build
from kilohear_training.study import Study, result_name

VERSION = "1.1.0"
_REDUCED_NOTE = "each fold's own weights in this precision, calibrated on its training folds"
_GATE_CLIPS_FROM = "{}, training clips that calibration did not see"
CALIBRATION_CLIPS = 96
GATE_CLIPS = 64

SayExport = Callable[[Export], None]


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which files a bundle gets."""

    runtimes: tuple[Runtime, ...] = ("executorch", "onnx", "coreml", "c")
    precisions: tuple[Precision, ...] = ("float32", "float16", "int8")

    @property
    def targets(self) -> list[tuple[Runtime, Precision]]:
        """Runtime and precision of the wanted files."""
        return [t for t in FILES if t[0] in self.runtimes and t[1] in self.precisions]


def export_run(run: Path, out: Path, name: str | None, choice: Choice, report: SayExport) -> Bundle:
    """Export a finished run as a bundle; its card has the score of its test fold, if it kept one.

    Raises
    ------
    ConfigError, DataError, ExportError
        Where the run, its data or a file isn't right; nothing is written then.
    """
    fit = load_json(Fit, run / "config.json")
    dataset = load_dataset(fit.dataset)
    result = read_json(run / "result.json")
    scores: tuple[Score, ...] = ()
    if "test" in result:
        note = f"fold {fit.fold} alone, by these weights, which never saw it"
        test = result["test"]
        scores = (
            _mean_score("macro_accuracy", dataset, [test["macro_accuracy"]], note),
            _mean_score("macro_f1", dataset, [test["macro_f1"]], note),
        )
    return _export(run, fit, dataset, name or out.name, scores, {}, out, choice, report)


def ship(
    study: Study,
    rate_hz: int,
    folders: Folders,
    results: Path,
    out: Path,
    weights: Path | None,
    choice: Choice,
    report: SayExport,
) -> Bundle:
    """Export a study's student that was trained on all folds, with the scores of the others.

    The card's scores are the mean over test folds by weights that never saw them; float16 and int8
    files are made and scored fold by fold in the same way.

    Parameters
    ----------
    weights
        Gets a copy of the torch weights, with which the files' parity can be checked again.

    Raises
    ------
    ExportError
        Where the study has no run over all folds, or runs or results are missing.
    """
    experiments = [e for e in study.experiments() if e.heard_at_hz == rate_hz]
    final = [e for e in experiments if e.fit.fold is None]
    tested = [e for e in experiments if e.fit.fold is not None]
    if len(final) != 1 or not tested:
        raise ExportError(
            f"study {study.name!r} at {rate_hz} Hz has {len(final)} runs over all folds and "
            f"{len(tested)} tested ones; give a study of one method with null among its folds"
        )
    for experiment in tested:
        if not (results / result_name(experiment)).is_file():
            raise ExportError(f"{results / result_name(experiment)}: missing; run the study first")
    dataset = load_dataset(final[0].fit.dataset)
    measured = [read_json(results / result_name(e))["scores"] for e in tested]
    note = (
        f"{len(tested)} folds, each by weights trained without it in the same way; "
        "the shipped weights are another fit, over all folds, and have no score of their own"
    )
    scores = (
        _mean_score("macro_accuracy", dataset, [m["macro_accuracy"] for m in measured], note),
        _mean_score("macro_f1", dataset, [m["macro_f1"] for m in measured], note),
    )
    fit = final[0].fit
    reduced = _reduced_scores(tested, dataset, folders, choice)
    run = folders.runs / fit.name
    bundle = _export(run, fit, dataset, out.name, scores, reduced, out, choice, report)
    if weights is not None:
        write_bytes(weights, (run / "weights.pt").read_bytes())
    return bundle


def add_to_bundle(
    bundle: Bundle,
    weights: Path,
    runtime: Runtime,
    precision: Precision,
    score: Score | None,
    report: SayExport,
) -> Bundle:
    """Add one file to a bundle that a run gave, from the run's torch weights.

    It is calibrated and checked on the same clips as the bundle's other files, which stay as they
    are.

    Raises
    ------
    ConfigError, DataError, ExportError
        Where the card's fit, its data, the weights or the file aren't right; nothing is written
        then.
    """
    card = bundle.card
    fit = from_dict(Fit, card.training.config, f"{bundle.path}: training.config")
    dataset = load_dataset(fit.dataset)
    training, _ = dataset.split(fit.fold)
    network = build(fit.network, len(card.labels), fit.front_end, fit.window_s)
    try:
        network.load_state_dict(torch.load(weights, weights_only=True))
    except (OSError, EOFError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        cause = str(error).splitlines()[0]
        raise ExportError(
            f"{weights}: holds no weights of {card.name}'s {fit.network} ({cause}); give the "
            "weights.pt of the run that the bundle was exported from"
        ) from None
    calibration, gate = calibration_and_gate_clips(fit, training)
    return add_file(
        bundle,
        network.eval(),
        (runtime, precision),
        load_waveforms(dataset, fit, calibration),
        load_waveforms(dataset, fit, gate),
        _GATE_CLIPS_FROM.format(dataset.name),
        score,
        report,
    )


def score_folds(bundle: Bundle, runs: list[Path], runtime: Runtime, precision: Precision) -> Score:
    """Return the score that a bundle's file has fold by fold, by weights that kept the fold.

    Parameters
    ----------
    bundle
        The bundle whose fit, over all folds, the runs repeat.
    runs
        Finished runs, one for each fold.
    runtime, precision
        Of the file.

    Raises
    ------
    ConfigError, DataError, ExportError
        Where a run isn't finished, isn't the bundle's fit on another fold, or a fold is missing.
    """
    shipped = from_dict(Fit, bundle.card.training.config, f"{bundle.path}: training.config")
    dataset = load_dataset(shipped.dataset)
    by_fold: dict[int | None, tuple[Path, Fit]] = {}
    for run in runs:
        fit = load_json(Fit, run / "config.json")
        if _without_folds(fit) != _without_folds(shipped):
            raise ExportError(
                f"{run}: isn't the fit of {bundle.card.name} with a fold kept; give runs of the "
                "same configuration"
            )
        if not (run / "result.json").is_file():
            raise ExportError(f"{run}: holds no result.json; let the run finish first")
        by_fold[fit.fold] = (run, fit)
    folds = dataset.folds_to_test
    if set(by_fold) != set(folds) or len(runs) != len(folds):
        raise ExportError(
            f"{len(runs)} runs keep the folds {', '.join(map(str, by_fold)) or 'none'}; give one "
            f"for each of {', '.join(map(str, folds))}"
        )
    values = []
    for fold in folds:
        run, fit = by_fold[fold]
        scores = _fold_scores(run, fit, dataset, [(runtime, precision)])
        if not scores:
            raise ExportError(f"{bundle.card.name}: the board can't run it; nothing is to score")
        values += scores.values()
    return _mean_score("macro_accuracy", dataset, values, _REDUCED_NOTE)


def _without_folds(fit: Fit) -> Fit:
    """Return a fit as if it and its teachers were trained on all folds."""
    return dataclasses.replace(
        fit,
        fold=None,
        left_out=(),
        teachers=tuple(_without_folds(teacher) for teacher in fit.teachers),
    )


def calibration_and_gate_clips(fit: Fit, training: list[int]) -> tuple[list[int], list[int]]:
    """Return training clips for int8 calibration, and others for the gate to run."""
    chosen = np.random.default_rng(fit.seed).permutation(training).tolist()
    calibration = chosen[:CALIBRATION_CLIPS]
    gate = chosen[CALIBRATION_CLIPS : CALIBRATION_CLIPS + GATE_CLIPS]
    return calibration, gate or calibration  # a small data set has none to spare


def load_waveforms(dataset: Dataset, fit: Fit, clips: list[int]) -> NDArray[np.float32]:
    """Return the chosen clips as the fit's student hears them, (clips, samples)."""
    rate_hz = fit.front_end.rate_hz
    return np.stack([read_clip(dataset.clips[i].path, rate_hz, fit.window_s) for i in clips])


def _export(
    run: Path,
    fit: Fit,
    dataset: Dataset,
    name: str,
    scores: tuple[Score, ...],
    export_scores: dict[str, Score],
    out: Path,
    choice: Choice,
    report: SayExport,
) -> Bundle:
    training, _ = dataset.split(fit.fold)
    _, network = load_network(run, len(dataset.labels))
    calibration, gate = calibration_and_gate_clips(fit, training)
    identity = _identity(fit, dataset, len(training), name)
    request = Request(
        name=name,
        version=identity.version,
        network=identity.network,
        labels=identity.labels,
        front_end=identity.front_end,
        training=identity.training,
        scores=scores,
        gate_clips_from=_GATE_CLIPS_FROM.format(dataset.name),
        window_s=identity.window_s,
        hop_s=identity.hop_s,
        runtimes=choice.runtimes,
        precisions=choice.precisions,
        export_scores=export_scores,
    )
    return export_bundle(
        request,
        network,
        load_waveforms(dataset, fit, calibration),
        load_waveforms(dataset, fit, gate),
        out,
        report,
    )


def _identity(fit: Fit, dataset: Dataset, clips: int, name: str) -> Identity:
    return Identity(
        name=name,
        version=VERSION,
        network=fit.network,
        window_s=fit.window_s,
        hop_s=min(1.0, fit.window_s),
        front_end=fit.front_end,
        labels=dataset.labels,
        training=_training(fit, dataset, clips),
    )


def _training(fit: Fit, dataset: Dataset, clips: int) -> Training:
    teacher = "none"
    if fit.teachers:
        first, several = fit.teachers[0], len(fit.teachers) > 1
        heard = f"{first.network} at {first.front_end.rate_hz:,} Hz"
        number = f"{len(fit.teachers)} x " if several else ""
        folds = "folds other than the clip's" if fit.teaching == "unseen" else "the same folds"
        teacher = f"{number}{heard}, from {first.initial} weights, trained on {folds}"
    folds = (
        f"all {len(dataset.folds)} folds of {dataset.name}"
        if fit.fold is None
        else f"{dataset.name} without fold {fit.fold}, which is kept for the test"
    )
    return Training(
        dataset=dataset.name,
        licence=dataset.licence,
        clips=clips,
        method=_method(fit),
        teacher=teacher,
        initial_weights="drawn from the seed" if fit.initial == "none" else fit.initial,
        shipped_fit=f"{folds}, {fit.epochs} epochs, last epoch",
        seed=fit.seed,
        config=to_dict(fit),
    )


def _method(fit: Fit) -> str:
    if not fit.teachers:
        return "labels alone"
    if fit.teachers[0].front_end.rate_hz == fit.front_end.rate_hz:
        return "distillation at one rate"
    return "cssd"


def _reduced_scores(
    tested: list[Experiment], dataset: Dataset, folders: Folders, choice: Choice
) -> dict[str, Score]:
    """Export each fold's weights in fewer bits, calibrated on its training folds; score them."""
    targets = [target for target in choice.targets if target[1] != "float32"]
    values: dict[str, list[float]] = {}
    for experiment in tested:
        run = folders.runs / experiment.fit.name
        for name, value in _fold_scores(run, experiment.fit, dataset, targets).items():
            values.setdefault(name, []).append(value)
    return {
        name: _mean_score("macro_accuracy", dataset, folds, _REDUCED_NOTE)
        for name, folds in values.items()
    }


def _fold_scores(
    run: Path, fit: Fit, dataset: Dataset, targets: list[tuple[Runtime, Precision]]
) -> dict[str, float]:
    """Export a run that kept a fold, calibrated on the others; score the files on the fold."""
    training, test = dataset.split(fit.fold)
    _, network = load_network(run, len(dataset.labels))
    student = WaveformStudent(fit.front_end, network)
    chosen, _ = calibration_and_gate_clips(fit, training)
    calibration = from_numpy(load_waveforms(dataset, fit, chosen))
    heard = load_waveforms(dataset, fit, test)
    truth = np.array(dataset.targets())[test]
    identity = _identity(fit, dataset, len(training), f"fold {fit.fold}")
    is_refused = c_header.refusal(student) is not None
    values = {}
    for runtime, precision in targets:
        if runtime == "c" and is_refused:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / FILES[runtime, precision]
            write_file(student, runtime, precision, calibration, file, identity)
            values[file.name] = score_export(open_file(runtime, file), heard, truth, dataset.labels)
    return values


def _mean_score(
    metric: Literal["macro_accuracy", "macro_f1"], dataset: Dataset, folds: list[float], note: str
) -> Score:
    return Score(
        metric=metric,
        kind="measured",
        dataset=dataset.name,
        value=round(float(np.mean(folds)), 4),
        std=round(float(np.std(folds, ddof=1)), 4) if len(folds) > 1 else 0.0,
        folds=tuple(round(value, 4) for value in folds),
        note=note,
    )
