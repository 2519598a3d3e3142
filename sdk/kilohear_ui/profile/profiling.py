"""Profiling as a screen drives it: ears are quiet meanwhile, what was told is there to be drawn."""

from __future__ import annotations

import dataclasses
import queue
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from kilohear.bundle import Bundle, read_card, shipped
from kilohear.errors import KilohearError
from kilohear_ui.ears import Ears, Wish
from kilohear_ui.power import Battery
from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.kept import ProfileFolder
from kilohear_ui.profile.plan import plan
from kilohear_ui.profile.records import NoEnergy, Profile
from kilohear_ui.profile.rig import DeviceRig
from kilohear_ui.profile.runner import (
    About,
    Clock,
    Live,
    MakeRig,
    Over,
    Progress,
    Remark,
    Runner,
    Told,
    begin_profile,
    continue_profile,
    no_energy,
)
from kilohear_ui.profile.subject import Subject, subjects_of
from kilohear_ui.profile.summary import Row, summarise

SERIES = ("current_ma", "celsius", "latency_ms")
_SHOWN = 120
"""Values of each that are kept to be drawn."""
_QUIET_S = 10.0
"""How long ears may take to fall silent."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a configuration takes: seconds and steps; `no_energy` as `Profile` has it."""

    seconds: float
    steps: int
    no_energy: NoEnergy


@dataclasses.dataclass(frozen=True)
class Results:
    """What the folder holds: the profile, its table, and how many of its steps are finished."""

    profile: Profile
    rows: tuple[Row, ...]
    done: int


class Profiling:
    """A profile and whoever wants to see it; all calls in the screens' thread.

    Parameters
    ----------
    root
        The app's folder.
    about
        The device.
    battery
        Read throughout.
    ears
        Silenced while a profile runs, and listening again afterwards where they were.
    wish
        Returns what they listen to.
    source
        The microphone's address.
    clock, make_rig
        See `kilohear_ui.profile.runner`.

    Attributes
    ----------
    progress, remark
        The newest; None before there is one.
    began_s
        When the step in hand began, by `time.monotonic`.
    over
        How the last one ended, until the next begins.
    series
        By name of `SERIES`: the newest values, oldest first.
    """

    def __init__(
        self,
        root: Path,
        about: About,
        battery: Battery,
        ears: Ears,
        wish: Callable[[], Wish],
        source: str = "microphone",
        clock: Clock | None = None,
        make_rig: MakeRig = DeviceRig,
    ) -> None:
        self.folder = ProfileFolder(root)
        self._about, self._battery, self._ears = about, battery, ears
        self._wish, self._source = wish, source
        self._clock, self._make_rig = clock, make_rig
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._runner: Runner | None = None
        self._quiet_by_s: float | None = None
        self._heard_before: Literal["", "paused", "listening"] = ""
        self._subjects: dict[tuple[str, tuple[str, ...]], list[Subject]] = {}
        self._forget()

    def estimate(self, config: ProfileConfig) -> Estimate:
        """Return how long a profile would take, before it begins; raises where it can't."""
        why = no_energy(config, self._battery.read())
        steps = plan(config, self._subjects_of(config), not why)
        return Estimate(sum(step.expected_s for step in steps), len(steps), why)

    def rate_hz(self, bundle: str) -> int:
        """Return a bundle's rate; a shipped one isn't verified for that."""
        path = shipped().get(bundle)
        return read_card(path).rate_hz if path else Bundle.load(bundle).card.rate_hz

    @property
    def is_busy(self) -> bool:
        """Whether a profile runs, or waits for the ears to fall silent."""
        return self._runner is not None

    def unfinished(self) -> Profile | None:
        """Return the profile that can be gone on with; None where there is none."""
        profile = self.folder.profile()
        return None if profile is None or profile.finished_at else profile

    def results(self) -> Results | None:
        """Read what is in the folder, once for all that is shown of it; None: nothing is."""
        profile = self.folder.profile()
        if profile is None:
            return None
        steps = self.folder.steps()
        return Results(profile, tuple(summarise(profile, steps)), len(steps))

    def start(self, config: ProfileConfig) -> None:
        """Begin anew; raises what `begin_profile` does, and leaves the ears alone then."""
        self._begin(begin_profile, config)

    def go_on(self) -> None:
        """Go on with what was stopped; raises what `continue_profile` does."""
        self._begin(continue_profile)

    def tick(self) -> None:
        """Take what was told since the last call, and begin once the ears are silent."""
        if self._quiet_by_s is not None:
            self._begin_when_quiet()
        while not self._told.empty():
            self._take(self._told.get())

    def cancel(self) -> None:
        """End it; on return nothing runs, and the ears listen again where they did."""
        if self._runner is None:
            return
        if self._quiet_by_s is not None:
            self._told.put(Over("cancelled"))
        self._quiet_by_s = None
        self._runner.cancel()
        self.tick()

    def _begin(self, make: Callable[..., Runner], *asked: ProfileConfig) -> None:
        runner = make(
            self.folder,
            *asked,
            self._about,
            self._battery,
            self._told.put,
            self._source,
            self._clock,
            self._make_rig,
        )
        self._forget()
        self._runner = runner
        self._quiet_by_s = time.monotonic() + _QUIET_S
        self._heard_before = ""
        if self._ears.is_listening:
            self._heard_before = "paused" if self._ears.is_paused else "listening"
            self._ears.stop()
        self.tick()

    def _begin_when_quiet(self) -> None:
        assert self._runner is not None, "something waits to begin"
        if self._ears.is_listening:
            if time.monotonic() > (self._quiet_by_s or 0.0):
                self._quiet_by_s = None
                self._told.put(
                    Over(
                        "stopped",
                        KilohearError(
                            f"listening didn't end within {_QUIET_S:g} s; stop it on the Listen "
                            "screen, then continue"
                        ),
                    )
                )
            return
        self._quiet_by_s = None
        try:
            self._runner.start()
        except KilohearError as error:
            self._told.put(Over("stopped", error))

    def _take(self, told: Told) -> None:
        if isinstance(told, Progress):
            self.progress, self.remark, self.began_s = told, None, time.monotonic()
        elif isinstance(told, Remark):
            self.remark = told
        elif isinstance(told, Live):
            for name in SERIES:
                value = getattr(told, name)
                if value is not None:
                    self.series[name].append(value)
        else:
            self.over, self._runner = told, None
            self._listen_again()

    def _listen_again(self) -> None:
        before, self._heard_before = self._heard_before, ""
        if before:
            self._ears.start(self._wish())
        if before == "paused":
            self._ears.pause()

    def _forget(self) -> None:
        self.progress: Progress | None = None
        self.remark: Remark | None = None
        self.began_s = time.monotonic()
        self.over: Over | None = None
        self.series: dict[str, deque[float]] = {name: deque(maxlen=_SHOWN) for name in SERIES}

    def _subjects_of(self, config: ProfileConfig) -> list[Subject]:
        """Return the subjects; each bundle's files are verified once."""
        found = []
        for bundle in config.bundles:
            key = bundle, config.runtimes
            if key not in self._subjects:
                self._subjects[key] = subjects_of(dataclasses.replace(config, bundles=(bundle,)))
            found += self._subjects[key]
        return found
