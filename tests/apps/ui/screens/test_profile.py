"""The profile screen: it says what it will do, does it, and shows what came of it."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.apps.ui.profile.script import Phone, ScriptBattery, ScriptClock, ScriptRig
from tests.apps.ui.stand_ins import StandInPlatform

import kilohear_ui
from kilohear_ui.app import KilohearApp
from kilohear_ui.profile.profiling import Profiling
from kilohear_ui.screens import profile as module
from kilohear_ui.screens.profile import ProfileScreen
from kilohear_ui.widgets import Banner, Press

PutOn = Callable[[KilohearApp], Any]


class PhonePlatform(StandInPlatform):
    """A platform whose battery is the script's phone's."""

    def __init__(self, phone: Phone, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._battery = ScriptBattery(phone)
        self.awake: list[bool] = []

    @property
    def battery(self) -> Any:
        return self._battery

    def model(self) -> str:
        return "Pixel 8"

    def keep_awake(self, wanted: bool) -> None:
        self.awake.append(wanted)


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    phone = Phone()
    phone.latency_s["esc10-16khz"] = 0.1

    def make(**kwargs: Any) -> Profiling:
        def make_rig(_subjects: object, _source: object) -> ScriptRig:
            return ScriptRig(phone)

        return Profiling(**kwargs, clock=ScriptClock(phone), make_rig=make_rig)

    monkeypatch.setattr(module, "Profiling", make)
    return phone


def put(
    stage: PutOn, folder: Path, phone: Phone, measured: tuple[str, ...] = (), **kwargs: Any
) -> tuple[Any, ProfileScreen, Any]:
    """Put the profile screen on the stage; 1 kHz and what else is named are chosen."""
    platform = PhonePlatform(phone, **kwargs)
    ready = stage(KilohearApp(platform, folder))
    ready.app.shell.go("profile")
    ready.frames()
    screen = ready.app.shell.current
    for name in ("esc10-2khz", "esc10-16khz"):
        if name not in measured:
            ready.press(screen._toggles[name])
    return ready, screen, platform


def press(ready: Any, text: str) -> None:
    (found,) = [w for w in ready.widgets() if isinstance(w, Press) and w.text == text]
    ready.press(found)


def test_it_runs_and_shows_a_row_a_rate(stage: PutOn, tmp_path: Path, phone: Phone) -> None:
    ready, screen, platform = put(stage, tmp_path, phone, ("esc10-2khz", "esc10-16khz"))
    texts = ready.app.texts
    assert any(text.startswith("Quick, ") and "min" in text for text in ready.texts())
    assert texts("profile.results.none") in ready.texts()
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    ready.frames()
    assert {"1 kHz", "2 kHz", "16 kHz", "20.0\u00a0ms", "400\u00a0mW", "48.0\u00a0mW"} <= set(
        ready.texts()
    )
    assert {"measured", "modelled"} <= set(ready.texts())
    assert platform.awake == [True, False]
    press(ready, "Share result")
    assert [file.suffix for file in platform.shared] == [".zip"]


def test_results_are_there_again(stage: PutOn, tmp_path: Path, phone: Phone) -> None:
    ready, screen, _ = put(stage, tmp_path, phone)
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    again, _, _ = put(stage, tmp_path, phone)
    assert "48.0\u00a0mW" in again.texts()


def test_what_is_left_is_interrupted_and_goes_on(
    stage: PutOn, tmp_path: Path, phone: Phone
) -> None:
    ready, screen, platform = put(stage, tmp_path, phone)
    stands = threading.Event()

    def stand_still() -> None:
        """Let no time pass until it is cancelled."""
        assert screen.profiling._runner is not None
        stands.set()
        screen.profiling._runner._cancelled.wait(20)

    phone.at.append((phone.now_s + 30, stand_still))
    press(ready, "Start")
    ready.until(stands.is_set)
    ready.app.shell.go("listen")
    assert not screen.profiling.is_busy
    assert platform.awake == [True, False]
    ready.app.shell.go("profile")
    ready.frames()
    assert any(isinstance(widget, Banner) for widget in ready.widgets())
    press(ready, "Continue")
    ready.until(lambda: not screen.profiling.is_busy)
    assert screen.profiling.unfinished() is None


def test_while_it_charges_it_says_so(
    stage: PutOn, tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.is_fed = True
    ready, screen, _ = put(stage, tmp_path, phone)
    shown: list[Any] = []
    monkeypatch.setattr(ready.app, "show", shown.append)
    press(ready, "Start")
    assert [problem.kind for problem in shown] == ["charging"]
    assert not screen.profiling.is_busy


@pytest.mark.parametrize("allows", [True, False])
def test_the_microphone_is_asked_for_first(
    stage: PutOn, tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch, allows: bool
) -> None:
    ready, screen, platform = put(stage, tmp_path, phone, may_record=None)
    platform.will_allow = allows
    shown: list[Any] = []
    monkeypatch.setattr(ready.app, "show", shown.append)
    screen.start()
    assert screen.profiling.is_busy == allows
    assert [problem.kind for problem in shown] == ([] if allows else ["no_permission"])
    screen.left()


def test_without_a_current_it_says_what_is_left_out(
    stage: PutOn, tmp_path: Path, phone: Phone
) -> None:
    phone.tells_current = False
    ready, screen, _ = put(stage, tmp_path, phone, may_record=False)
    assert ready.app.texts("profile.no_energy.no_current") in ready.texts()
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    ready.frames()
    assert "20.0\u00a0ms" in ready.texts()
    assert ready.app.texts("profile.idle") not in ready.texts()


def test_no_rate_no_start(stage: PutOn, tmp_path: Path, phone: Phone) -> None:
    ready, screen, _ = put(stage, tmp_path, phone)
    ready.press(screen._toggles["esc10-1khz"])
    assert ready.app.texts("profile.choose_one") in ready.texts()
    assert screen.config is None
    ready.press(screen._toggles["esc10-2khz"])
    assert screen.config is not None
    assert screen.config.bundles == ("esc10-2khz",)


def test_a_bundle_that_can_t_be_used_is_said_and_not_started(
    stage: PutOn, tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilohear_ui.profile.subject.available", lambda: ("nothing",))
    ready, screen, _ = put(stage, tmp_path, phone)
    assert any("no file for nothing" in text for text in ready.texts())
    assert screen._setup is not None
    assert screen._setup.ids.start.disabled
    ready.app.settings = dataclasses.replace(ready.app.settings, bundle="gone")
    screen.entered()
    assert list(screen._toggles) == ["esc10-1khz", "esc10-2khz", "esc10-16khz"]


def test_both_languages_say_the_same() -> None:
    folder = Path(kilohear_ui.__file__).parent / "texts"
    en, de = (json.loads((folder / name / "profile.json").read_text()) for name in ("en", "de"))
    assert en.keys() == de.keys()
    for key in en:
        assert {*re.findall(r"{\w+}", en[key])} == {*re.findall(r"{\w+}", de[key])}, key
