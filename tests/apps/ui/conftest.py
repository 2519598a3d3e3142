"""Fixtures of the screens' tests: an app on an offscreen window, frame by frame."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Kivy looks at these when it is imported: it keeps from the console, the home folder, pytest's
# arguments and the screen.
os.environ.update(
    KIVY_HOME=tempfile.mkdtemp(prefix="kilohear-kivy-"),
    KIVY_NO_ARGS="1",
    KIVY_NO_CONSOLELOG="1",
    KIVY_NO_FILELOG="1",
    SDL_VIDEODRIVER="offscreen",
)

import pytest
from kivy.app import App
from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.uix.widget import Widget

from kilohear_ui.app import KilohearApp


class Stage:
    """An app on a window that nobody sees; nothing moves but by `frames` and `until`."""

    def __init__(self, app: KilohearApp) -> None:
        self.app = app

    def frames(self, count: int = 3) -> None:
        """Let so many frames go by."""
        for _ in range(count):
            EventLoop.idle()

    def settle(self, count: int = 6) -> None:
        """Let everything find its place, without drawing it."""
        for _ in range(count):
            Clock.tick()
            Builder.sync()
            Clock.tick_draw()
            Builder.sync()

    def until(self, holds: Callable[[], object], seconds: float = 20.0) -> None:
        """Let frames go by until something holds; fails where it never does."""
        deadline_s = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline_s, "it didn't happen in time"
            self.frames(1)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        Window.size = (width, height)
        self.frames(4)

    def press(self, widget: Widget) -> None:
        """Press a button and let go."""
        widget.dispatch("on_press")
        widget.dispatch("on_release")
        self.frames()

    def texts(self) -> list[str]:
        """Return every text that is on the screen, top widget first."""
        return [widget.text for widget in self.widgets() if getattr(widget, "text", "")]

    def widgets(self) -> list[Widget]:
        """Return every widget of the window."""
        return [each for child in Window.children for each in child.walk()]

    def shot(self, path: Path) -> Path:
        """Draw the window into a PNG."""
        self.app.shell.draw(path)
        return path


@pytest.fixture
def stage() -> Iterator[Callable[[KilohearApp], Stage]]:
    """Put an app on the offscreen window; it is closed after the test."""
    staged: list[KilohearApp] = []

    def put(app: KilohearApp) -> Stage:
        staged.append(app)
        EventLoop.ensure_window()
        Window.size = (390, 844)
        app._run_prepare()
        if EventLoop.status != "started":
            EventLoop.start()
        ready = Stage(app)
        ready.frames(4)
        return ready

    yield put
    for app in staged:
        app.dispatch("on_stop")
        for child in list(Window.children):
            Window.remove_widget(child)
        for event in list(Clock.get_events()):
            event.cancel()
        App._running_app = None
