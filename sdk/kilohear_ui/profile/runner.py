"""The runner: a profile's steps, taken in a thread, each on disk before the next begins."""

from __future__ import annotations

import dataclasses
import platform
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kilohear.errors import ConfigError, KilohearError
from kilohear.system import system
from kilohear_ui.power import Battery, Reading
from kilohear_ui.profile import BatteryLow, Charging, TooHot
from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.kept import ProfileFolder
from kilohear_ui.profile.plan import Step, plan, windows_of
from kilohear_ui.profile.records import Kept, Measurement, NoEnergy, Profile, now
from kilohear_ui.profile.rig import Activity, DeviceRig, Rig
from kilohear_ui.profile.stretch import Spoiled, Stretch, has_power
from kilohear_ui.profile.subject import Subject, subjects_of

ATTEMPTS = 3
"""Of a step that heat or a halt spoiled."""
_LOOK_S = 5.0
_TIMER = "time.perf_counter_ns around the window, front end included"


@dataclasses.dataclass(frozen=True)
class About:
    """The device, for the results' heads: the app's version, the system's, the model."""

    app: str
    system: str
    model: str


@dataclasses.dataclass(frozen=True)
class Progress:
    """A step begins.

    Attributes
    ----------
    step
        Which.
    number, steps
        Its place in the plan, from 1, and how many there are.
    share
        Of all expected time that has gone by, 0 to 1.
    left_s
        Expected, this step's included.
    """

    step: Step
    number: int
    steps: int
    share: float
    left_s: float


@dataclasses.dataclass(frozen=True)
class Live:
    """What was just seen; None: not told, or not this one."""

    at_s: float
    current_ma: float | None = None
    celsius: float | None = None
    latency_ms: float | None = None


@dataclasses.dataclass(frozen=True)
class Remark:
    """A step is taken again, or the device has to cool down; `why` in the error's words."""

    kind: Literal["again", "cooling"]
    why: str


@dataclasses.dataclass(frozen=True)
class Over:
    """Nothing runs any more.

    Attributes
    ----------
    how
        `finished`, `cancelled` or `stopped`; but for the first the profile can go on.
    error
        Why it stopped.
    file
        The zip of a finished one.
    """

    how: Literal["finished", "cancelled", "stopped"]
    error: KilohearError | None = None
    file: Path | None = None


Told = Progress | Live | Remark | Over


class Clock:
    """The time that a profile goes by; a test has its own."""

    def now_s(self) -> float:
        """Return seconds."""
        return time.perf_counter()

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        """Return after `seconds`, or once cancelled."""
        cancelled.wait(seconds)


class _Cancelled(Exception):  # noqa: N818 - a state, as SourceLost
    """The profile was cancelled."""


class Runner:
    """A profile under way: made by `begin_profile` or `continue_profile`.

    Parameters
    ----------
    folder
        Where finished steps go; its profile was begun.
    steps
        All, finished ones included.
    battery
        Read throughout.
    rig
        Put to work.
    subjects
        What is measured.
    tell
        Called in the runner's thread, with everything that happens.
    clock
        See `Clock`.
    """

    def __init__(
        self,
        folder: ProfileFolder,
        steps: list[Step],
        battery: Battery,
        rig: Rig,
        subjects: list[Subject],
        tell: Callable[[Told], None],
        clock: Clock,
    ) -> None:
        self._folder, self._steps, self._battery = folder, steps, battery
        self._rig, self._tell, self._clock = rig, tell, clock
        self._subjects = {subject.name: subject for subject in subjects}
        profile = folder.profile()
        assert profile is not None, "a profile was begun"
        self._profile, self._config = profile, profile.configuration
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._opens_first = system() == "android"  # its classes are found in the main thread only

    def start(self) -> None:
        """Take what steps are left, in a thread; call this in the app's main thread.

        Raises
        ------
        KilohearError
            On Android: where a student or the microphone can't be opened.
        """
        if self._opens_first:
            self._rig.open()
        self._thread = threading.Thread(target=self._run, name="kilohear profile", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether its thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def cancel(self) -> None:
        """End the step in hand, and wait until nothing runs; finished steps are kept."""
        self._cancelled.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        over = Over("stopped")
        try:
            if not self._opens_first:
                self._rig.open()
            self._take_all()
            over = Over("finished", file=self._folder.finish())
        except _Cancelled:
            over = Over("cancelled")
        except KilohearError as error:
            over = Over("stopped", error)
        except Exception as error:  # nobody above this thread could catch it
            over = Over("stopped", KilohearError(f"{type(error).__name__}: {error}"))
        finally:
            self._tell(over)

    def _take_all(self) -> None:
        finished = self._folder.steps()
        left_s = sum(step.expected_s for step in self._steps if step.name not in finished)
        all_s = sum(step.expected_s for step in self._steps) or 1.0
        for number, step in enumerate(self._steps, 1):
            if step.name in finished:
                continue
            share = max(0.0, 1 - left_s / all_s)
            self._tell(Progress(step, number, len(self._steps), share, left_s))
            self._folder.keep(Kept(step.name, now(), tuple(self._take(step))))
            left_s -= step.expected_s

    def _take(self, step: Step) -> list[Measurement]:
        """Take a step; again, at most twice, where it was spoiled."""
        measure = {"files": self._files, "windows": self._windows, "energy": self._energy}
        for left in reversed(range(ATTEMPTS)):
            self._cool_down()
            try:
                return measure[step.kind](step)
            except Spoiled as error:
                if not left:
                    raise
                self._tell(Remark("again", str(error)))
        raise AssertionError("the last attempt returns or raises")

    def _cool_down(self) -> None:
        """Wait until the device is cool and doesn't throttle; raises TooHot where it won't be."""
        began_s = self._clock.now_s()
        while (why := self._too_hot(self._read())) is not None:
            if self._clock.now_s() - began_s >= self._config.cool_s:
                raise TooHot(
                    f"{why} after {self._config.cool_s / 60:.0f} min of rest; put the device "
                    "somewhere cool, out of its case, and continue: finished steps are kept"
                )
            self._tell(Remark("cooling", why))
            self._wait(_LOOK_S)

    def _too_hot(self, reading: Reading | None) -> str | None:
        if reading is None:
            return None
        if reading.celsius is not None and reading.celsius > self._config.max_celsius:
            return (
                f"the battery is at {reading.celsius:.1f} °C, above {self._config.max_celsius:g} °C"
            )
        return "the system slows itself down because of heat" if reading.is_throttled else None

    def _files(self, step: Step) -> list[Measurement]:
        size = float(self._subjects[step.subject].file_bytes)
        return [self._measured(step, "file_size", (size,), "bytes", "file system")]

    def _windows(self, step: Step) -> list[Measurement]:
        """Time a batch of windows of a subject."""
        started_at, before = now(), self._read()
        measured = partial(self._measured, step, started_at=started_at)
        latency_ms = []
        for i in range(self._config.warm_up + windows_of(self._config, step.turn)):
            self._check()
            began_s = self._clock.now_s()
            self._rig.classify(step.subject)
            taken_ms = (self._clock.now_s() - began_s) * 1e3
            if i >= self._config.warm_up:
                latency_ms.append(taken_ms)
                self._tell(Live(began_s, latency_ms=taken_ms))
        after = self._read()
        self._refuse_heat(after)
        charging = {} if after is None else {"charging": "unplugged"}
        conditions = {"threads": 1, "warm_up": self._config.warm_up, **charging}
        made = [measured("latency", tuple(latency_ms), "ms", _TIMER, **conditions)]
        peak = peak_memory_bytes()
        if peak is not None:
            made.append(
                measured(
                    "peak_memory",
                    (float(peak),),
                    "bytes",
                    "getrusage of the whole app: screens, and all students of the profile",
                )
            )
        celsius = tuple(
            r.celsius for r in (before, after) if r is not None and r.celsius is not None
        )
        if celsius:
            made.append(measured("temperature", celsius, "celsius", "battery's thermometer"))
        return made

    def _energy(self, step: Step) -> list[Measurement]:
        """Measure the power of a state for a stretch, after it has settled."""
        assert step.state is not None, "planned with a state"
        started_at, config = now(), self._config
        with self._rig.doing(step.state, step.subject) as activity:
            self._stretch(activity, step.settle_s)
            stretch, windows = self._stretch(activity, config.stretch_s)
        made = partial(self._measured, step, started_at=started_at, meter=self._battery.meter)
        found = Stretch(tuple(filter(has_power, stretch)), max(5.0, 4 * config.period_s))
        common = {
            "threads": 1,
            "turn": step.turn,
            **found.conditions(),
            "calibration": self._battery.calibration,
            "stretch_s": found.duration_s,
            "stretch_windows": windows if step.state in ("inference", "listening") else None,
        }
        power, energy_mj = found.mean_power_mw, found.energy_mj
        measurements = [
            made(
                f"power_{step.state}",
                (power,),
                unit="mW",
                readings={step.name: found.columns()},
                **common,
            )
        ]
        if step.state == "inference":
            if not windows:
                raise Spoiled("no window was classified in a stretch of inference; measure again")
            measurements += [
                made("window_energy", (energy_mj / windows,), unit="mJ", **common),
                made("window_power", (power,), unit="mW", **common),
                made("window_time", (found.duration_s / windows,), unit="s", **common),
            ]
        celsius = found.readings[-1].celsius
        if celsius is not None:
            thermometer = "battery's thermometer"
            measurements.append(
                self._measured(step, "temperature", (celsius,), "celsius", thermometer, started_at)
            )
        return measurements

    def _stretch(self, activity: Activity, seconds: float) -> tuple[list[Reading], int]:
        """Let a state go on for so long; return the readings and the windows between them."""
        readings = [self._reading()]
        began_s, heard, windows = self._clock.now_s(), activity.heard(), 0
        next_s = began_s
        while next_s < began_s + seconds:
            next_s = min(next_s + self._config.period_s, began_s + seconds)
            while self._clock.now_s() < next_s:
                self._check()
                if activity.work is None:
                    self._wait(next_s - self._clock.now_s())
                else:
                    activity.work()
                    windows += 1
            activity.check()
            readings.append(self._reading())
            self._refuse_heat(readings[-1])
        return readings, windows + activity.heard() - heard

    def _reading(self) -> Reading:
        reading = self._read()
        if reading is None:
            raise Spoiled("the battery tells nothing any more; measure again")
        return reading

    def _read(self) -> Reading | None:
        """Read the battery, and refuse what makes its figures useless."""
        self._check()
        reading = self._battery.read()
        if reading is None:
            return None
        self._tell(Live(self._clock.now_s(), reading.current_ma, reading.celsius))
        require_unplugged(reading, self._config.least_level)
        return reading

    def _refuse_heat(self, reading: Reading | None) -> None:
        if reading is not None and reading.is_throttled:
            raise Spoiled("the system slowed itself down because of heat during the step")

    def _wait(self, seconds: float) -> None:
        self._clock.wait(seconds, self._cancelled)
        self._check()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled

    def _measured(
        self,
        step: Step,
        name: str,
        samples: tuple[float, ...],
        unit: str,
        meter: str,
        started_at: str | None = None,
        **conditions: Any,
    ) -> Measurement:
        card = self._subjects[step.subject].card
        return Measurement(
            name=name,
            subject=step.subject,
            samples=samples,
            unit=unit,
            kind="measured",
            device=self._profile.model,
            meter=meter,
            versions={
                "python": platform.python_version(),
                "numpy": np.__version__,
                "system": self._profile.system,
                **self._rig.versions(step.subject),
            },
            started_at=started_at or now(),
            conditions={
                "rate_hz": card.rate_hz,
                "window_s": card.window_s,
                "profile": self._profile.began_at,
                **conditions,
            },
        )


MakeRig = Callable[[list[Subject], str | None], Rig]


def begin_profile(
    folder: ProfileFolder,
    config: ProfileConfig,
    about: About,
    battery: Battery,
    tell: Callable[[Told], None],
    source: str = "microphone",
    clock: Clock | None = None,
    make_rig: MakeRig = DeviceRig,
) -> Runner:
    """Begin a profile anew; the one before is replaced, its zip stays.

    Raises
    ------
    Charging, BatteryLow
        Where the battery's figures would say nothing.
    DiskFull
        Where too little space is free.
    KilohearError
        Where a bundle can't be used, or nothing that was asked for can be measured.
    """
    subjects = subjects_of(config)
    why = no_energy(config, _unplugged(battery, config))
    if why and not config.latency:
        raise ConfigError(
            "profile: energy alone was asked for, and this device "
            f"{'has no battery' if why == 'no_battery' else 'tells no current'}; choose latency"
        )
    steps = plan(config, subjects, not why)
    profile = Profile(
        began_at=now("microseconds"),  # it tells two profiles apart
        app=about.app,
        system=about.system,
        model=about.model,
        configuration=config,
        subjects={subject.name: subject.card_sha256 for subject in subjects},
        steps=len(steps),
        meter="" if why else battery.meter,
        no_energy=why,
    )
    folder.begin(profile)
    rig = make_rig(subjects, None if why else source)
    return Runner(folder, steps, battery, rig, subjects, tell, clock or Clock())


def continue_profile(
    folder: ProfileFolder,
    about: About,
    battery: Battery,
    tell: Callable[[Told], None],
    source: str = "microphone",
    clock: Clock | None = None,
    make_rig: MakeRig = DeviceRig,
) -> Runner:
    """Go on with a profile that was stopped: finished steps aren't taken again.

    Raises
    ------
    Charging, BatteryLow
        As `begin_profile`.
    ConfigError
        Where there is none, or app, system, device or bundles aren't what they were.
    """
    profile = folder.profile()
    if profile is None:
        raise ConfigError("there is no profile to go on with; start one")
    config, subjects = profile.configuration, subjects_of(profile.configuration)
    there = {
        "app": (profile.app, about.app),
        "system": (profile.system, about.system),
        "device": (profile.model, about.model),
        "bundles": (profile.subjects, {s.name: s.card_sha256 for s in subjects}),
    }
    for what, (old, new) in there.items():
        if old != new:
            raise ConfigError(
                f"the profile was begun with another {what} ({old!s:.60}, now {new!s:.60}), and "
                "results of two aren't mixed; start a new one"
            )
    _unplugged(battery, config)
    steps = plan(config, subjects, not profile.no_energy)
    rig = make_rig(subjects, None if profile.no_energy else source)
    return Runner(folder, steps, battery, rig, subjects, tell, clock or Clock())


def _unplugged(battery: Battery, config: ProfileConfig) -> Reading | None:
    """Return what the battery tells, None: nothing; raises as `require_unplugged`."""
    reading = battery.read()
    if reading is not None:
        require_unplugged(reading, config.least_level)
    return reading


def require_unplugged(reading: Reading, least_level: float) -> None:
    """Refuse a battery whose figures say nothing of the device.

    Raises
    ------
    Charging
        Where something feeds the device.
    BatteryLow
        Where it is nearly empty: systems save power then, in ways of their own.
    """
    if reading.is_fed:
        raise Charging(
            "a cable or a charging pad feeds this device, so its battery doesn't tell what it "
            "draws; unplug it, then start or continue"
        )
    if reading.level is not None and reading.level < least_level:
        raise BatteryLow(
            f"the battery is at {reading.level:.0%}, a profile needs {least_level:.0%}: nearly "
            "empty, the system saves power in ways of its own; charge it, unplug it, then continue"
        )


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has had; None where the system doesn't tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if system() in ("ios", "macos") else 1024 * peak


def no_energy(config: ProfileConfig, reading: Reading | None) -> NoEnergy:
    """Return why no energy would be measured; empty where it would."""
    if not config.energy:
        return "not_asked"
    if reading is None:
        return "no_battery"
    if reading.current_ma is None or reading.voltage_v is None:
        return "no_current"
    return ""
