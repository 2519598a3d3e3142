"""An Android phone over adb, or a stand-in for one, which says so and gives no times.

Each subject's windows are timed in batches, subjects in turns; then come stretches of idling,
listening to the microphone and inference, where the phone tells its energy; then clips, their
windows made here at the student's rate, the only sound that is sent. A step that a lost link, a
restart or throttling spoiled is thrown away and taken again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kilohear.backends import Backend
from kilohear.bundle import Kind
from kilohear.classifier import Classifier
from kilohear.errors import ConfigError, KilohearError
from kilohear_bench import machine
from kilohear_bench.accuracy import (
    CLIP_CORRECT,
    Prediction,
    clip_measurements,
    expected_score,
    predict,
    unseen_by_each,
)
from kilohear_bench.android.adb import STATES, AdbPhone, find_serial, listed
from kilohear_bench.android.build import build_runner
from kilohear_bench.android.runner import METER, Runner
from kilohear_bench.android.stand_in import STAND_IN
from kilohear_bench.android.thermals import Thermals
from kilohear_bench.clips import Clip
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import DeviceLost, Found, Outcome, Step, name_of
from kilohear_bench.latency import WARM_UP, WINDOWS, noise_window, order_of, require_rounds
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.meters.android import PowerSource, State, choose_source, power_measurements
from kilohear_bench.subject import Subject, Tested, subjects_at

RUNTIME = "executorch"
BATCH = 5
"""Windows, and clips, a step."""
COUNTED_WINDOWS = 10
"""Of a stand-in, whose instructions repeat."""
ROUNDS = 3
STRETCH_S = 30.0
"""Stretches of each state of each subject, and how long one is where its source needs no more."""
MICROPHONE_HZ = 8_000
"""The lowest rate that every phone grants."""
MAY_DIFFER = {"float32": 0.0, "float16": 0.02, "int8": 0.02}
"""The share of clips whose label may be another than the host's, by precision: a phone's kernels
round halves and integers in another order, and a clip between two classes may fall either way. In
QEMU none of 62 windows of ESC-10 at 1 kHz did: outputs differ by 2e-7, float16 by 1.4e-3."""

_ATTEMPTS = 3
_RECONNECT_S = 120.0


class _Throttled(KilohearError):  # noqa: N818 - a state, as DeviceLost
    """The phone slowed itself down during a step."""


class Android:
    """A phone; see `kilohear_bench.devices.Device`.

    Parameters
    ----------
    spec
        `adb`, or `adb:SERIAL` as adb lists it, or `adb:HOST:PORT` for one on the network.
    config
        What to measure.
    say
        Told while it waits.
    reconnect_s
        How long it waits for a phone that is gone.
    """

    def __init__(
        self,
        spec: str,
        config: BenchConfig,
        say: Callable[[str], None] = print,
        reconnect_s: float = _RECONNECT_S,
    ) -> None:
        self._spec, self._config, self._say = spec, config, say
        self._reconnect_s = reconnect_s
        self._subjects: dict[str, Subject] = {}
        self._unseen: dict[str, tuple[list[Clip], str]] = {}
        self._about: dict[str, Any] = {}
        self._versions: dict[str, str] = {}
        self._stand_in = False
        self._source: PowerSource | None = None
        self._states: tuple[State, ...] = ()
        self._last: str | None = None
        self._boot: str | None = None

    @property
    def name(self) -> str:
        """What results call it."""
        return name_of(self._spec)

    def __enter__(self) -> Self:
        """Connect, put the runner on the phone, and look at what can be measured.

        Raises
        ------
        DeviceLost
            Where there is no such phone, or it can't be used.
        KilohearError
            Where the runner, a bundle, the data set or the energy's source can't be used.
        """
        subjects = self._choose_subjects()
        self._subjects = {subject.name: subject for subject in subjects}
        self._unseen = unseen_by_each(subjects, self._config)
        self._phone = AdbPhone(find_serial(self._spec), self.name)
        self._runner = Runner(self._phone, self.name)
        self._thermals = Thermals(self._phone, self.name, self._config.max_celsius, self._say)
        try:
            self._install()
            self._about = self._look()
            if not self._stand_in:
                require_rounds(self._windows, self._warm_up)
            self._choose_power()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._clean_up()

    def describe(self) -> dict[str, Any]:
        """Return model, processor, system, runner and where energy comes from; no serial."""
        return self._about

    def subjects(self) -> Sequence[Tested]:
        """Return what is measured: the bundles' files for ExecuTorch."""
        return [subject.describe() for subject in self._subjects.values()]

    def plan(self) -> Sequence[Step]:
        """Return the steps: files, windows in turns, energy, clips."""
        return [Step(name, partial(self._take, measure)) for name, measure in self._steps()]

    def _steps(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        yield "files", self._files
        names = list(self._subjects)
        for i, first in enumerate(range(0, self._windows, BATCH)):
            batch = min(BATCH, self._windows - first)
            for name in order_of(names, i):
                yield f"windows/{i}/{name}", partial(self._time, name, batch)
        for i in range(ROUNDS if self._source is not None else 0):
            for name in order_of(names, i):
                for state in self._states if i % 2 == 0 else self._states[::-1]:
                    yield f"energy/{i}/{name}/{state}", partial(self._stretch, name, state)
        for name, subject in self._subjects.items() if self._unseen else ():
            clips, note = self._unseen[subject.bundle.card.name]
            for first in range(0, len(clips), BATCH):
                heard = clips[first : first + BATCH]
                yield f"clips/{name}/{first}", partial(self._hear, name, heard, note)

    @property
    def _windows(self) -> int:
        return self._config.windows or (COUNTED_WINDOWS if self._stand_in else WINDOWS)

    @property
    def _warm_up(self) -> int:
        return self._config.warm_up or (1 if self._stand_in else WARM_UP)

    def _choose_subjects(self) -> list[Subject]:
        wanted = self._config.runtimes
        if wanted and RUNTIME not in wanted:
            raise ConfigError(
                f"{self.name}: a phone runs {RUNTIME}, not {' or '.join(wanted)}; add --runtime "
                f"{RUNTIME}, or leave --runtime out"
            )
        return subjects_at(self._config, (RUNTIME,), self.name)

    def _install(self) -> None:
        """Put the runner on the phone as it is since its start."""
        self._boot = self._phone.boot_id()
        self._versions = self._runner.install(build_runner())

    def _look(self) -> dict[str, Any]:
        """Return what the phone says of itself that never varies."""
        stand_in = self._property(STAND_IN)
        self._stand_in = bool(stand_in)
        memory = re.search(r"MemTotal:\s*(\d+)", self._phone.shell("cat /proc/meminfo").output)
        model = f"{self._property('ro.product.manufacturer')} {self._property('ro.product.model')}"
        return {
            "model": model.strip(),
            "soc": self._property("ro.soc.model") or self._property("ro.board.platform"),
            "android": self._property("ro.build.version.release"),
            "build": self._property("ro.build.fingerprint"),
            "abi": self._property("ro.product.cpu.abi"),
            "memory_bytes": 1024 * int(memory[1]) if memory else None,
            **self._versions,
            **({"stand_in": stand_in} if stand_in else {}),
        }

    def _choose_power(self) -> None:
        """Choose where energy comes from; a stand-in draws none that means anything."""
        if self._stand_in and self._config.power == "auto":
            self._about["energy"] = "none: a stand-in has no battery"
            return
        refusals: list[str] = []
        self._source = choose_source(self._phone, self._config.power, refusals=refusals)
        if self._source is None:
            self._about["energy"] = "none"
            self._say("; ".join([f"{self.name}: no energy is measured", *refusals]))
            return
        self._about["energy"] = self._source.meter
        self._states = ("idle", "microphone", "inference")
        try:
            granted_hz = self._runner.listen(0.2, MICROPHONE_HZ)
            self._about["microphone"] = f"{granted_hz} Hz granted"
        except DeviceLost:
            raise
        except KilohearError as error:  # the shell's user may not record on every phone
            self._states = ("idle", "inference")
            self._about["microphone"] = str(error)

    def _property(self, key: str) -> str:
        return self._phone.shell(f"getprop {key}").output.strip()

    def _clean_up(self) -> None:
        with contextlib.suppress(KilohearError):
            if self._source is not None:
                self._source.abort()
        with contextlib.suppress(KilohearError):
            self._runner.remove()

    def _take(self, measure: Callable[[], Outcome]) -> Outcome:
        """Take a step; again, at most twice, where the link, a restart or heat spoiled it."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._take_once(measure)
            except (DeviceLost, _Throttled) as error:
                if not left:
                    raise
                self._say(f"{error}. The step is taken again")
                if isinstance(error, DeviceLost):
                    self._phone.reconnect(self._reconnect_s)
                    self._runner.forget()
        raise AssertionError("the last attempt returns or raises")

    def _take_once(self, measure: Callable[[], Outcome]) -> Outcome:
        if self._phone.boot_id() != self._boot:
            self._install()
        self._thermals.wait()
        outcome = measure()
        if self._phone.boot_id() != self._boot:
            raise DeviceLost(f"{self.name}: the phone restarted; let it run, then resume the run")
        status = self._thermals.throttling()
        if status:
            raise _Throttled(
                f"{self.name}: the phone throttled (thermal status {status}) while it was "
                "measured; let it cool, then resume the run"
            )
        return outcome

    def _rest(self, name: str) -> None:
        """Let the phone cool down between subjects; a stand-in isn't warm."""
        if self._last not in (None, name) and not self._stand_in:
            time.sleep(self._config.cool_down_s)
        self._last = name

    def _model(self, name: str) -> str:
        """Return the path of a subject's file on the phone."""
        subject = self._subjects[name]
        file = subject.bundle.path / subject.export.file
        return self._runner.put(f"{name_of(name)}.pte", file.read_bytes())

    def _files(self) -> Outcome:
        return Outcome(
            [
                self._measured(
                    "file_size", name, (float(subject.file_bytes),), "bytes", "file system"
                )
                for name, subject in self._subjects.items()
            ]
        )

    def _time(self, name: str, windows: int) -> Outcome:
        """Time a batch of windows of a subject, or count their instructions."""
        self._rest(name)
        started_at, celsius = now(), self._thermals.celsius()
        noise = noise_window(self._subjects[name].bundle.card)
        done = self._runner.infer(self._model(name), np.tile(noise, (windows, 1)), self._warm_up)
        made = partial(
            self._measured,
            subject=name,
            started_at=started_at,
            threads=1,
            core=done.core,
            warm_up=self._warm_up,
        )
        if self._stand_in:
            counted = tuple(float(count) for count in done.instructions)
            if not counted:
                return Outcome()
            meter = "QEMU's plugin, around forward"
            return Outcome([made("instructions", samples=counted, unit="1", meter=meter)])
        measurements = [made("latency", samples=done.latency_ms, unit="ms", meter=METER)]
        if done.peak_memory_bytes:
            peak = (float(done.peak_memory_bytes),)
            measurements.append(
                made("peak_memory", samples=peak, unit="bytes", meter="VmHWM of the runner")
            )
        if celsius is not None:
            after = self._thermals.celsius()
            samples = (celsius,) if after is None else (celsius, after)
            meter = "battery's thermometer"
            measurements.append(made("temperature", samples=samples, unit="celsius", meter=meter))
        return Outcome(measurements)

    def _stretch(self, name: str, state: State) -> Outcome:
        """Measure the power of a state for a stretch."""
        assert self._source is not None, "planned with a source only"
        self._rest(name)
        started_at, windows = now(), None
        seconds = max(STRETCH_S, self._source.least_s)
        model = self._model(name)
        noise = noise_window(self._subjects[name].bundle.card)[None]
        self._source.start()
        try:
            if state == "idle":
                self._runner.idle(seconds)
            elif state == "microphone":
                self._runner.listen(seconds, MICROPHONE_HZ)
            else:
                windows = self._runner.loop(model, noise, seconds)
            power = self._source.stop()
        except BaseException:
            with contextlib.suppress(KilohearError):
                self._source.abort()
            raise
        common = self._measured(f"power_{state}", name, (0.0,), "mW", "", started_at, threads=1)
        outcome = power_measurements(power, common, state, windows)
        if not self._stand_in:
            return outcome
        kept = [m for m in outcome.measurements if m.name != "temperature"]
        return Outcome(
            [dataclasses.replace(m, kind="simulated") for m in kept],
            [dataclasses.replace(trace, kind="simulated") for trace in outcome.traces],
        )

    def _hear(self, name: str, clips: Sequence[Clip], note: str) -> Outcome:
        """Label clips on the phone and here, from the same windows and the same file."""
        subject, started_at = self._subjects[name], now()
        opened = subject.bundle.open(RUNTIME, subject.export.precision, threads=1)
        kept = _Kept(opened.backend)
        reference, counts = [], []
        for clip in clips:
            before = len(kept.windows)
            reference += predict(Classifier(subject.bundle, kept), [clip])
            counts.append(len(kept.windows) - before)
        windows = np.concatenate(kept.windows)
        outputs = self._runner.infer(self._model(name), windows, keep=False).outputs
        labels = subject.bundle.card.labels
        parts = np.split(outputs, np.cumsum(counts)[:-1])
        predictions = [
            Prediction(host.clip, host.true, labels[int(np.mean(part, axis=0).argmax())])
            for host, part in zip(reference, parts, strict=True)
        ]
        dataset = str(self._config.dataset)
        score = expected_score(subject, dataset)
        common = self._measured(
            CLIP_CORRECT,
            name,
            (0.0,),
            "fraction",
            "",
            started_at,
            dataset=Path(dataset).stem,
            note=note,
            may_differ=MAY_DIFFER[subject.export.precision],
            **({} if score is None else {"card_score": score}),
        )
        return Outcome(clip_measurements(common, predictions, [p.predicted for p in reference]))

    def _measured(
        self,
        quantity: str,
        subject: str,
        samples: tuple[float, ...],
        unit: str,
        meter: str,
        started_at: str | None = None,
        **conditions: Any,
    ) -> Measurement:
        card = self._subjects[subject].bundle.card
        # A file is as long in a stand-in as on a phone.
        kind: Kind = "simulated" if self._stand_in and quantity != "file_size" else "measured"
        return Measurement(
            name=quantity,
            subject=subject,
            samples=samples,
            unit=unit,
            kind=kind,
            device=self.name,
            meter=meter,
            versions=machine.versions() | self._versions,
            started_at=started_at or now(),
            conditions={"rate_hz": card.rate_hz, "window_s": card.window_s, **conditions},
        )


class _Kept:
    """A backend that keeps the windows which pass through it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.windows: list[NDArray[np.float32]] = []

    @property
    def runtime(self) -> str:
        return self._backend.runtime

    @property
    def version(self) -> str:
        return self._backend.version

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the file, and keep the waveform (1, samples)."""
        self.windows.append(waveform.copy())
        return self._backend.run(waveform)


def find_phones() -> list[Found]:
    """Return the phones that the adb server lists, usable or not; one without a spec says why none.

    Nothing is started: where no adb server runs, that is said.
    """
    try:
        phones = listed()
    except KilohearError as error:
        return [Found("", str(error))]
    return [
        Found(f"adb:{serial}", f"{model}, Android phone over adb")
        if state == "device"
        else Found("", f"{model} ({serial}) is {state}; {STATES.get(state, 'look at adb devices')}")
        for serial, state, model in phones
    ]
