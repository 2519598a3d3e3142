"""The run: subjects measured on a device, everything that a report needs in one object."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kilohear.classifier import Classifier
from kilohear.errors import BackendError
from kilohear_bench.accuracy import card_score, f1_scores, predict, recalls, unseen_clips
from kilohear_bench.clips import Clip, read_clips
from kilohear_bench.devices import Device, open_device
from kilohear_bench.devices.host import versions
from kilohear_bench.latency import WARM_UP, WINDOWS, require_rounds
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.subject import Subject, Tested, load_bundles, subjects_of

METRICS = ("macro_accuracy", "macro_f1")

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """What to measure.

    Attributes
    ----------
    device
        Where.
    bundles
        Names or paths; empty: all that ship.
    runtimes
        Empty: all that the device has.
    dataset
        A named data set or a CSV to score on; None: the cards' fold scores.
    windows, warm_up
        Timed rounds of latency, and untimed ones before.
    memory
        Whether to measure peak memory, in a fresh process a subject.
    """

    device: str = "host"
    bundles: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    dataset: str | None = None
    windows: int = WINDOWS
    warm_up: int = WARM_UP
    memory: bool = True

    def __post_init__(self) -> None:
        require_rounds(self.windows, self.warm_up)


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, as `run.json` keeps it."""

    configuration: BenchConfig
    started_at: str
    machine: dict[str, Any]
    subjects: tuple[Tested, ...]
    measurements: tuple[Measurement, ...]

    def find(self, name: str, subject: str) -> Measurement | None:
        """Return a subject's measurement of that name; None where it wasn't measured."""
        for measurement in self.measurements:
            if (measurement.name, measurement.subject) == (name, subject):
                return measurement
        return None


def run_bench(config: BenchConfig, say: Say = print) -> Run:
    """Measure; everything that can be refused is refused before anything is timed.

    Raises
    ------
    BackendError
        Where the device has no runtime, or not the one that is asked for.
    BundleError, DataError, AudioError, RateError
        Where a bundle or a data set can't be used, or can't be used together.
    """
    started_at, device = now(), open_device(config.device)
    bundles = load_bundles(config.bundles)
    subjects = subjects_of(bundles, _runtimes(config.runtimes, device))
    unseen = _unseen(subjects, config.dataset)
    machine = device.describe()
    say(f"loading {len(subjects)} files")
    classifiers = {subject.name: device.open(subject) for subject in subjects}
    say(f"latency: {config.windows} windows each, in turns")
    measurements = device.latency(classifiers, config.windows, config.warm_up)
    measurements += [_file_size(subject, device) for subject in subjects]
    if config.memory:
        say("peak memory: a fresh process each")
        measurements += device.peak_memory(subjects)
    for subject in subjects:
        if config.dataset is None:
            measurements += _card_scores(subject)
        else:
            say(f"accuracy: {subject.name}")
            clips, words = unseen[subject.bundle.card.name]
            classifier = classifiers[subject.name]
            measurements += _scores(subject, classifier, clips, words, config.dataset, device)
    recorded = dataclasses.replace(
        config,
        bundles=tuple(bundle.card.name for bundle in bundles),
        runtimes=tuple(dict.fromkeys(subject.export.runtime for subject in subjects)),
        dataset=Path(config.dataset).stem if config.dataset else None,
    )
    tested = tuple(subject.describe() for subject in subjects)
    return Run(recorded, started_at, machine, tested, tuple(measurements))


def _runtimes(wanted: Sequence[str], device: Device) -> tuple[str, ...]:
    there = device.runtimes()
    missing = [runtime for runtime in wanted if runtime not in there]
    if missing or not there:
        raise BackendError(
            f"{device.name} has no runtime {(missing or ['at all'])[0]}; it has "
            f"{', '.join(there) or 'none'}: pip install 'kilohear[executorch,onnx]'"
        )
    return tuple(wanted) or there


def _unseen(subjects: list[Subject], dataset: str | None) -> dict[str, tuple[list[Clip], str]]:
    if dataset is None:
        return {}
    clips = read_clips(dataset)
    cards = {subject.bundle.card.name: subject.bundle.card for subject in subjects}
    return {name: unseen_clips(card, dataset, clips) for name, card in cards.items()}


def _file_size(subject: Subject, device: Device) -> Measurement:
    return Measurement(
        name="file_size",
        subject=subject.name,
        samples=(float(subject.file_bytes),),
        unit="bytes",
        kind="measured",
        device=device.name,
        meter="file system",
        versions={},
        started_at=now(),
    )


def _card_scores(subject: Subject) -> list[Measurement]:
    """Take over the card's fold scores, which training measured; a sample is a fold."""
    scores = [score for metric in METRICS if (score := card_score(subject, metric)) is not None]
    return [
        Measurement(
            name=score.metric,
            subject=subject.name,
            samples=score.folds or (score.value,),
            unit="fraction",
            kind=score.kind,
            device="where it was trained",
            meter="card",
            versions=subject.bundle.card.versions,
            started_at=None,
            conditions={
                "dataset": score.dataset,
                "samples_are": "folds, each scored by weights that never saw it",
                "note": score.note,
            },
        )
        for score in scores
    ]


def _scores(
    subject: Subject,
    classifier: Classifier,
    clips: list[Clip],
    words: str,
    dataset: str,
    device: Device,
) -> list[Measurement]:
    """Score a subject; a sample is a class, every clip's prediction stands beside."""
    started_at = now()
    predictions = predict(classifier, clips)
    per_class = {"macro_accuracy": recalls(predictions), "macro_f1": f1_scores(predictions)}
    conditions = {
        "dataset": Path(dataset).stem,
        "samples_are": "classes",
        "note": words,
        "clips_true_predicted": {p.clip: [p.true, p.predicted] for p in predictions},
    }
    return [
        Measurement(
            name=metric,
            subject=subject.name,
            samples=tuple(values.values()),
            unit="fraction",
            kind="measured",
            device=device.name,
            meter="labels of the data set",
            versions=versions() | {classifier.runtime: classifier.backend.version},
            started_at=started_at,
            conditions={"classes": list(values), **conditions},
        )
        for metric, values in per_class.items()
    ]
