"""The witness: writes down what is on the screen, for tests, screenshots and benchmarks.

It is there only where `kilohear app --witness FILE` asks for it: what it writes holds labels.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.widget import Widget

from kilohear.files import write_text
from kilohear_ui.tour import seen_widgets, visible_texts
from kilohear_ui.widgets import Focusable, Page

PERIOD_S = 0.25


class Witness:
    """Keeps `file` in step with the screen, four times a second.

    Parameters
    ----------
    file
        JSON, replaced as a whole: `screen`, `size`, the name of what is `focused`, `texts`, and
        `presses`: name, centre in pixels from the top left, and whether it scrolls, of each thing
        that can be pressed; `frames` drawn so far, `slowest_ms` between two of them since the
        last time, and `at_s` by `time.monotonic`.
    redraw
        Draw every frame that the clock allows, whether anything changed or not: how many there
        are is the frame rate that the screens can keep up.
    """

    def __init__(self, file: Path, redraw: bool = False) -> None:
        self._file, self._redraw = file, redraw
        self._frames = 0
        self._drawn_s = time.monotonic()
        self._slowest_s = 0.0

    def begin(self) -> None:
        """Watch from now on."""
        Window.bind(on_flip=self._count)
        Clock.schedule_interval(self._write, PERIOD_S)
        if self._redraw:
            Clock.schedule_interval(lambda _seconds: Window.canvas.ask_update(), 0)

    def _count(self, _window: object) -> None:
        now_s = time.monotonic()
        self._frames += 1
        self._slowest_s = max(self._slowest_s, now_s - self._drawn_s)
        self._drawn_s = now_s

    def _write(self, _seconds: float) -> None:
        drawn = {
            "frames": self._frames,
            "slowest_ms": 1e3 * self._slowest_s,
            "at_s": time.monotonic(),
        }
        self._slowest_s = 0.0
        write_text(self._file, json.dumps(describe_screen() | drawn, ensure_ascii=False))


def describe_screen() -> dict[str, Any]:
    """Return what is on the screen now; see `Witness`."""
    app: Any = App.get_running_app()
    seen = list(seen_widgets(Window.children))
    boxes = [(widget, widget.to_window(*widget.center)) for widget in seen]
    return {
        "screen": app.shell.current.name,
        "size": list(Window.size),
        "focused": next((name_of(widget) for widget in seen if getattr(widget, "focus", 0)), None),
        "texts": visible_texts(Window.children),
        "presses": [
            {
                "text": name,
                "x": round(x),
                "y": round(Window.height - y),
                "scrolls": _is_in_a_page(widget),
            }
            for widget, (x, y) in boxes
            if isinstance(widget, (ButtonBehavior, Focusable)) and (name := name_of(widget))
        ],
    }


def name_of(widget: Widget) -> str:
    """Return what a widget is called: its own text, else that of the words in it."""
    own = getattr(widget, "text", "") or getattr(widget, "name", "")
    inner = (getattr(each, "text", "") for each in widget.walk(restrict=True))
    return own or " ".join(filter(None, inner))


def _is_in_a_page(widget: Any) -> bool:
    """Whether a widget moves when its page is scrolled."""
    while widget.parent not in (None, widget, Window):
        widget = widget.parent
        if isinstance(widget, Page):
            return True
    return False
