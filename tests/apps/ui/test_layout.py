"""The look: nothing is clipped or too small at any size, all text has contrast, all has a key."""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kivy.core.window import Keyboard, Window
from kivy.uix.label import Label
from tests.apps.ui import layout
from tests.apps.ui.stand_ins import StandInPlatform

from kilohear.config import read_json
from kilohear_ui import texts
from kilohear_ui.app import KilohearApp
from kilohear_ui.problems import Problem
from kilohear_ui.screens import NAMES
from kilohear_ui.theme import DARK, LIGHT, Colour, Theme

SIZES = ((320, 640), (390, 844), (1280, 800))
LOOKS = (("en", "light", 1.0), ("de", "dark", 2.0), ("en", "dark", 2.0), ("de", "light", 1.0))
FOLDER = Path(texts.__file__).parent


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_clipped_or_too_small(
    stage: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.resize(*size)
    for language, look, scale in LOOKS:
        ready.app.change(language=language, look=look, text_scale=scale)
        for name in NAMES:
            ready.app.shell.go(name)
            ready.settle()
            assert layout.faults() == [], f"{name} in {language} at {scale}"


@pytest.mark.parametrize("size", SIZES)
def test_a_problem_is_not_clipped(
    stage: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    ready = stage(KilohearApp(StandInPlatform(text_scale=2.0), tmp_path))
    ready.resize(*size)
    for kind, language in itertools.product(("other", "no_permission"), ("en", "de")):
        ready.app.change(language=language)
        ready.app.show(Problem(kind, "SourceLost: " + "gone " * 20), print)
        ready.settle()
        assert layout.faults() == []


def test_the_check_finds_what_is_clipped_and_too_small(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    from kilohear_ui.widgets import Press

    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    Window.add_widget(Label(text="too long " * 9, size_hint=(None, None), size=(50, 20)))
    Window.add_widget(Press(text="", size_hint=(None, None), width=20))
    Window.add_widget(Label(text="", size_hint=(None, None), size=(300, 20), x=200))
    ready.settle()
    found = "\n".join(layout.faults())
    assert "its text takes" in found
    assert "a finger has" in found


def test_turning_the_device_loses_nothing(stage: Callable[..., Any], tmp_path: Path) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.shell.go("settings")
    ready.frames()
    screen = ready.app.shell.current
    for size in ((844, 390), (390, 844), (1280, 800), (320, 640)):
        ready.resize(*size)
        assert ready.app.shell.current is screen
        assert ready.app.shell.wide == (size[0] >= 720)
        assert layout.faults() == []


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_text_is_told_from_what_it_is_on(theme: Theme) -> None:
    for on in (theme.background, theme.surface, theme.raised):
        for of in (theme.text, theme.muted):
            assert contrast(of, on) >= 4.5
    for of in (theme.accent, theme.good, theme.warning, theme.danger):
        assert contrast(of, theme.surface) >= 4.5
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    for of in (theme.focus, *theme.sounds):  # areas and lines
        assert contrast(of, theme.surface) >= 3


@pytest.mark.parametrize("size", [(320, 640), (1280, 800)])
def test_tab_reaches_everything_and_brings_it_into_view(
    stage: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    ready = stage(KilohearApp(StandInPlatform(text_scale=1.6), tmp_path))
    ready.resize(*size)
    shell = ready.app.shell
    for name in ("listen", "settings"):
        shell.go(name)
        shell.focus_ring.give(None)
        ready.settle()
        wanted = set(shell.focus_ring.all())
        assert len(wanted) > len(NAMES)
        seen, focused = set(), None
        for _ in wanted:
            key("tab")
            ready.settle(2)
            focused = shell.focus_ring.focused
            assert focused is not None
            seen.add(focused)
            left, bottom = focused.to_window(*focused.pos)
            assert left >= -1
            assert bottom >= -1
            assert left + focused.width <= Window.width + 1
            assert bottom + min(focused.height, Window.height / 2) <= Window.height + 1
        assert seen == wanted
        key("tab", "shift")
        key("tab")
        assert shell.focus_ring.focused is focused


def test_keys_choose_press_and_move(stage: Callable[..., Any], tmp_path: Path) -> None:
    platform = StandInPlatform()
    ready = stage(KilohearApp(platform, tmp_path, source="demo"))
    shell = ready.app.shell
    for i, name in enumerate(NAMES, 1):
        key("1" if i == 1 else str(i), "ctrl")
        assert shell.current.name == name
    for i, name in enumerate(NAMES, 1):
        key(f"f{i}")
        assert shell.current.name == name
    shell.go("listen")
    shell.focus_ring.give(shell.current.ids.button.__self__)
    key("enter")
    ready.until(lambda: ready.app.ears.is_listening)
    shell.focus_ring.give(shell.current.ids.rate.__self__)
    key("right")
    assert ready.app.settings.bundle == "esc10-2khz"
    shell.go("settings")
    shell.focus_ring.give(shell.current.ids.on.ids.track.__self__)
    key("right")
    assert ready.app.settings.detection.threshold_on == 0.55
    ready.app.show(Problem("other", "x"))
    key("escape")
    assert shell.problem is None
    key("escape")
    assert shell.current.name == "listen"


def test_a_rebuilt_screen_keeps_focus_and_place(stage: Callable[..., Any], tmp_path: Path) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    shell = ready.app.shell
    shell.go("settings")
    ready.settle()
    shell.focus_ring.give(shell.current.ids.text.__self__)
    key("right")
    assert ready.app.settings.text_scale == 1.3
    ready.until(lambda: shell.focus_ring.focused is shell.current.ids.text.__self__)


@pytest.mark.parametrize("file", sorted(path.name for path in (FOLDER / "en").iterdir()))
def test_german_says_all_that_english_says(file: str) -> None:
    english, german = (read_json(FOLDER / language / file) for language in ("en", "de"))
    assert list(german) == list(english)
    for name, text in english.items():
        assert fields(german[name]) == fields(text), name
        assert german[name].strip() == german[name] != ""


def fields(text: str) -> set[str | None]:
    """Return the names of a text's values."""
    return {name for _text, name, _format, _kind in string.Formatter().parse(text)} - {None}


def key(name: str, *modifiers: str) -> None:
    """Press a key of the window's."""
    Window.dispatch("on_key_down", Keyboard.keycodes[name], 0, "", list(modifiers))


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Colour) -> float:
    """Return a colour's relative luminance, 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
