"""The host: the computer that this runs on, its thread on one core while it is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from kilohear import backends
from kilohear.classifier import Classifier
from kilohear.errors import BackendError
from kilohear_bench import machine
from kilohear_bench.accuracy import (
    CLIP_CORRECT,
    METRICS,
    card_score,
    clip_measurements,
    expected_score,
    predict,
    unseen_by_each,
)
from kilohear_bench.clips import Clip
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome, Step
from kilohear_bench.latency import (
    WARM_UP,
    WINDOWS,
    noise_window,
    order_of,
    require_rounds,
    time_round,
)
from kilohear_bench.machine import HOST, choose_core, load_conditions, pinned
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.memory import peak_memory
from kilohear_bench.meters import MeterError
from kilohear_bench.meters.rapl import METER, Rapl
from kilohear_bench.subject import Subject, Tested, subjects_at

BATCH = 20
"""Clips a step: about half a second of work for one write to disk."""
STRETCHES = 5
IDLE_S = 1.0
INFERENCE_S = 2.0
"""Stretches of energy of each subject and their lengths: 10 s of inference."""


class Host:
    """This computer; see `kilohear_bench.devices.Device`.

    Parameters
    ----------
    config
        What to measure.
    rapl
        Its energy counters; None: the system's.
    """

    name = HOST

    def __init__(self, config: BenchConfig, rapl: Rapl | None = None) -> None:
        self.config = config
        self._windows = WINDOWS if config.windows is None else config.windows
        self._warm_up = WARM_UP if config.warm_up is None else config.warm_up
        self._rapl = rapl or Rapl()
        self._no_energy: str | None = None
        self._core: int | None = None
        self._subjects: dict[str, Subject] = {}
        self._unseen: dict[str, tuple[list[Clip], str]] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._warm = False

    def __enter__(self) -> Self:
        """Load what is measured.

        Raises
        ------
        ConfigError
            Where rounds are too few, or the core isn't there.
        BackendError
            Where a runtime isn't installed, or refuses a file.
        BundleError, DataError
            Where a bundle or a data set can't be used, or can't be used together.
        """
        require_rounds(self._windows, self._warm_up)
        self._core = choose_core(self.config.cpu)
        subjects = subjects_at(self.config, self._runtimes(), self.name)
        self._subjects = {subject.name: subject for subject in subjects}
        self._unseen = unseen_by_each(subjects, self.config)
        self._classifiers = {
            name: subject.bundle.open(subject.export.runtime, subject.export.precision, threads=1)
            for name, subject in self._subjects.items()
        }
        try:
            self._rapl.open()
            self._no_energy = None
        except MeterError as error:
            self._no_energy = str(error)
        return self

    def __exit__(self, *error: object) -> None:
        self._classifiers.clear()
        self._warm = False

    def describe(self) -> dict[str, Any]:
        """Return the machine, its runtimes with their versions, and its energy meter."""
        return {
            **machine.describe(),
            "runtimes": {c.runtime: c.backend.version for c in self._classifiers.values()},
            "energy_meter": None if self._no_energy else METER,
            "no_energy_because": self._no_energy,
        }

    def subjects(self) -> Sequence[Tested]:
        """Return what is measured: files of the bundles."""
        return [subject.describe() for subject in self._subjects.values()]

    def plan(self) -> Sequence[Step]:
        """Return the steps: files, rounds of latency, memory, energy, clips."""
        return [Step(name, measure) for name, measure in self._steps()]

    def _steps(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        yield "files", self._files
        for i in range(self._windows):
            yield f"latency/{i}", partial(self._round, i)
        for name, subject in self._subjects.items() if self.config.memory else ():
            yield f"memory/{name}", partial(_peak_memory, subject)
        for i in range(0 if self._no_energy else STRETCHES):
            for name in order_of(list(self._subjects), i):
                yield f"energy/{i}/{name}", partial(self._energy, name)
        for name, subject in self._subjects.items() if self._unseen else ():
            clips, note = self._unseen[subject.bundle.card.name]
            for first in range(0, len(clips), BATCH):
                heard = clips[first : first + BATCH]
                yield f"clips/{name}/{first}", partial(self._hear, name, heard, note)

    def _runtimes(self) -> tuple[str, ...]:
        there = backends.available()
        missing = [runtime for runtime in self.config.runtimes if runtime not in there]
        if missing or not there:
            raise BackendError(
                f"{self.name} has no runtime {(missing or ['at all'])[0]}; it has "
                f"{', '.join(there) or 'none'}: pip install 'kilohear[executorch,onnx]'"
            )
        return self.config.runtimes or there

    def _files(self) -> Outcome:
        measurements = []
        for name, subject in self._subjects.items():
            size = (float(subject.file_bytes),)
            measurements.append(
                self._measured("file_size", name, size, "bytes", "file system", now())
            )
            measurements += self._card_scores(subject) if self.config.dataset is None else ()
        return Outcome(measurements)

    def _card_scores(self, subject: Subject) -> list[Measurement]:
        """Take over the card's fold scores, which training measured; a sample is a fold."""
        scores = [score for metric in METRICS if (score := card_score(subject, metric)) is not None]
        return [
            Measurement(
                name=score.metric,
                subject=subject.name,
                samples=score.folds or (score.value,),
                unit="fraction",
                kind=score.kind,
                device=self.name,
                meter="card",
                versions=subject.bundle.card.versions,
                started_at=None,
                conditions={
                    "rate_hz": subject.bundle.card.rate_hz,
                    "scored": "where it was trained",
                    "dataset": score.dataset,
                    "samples_are": "folds, each scored by weights that never saw it",
                    "note": score.note,
                },
            )
            for score in scores
        ]

    def _calls(self) -> dict[str, Callable[[], object]]:
        return {
            name: partial(classifier, noise_window(classifier.card))
            for name, classifier in self._classifiers.items()
        }

    def _warmed(self) -> dict[str, Callable[[], object]]:
        """Return what classifies a window, by subject; warm-up rounds come once a process."""
        calls = self._calls()
        if not self._warm:
            for i in range(self._warm_up):
                time_round(calls, i)
            self._warm = True
        return calls

    def _round(self, i: int) -> Outcome:
        """Time round `i`."""
        started_at, load = now(), _known(load_conditions())
        with pinned(self._core):
            taken_ms = time_round(self._warmed(), i)
        conditions = {
            "threads": 1,
            "cpu": self._core,
            "order": "A/B/A",
            "warm_up": self._warm_up,
            "in_turns_with": len(taken_ms) - 1,
            **load,
        }
        meter = "time.perf_counter_ns"
        return Outcome(
            [
                self._measured("latency", name, (ms,), "ms", meter, started_at, conditions)
                for name, ms in taken_ms.items()
            ]
        )

    def _energy(self, name: str) -> Outcome:
        """Measure an idle stretch, one of window after window, and an idle one."""
        started_at, load = now(), _known(load_conditions())
        with pinned(self._core):
            call = self._warmed()[name]
            before = self._rapl.idle(IDLE_S)
            busy = self._rapl.during(call, INFERENCE_S)
            after = self._rapl.idle(IDLE_S)
        idle_mw = before.power_mw, after.power_mw
        conditions = {"threads": 1, "cpu": self._core, "includes": "whole processor package"}
        conditions |= {"baseline_mw": sum(idle_mw) / 2, "windows": busy.calls, **load}
        return Outcome(
            [
                self._measured(quantity, name, samples, unit, METER, started_at, conditions)
                for quantity, samples, unit in (
                    ("power_idle", idle_mw, "mW"),
                    ("power_inference", (busy.power_mw,), "mW"),
                    ("window_energy", (busy.energy_mj / busy.calls,), "mJ"),
                    ("window_power", (busy.power_mw,), "mW"),
                    ("window_time", (busy.time_s / busy.calls,), "s"),
                )
            ]
        )

    def _hear(self, name: str, clips: list[Clip], note: str) -> Outcome:
        """Label clips; this computer's labels are the reference, so none stand beside them."""
        dataset, started_at = str(self.config.dataset), now()
        predictions = predict(self._classifiers[name], clips)
        expected = expected_score(self._subjects[name], dataset)
        conditions = {"dataset": Path(dataset).stem, "note": note}
        conditions |= {} if expected is None else {"card_score": expected}
        common = self._measured(CLIP_CORRECT, name, (0.0,), "fraction", "", started_at, conditions)
        return Outcome(clip_measurements(common, predictions))

    def _measured(
        self,
        quantity: str,
        name: str,
        samples: tuple[float, ...],
        unit: str,
        meter: str,
        started_at: str,
        conditions: dict[str, Any] | None = None,
    ) -> Measurement:
        classifier = self._classifiers[name]
        return Measurement(
            name=quantity,
            subject=name,
            samples=samples,
            unit=unit,
            kind="measured",
            device=self.name,
            meter=meter,
            versions=machine.versions() | {classifier.runtime: classifier.backend.version},
            started_at=started_at,
            conditions={
                "rate_hz": classifier.card.rate_hz,
                "window_s": classifier.card.window_s,
                **(conditions or {}),
            },
        )


def _peak_memory(subject: Subject) -> Outcome:
    return Outcome([peak_memory(subject)])


def _known(conditions: dict[str, Any]) -> dict[str, Any]:
    """Leave out what this computer doesn't tell: it would be written with every sample."""
    return {key: value for key, value in conditions.items() if value is not None}
