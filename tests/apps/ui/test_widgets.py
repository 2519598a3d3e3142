"""The shell and its widgets: a finger presses, a fault stays in view, a screen is in place."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kivy.app import App
from kivy.core.window import Window
from kivy.tests.common import UnitTestTouch
from PIL import Image
from tests.apps.ui.stand_ins import StandInPlatform

from kilohear.events import Fault
from kilohear_ui.app import KilohearApp
from kilohear_ui.ears import Heard, Started
from kilohear_ui.screens import NAMES
from kilohear_ui.tour import visible_texts
from kilohear_ui.widgets import Press, Toggle

STARTED = Started("esc10-1khz", "numpy", ("dog",), "test", 48_000, 48_000, 1_000, 5.0, 1.0)


@pytest.mark.parametrize("kind", [Press, Toggle])
def test_a_finger_presses_what_lies_on_a_page(
    stage: Callable[..., Any], tmp_path: Path, kind: type
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    pressed: list[object] = []
    button = kind(text="Here")
    button.bind(on_release=pressed.append)
    content = ready.app.shell.current.ids.page.ids.content
    content.add_widget(button, index=len(content.children))
    ready.frames()
    touch = UnitTestTouch(*button.to_window(*button.center))
    touch.touch_down()
    ready.frames()
    touch.touch_up()
    ready.until(lambda: pressed, seconds=3)
    assert pressed == [button]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_all_is_on_the_look_s_background(
    stage: Callable[..., Any], tmp_path: Path, look: str
) -> None:
    ready = stage(KilohearApp(StandInPlatform(dark=look == "light"), tmp_path))
    ready.app.change(look=look)
    ready.frames()
    with Image.open(ready.shot(tmp_path / "shot.png")) as png:
        width, _height = png.size
        corner = png.convert("RGB").getpixel((width // 2, 2))
    assert corner == tuple(round(255 * each) for each in ready.app.theme.background[:3])
    assert tuple(Window.clearcolor) == pytest.approx(ready.app.theme.background)


def test_a_fault_is_seen_wherever_the_page_is_scrolled_until_the_sound_is_back(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.listen()
    ready.app.ears.say(STARTED, Fault(0.0, "muted", "silent"))
    ready.app.shell.current.ids.page.scroll_y = 0
    ready.until(lambda: ready.app.shell.problem)
    title, advice = ready.app.texts.problem("microphone_silent")
    assert {title, advice} <= set(visible_texts(Window.children))
    ready.app.ears.say(Heard(1.0, 2.0, (0.5,), 0.0, False, 1.0))
    ready.until(lambda: ready.app.shell.problem is None)
    assert title not in visible_texts(Window.children)


def test_a_closed_fault_stays_closed_and_the_header_still_tells(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.listen()
    ready.app.ears.say(STARTED, Fault(0.0, "muted", "silent"))
    ready.until(lambda: ready.app.shell.problem)
    ready.app.shell.close_problem()
    ready.frames(6)
    assert ready.app.shell.problem is None
    ready.app.shell.go("settings")
    ready.frames(6)
    assert ready.app.texts("listen.no_sound") in visible_texts(Window.children)


def test_a_screen_is_in_its_place_from_the_first_frame(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    for size, name in itertools.product(((1280, 800), (390, 844)), NAMES[::-1]):
        ready.resize(*size)
        ready.app.shell.go(name)
        screen = ready.app.shell.current
        manager = screen.parent
        assert (manager.children, screen.pos, screen.size) == ([screen], manager.pos, manager.size)


def test_it_may_be_stopped_twice(stage: Callable[..., Any], tmp_path: Path) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.dispatch("on_stop")
    App._running_app = None  # as `App.stop` does in between
    ready.app.dispatch("on_stop")
    assert ready.app.ears.asked.count("close") == 1
