"""A clock, a battery and students by script: a profile of half an hour takes milliseconds."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kilohear_ui.power import Reading
from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.kept import ProfileFolder
from kilohear_ui.profile.plan import State
from kilohear_ui.profile.rig import Activity
from kilohear_ui.profile.runner import (
    About,
    Clock,
    Over,
    Runner,
    Told,
    begin_profile,
    continue_profile,
)
from kilohear_ui.profile.subject import Subject

ABOUT = About("0.1.0", "Android 14", "Pixel 8")
SHORT = ProfileConfig(bundles=("esc10-1khz", "esc10-2khz"), stretch_s=2.0, settle_s=0.5)
MODEL_MA = {"idle": 100.0, "microphone": 110.0, "listening": 112.0, "inference": 300.0}


class Phone:
    """What a profile sees of a phone: time passes when it waits or works, and in no other way.

    Attributes
    ----------
    now_s
        The time.
    at
        Called when a time is reached, once.
    state
        What it does.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.at: list[tuple[float, Callable[[], None]]] = []
        self.state: State = "idle"
        self.is_fed = False
        self.level = 0.8
        self.celsius = 30.0
        self.is_throttled = False
        self.tells_current = True
        self.latency_s = {"esc10-1khz": 0.02, "esc10-2khz": 0.04}
        self.opened_in: list[threading.Thread] = []

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        due = [call for time_s, call in self.at if time_s <= self.now_s]
        self.at = [(time_s, call) for time_s, call in self.at if time_s > self.now_s]
        for call in due:
            call()


class ScriptClock(Clock):
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def now_s(self) -> float:
        return self._phone.now_s

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        """As an event does: once cancelled it doesn't wait on."""
        until_s = self._phone.now_s + seconds
        while self._phone.now_s < until_s and not cancelled.is_set():
            self._phone.pass_time(min(0.1, until_s - self._phone.now_s))


class ScriptBattery:
    meter = "a script's battery"
    calibration = "mA as they come"

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def read(self) -> Reading | None:
        phone = self._phone
        return Reading(
            at_s=phone.now_s,
            level=phone.level,
            current_ma=MODEL_MA[phone.state] if phone.tells_current else None,
            voltage_v=4.0,
            celsius=phone.celsius,
            is_fed=phone.is_fed,
            charge_mah=4000 * phone.level,
            is_throttled=phone.is_throttled,
        )


class ScriptRig:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def open(self) -> None:
        self._phone.opened_in.append(threading.current_thread())

    def classify(self, subject: str) -> None:
        self._phone.pass_time(self._phone.latency_s[subject.partition(" ")[0]])

    def versions(self, subject: str) -> dict[str, str]:
        return {subject.split(" ")[1]: "1.0"}

    @contextmanager
    def doing(self, state: State, subject: str) -> Iterator[Activity]:
        self._phone.state = state
        began_s = self._phone.now_s
        work = (lambda: self.classify(subject)) if state == "inference" else None
        heard = (lambda: int(self._phone.now_s - began_s)) if state == "listening" else (lambda: 0)
        try:
            yield Activity(work, heard)
        finally:
            self._phone.state = "idle"


@dataclasses.dataclass
class Heard:
    """What a runner told, in order."""

    said: list[Told] = dataclasses.field(default_factory=list)

    @property
    def over(self) -> Over:
        (over,) = [each for each in self.said if isinstance(each, Over)]
        return over

    def of(self, kind: type) -> list:
        return [each for each in self.said if isinstance(each, kind)]


def run(
    root: Path,
    phone: Phone,
    config: ProfileConfig | None = SHORT,
    also: Callable[[Runner, Told], None] = lambda _runner, _told: None,
    cancel_after_s: float | None = None,
) -> Heard:
    """Begin a profile, or go on with one (no config), and wait until it is over."""
    told = Heard()
    made: list[Runner] = []

    def tell(each: Told) -> None:
        told.said.append(each)
        also(made[0], each)

    def make_rig(_subjects: list[Subject], _source: str | None) -> ScriptRig:
        return ScriptRig(phone)

    folder, battery, clock = ProfileFolder(root), ScriptBattery(phone), ScriptClock(phone)
    if config is None:
        made.append(continue_profile(folder, ABOUT, battery, tell, clock=clock, make_rig=make_rig))
    else:
        made.append(
            begin_profile(folder, config, ABOUT, battery, tell, clock=clock, make_rig=make_rig)
        )
    if cancel_after_s is not None:
        # Not `cancel`: that waits for the thread, which is the one that passes the time.
        phone.at.append((phone.now_s + cancel_after_s, made[0]._cancelled.set))
    made[0].start()
    assert made[0]._thread is not None
    made[0]._thread.join(20)
    assert not made[0].is_running
    return told
