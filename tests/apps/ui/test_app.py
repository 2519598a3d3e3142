"""The app: its screens are reached, and settings are kept, shown and heard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.apps.ui.stand_ins import StandInBattery, StandInPlatform

from kilohear_ui.app import KilohearApp
from kilohear_ui.power import Reading
from kilohear_ui.screens import NAMES
from kilohear_ui.settings import load_settings


@pytest.mark.parametrize("size", [(320, 640), (1280, 800)])
def test_every_screen_is_reached(
    stage: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.resize(*size)
    for name in NAMES[::-1]:
        ready.app.shell.go(name)
        ready.frames()
        assert ready.app.shell.current.name == name


def test_settings_are_kept_and_heard(stage: Callable[..., Any], tmp_path: Path) -> None:
    platform = StandInPlatform()
    ready = stage(KilohearApp(platform, tmp_path))
    ready.app.ears.start(ready.app.wish)
    ready.app.change(bundle="esc10-2khz", look="dark")
    assert ready.app.ears.asked[-1].bundle == "esc10-2khz"
    assert ready.app.theme.name == "dark"
    assert load_settings(tmp_path / "settings.json") == (ready.app.settings, None)


def test_back_again_it_looks_as_the_system_does_now(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    platform = StandInPlatform(dark=False)
    ready = stage(KilohearApp(platform, tmp_path))
    ready.app.shell.go("history")
    screen = ready.app.shell.current
    ready.app.on_pause()
    ready.app.on_resume()
    assert ready.app.shell.current is screen
    ready.app.on_pause()
    platform._dark = True
    ready.app.on_resume()
    assert ready.app.theme.name == "dark"
    assert ready.app.shell.current is not screen
    assert ready.app.shell.current.name == "history"


def test_the_microphone_is_asked_for_and_a_refusal_is_shown(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    platform = StandInPlatform(may_record=None)
    platform.will_allow = False
    ready = stage(KilohearApp(platform, tmp_path))
    ready.app.listen()
    assert ready.app.shell.problem.kind == "no_permission"
    assert not ready.app.ears.is_listening
    platform.allowed = True  # in the system's settings, meanwhile
    ready.app.dispatch("on_resume")
    assert ready.app.shell.problem is None
    ready.app.listen()
    assert ready.app.ears.is_listening


def test_without_its_bundle_nothing_listens(stage: Callable[..., Any], tmp_path: Path) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.change(bundle="esc10-3khz")
    ready.app.listen()
    assert ready.app.shell.problem.kind == "no_bundle"
    assert not ready.app.ears.is_listening


def test_the_battery_is_read_while_listen_is_shown(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    platform = StandInPlatform()
    platform.stand_in_battery = StandInBattery(Reading(0, 0.5, 312.0, 3.9, 31.4, False))
    ready = stage(KilohearApp(platform, tmp_path))
    ready.until(lambda: "312\u00a0mA" in ready.texts())
    ready.app.shell.go("history")
    assert not [t for t in threading.enumerate() if t.name == "kilohear battery"]
