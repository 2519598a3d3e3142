"""A tour of the screens: each is shown, drawn into a PNG, and what stood on it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.widget import Widget

from kilohear.errors import KilohearError
from kilohear_ui.screens import NAMES

if TYPE_CHECKING:
    from kilohear_ui.app import KilohearApp

LOOK_S = 0.25
"""How often the first screen is looked at while it listens."""

SETTLE_S, PICTURE_S = 0.5, 5.5
"""How long a screen is shown before it is drawn; Privacy's picture takes as long to fill."""


class Tour:
    """Let the app listen, then visit every screen, then close it.

    Parameters
    ----------
    app
        The running app; somebody else begins to listen.
    folder
        Gets `1-listen.png` and so on.
    for_s
        How long it listens first.

    Attributes
    ----------
    shown
        One entry a screen: `screen`, `png`, `size`, `texts` (on it when it was drawn), `seen` (at
        any time since it was entered, in the order they came) and `problem`, its kind or None.
    error
        Why the tour ended early; None: it didn't.
    """

    def __init__(self, app: KilohearApp, folder: Path, for_s: float) -> None:
        self._app, self._folder, self._for_s = app, folder, for_s
        self.shown: list[dict[str, Any]] = []
        self.error: KilohearError | None = None

    def begin(self) -> None:
        """Start; the app is stopped at the end of it."""
        steps = self._steps()

        def go_on(_seconds: float) -> None:
            try:
                wait_s = next(steps)
            except StopIteration:
                self._app.stop()
            except KilohearError as error:
                self.error = error
                self._app.stop()
            else:
                Clock.schedule_once(go_on, wait_s)

        Clock.schedule_once(go_on)

    def _steps(self) -> Iterator[float]:
        """Do one thing after another; yields how long to wait."""
        for number, name in enumerate(NAMES, 1):
            self._app.shell.go(name)
            seen: dict[str, None] = {}
            lasting_s = {"listen": self._for_s, "privacy": min(PICTURE_S, self._for_s)}.get(
                name, SETTLE_S
            )
            for _ in range(max(1, round(lasting_s / LOOK_S))):
                yield LOOK_S
                seen.update(dict.fromkeys(visible_texts(Window.children)))
            texts = visible_texts(Window.children)
            seen.update(dict.fromkeys(texts))
            problem = self._app.shell.problem
            self.shown.append(
                {
                    "screen": name,
                    "png": str(self._draw(self._folder / f"{number}-{name}.png")),
                    "size": list(Window.size),
                    "texts": texts,
                    "seen": list(seen),
                    "problem": problem.kind if problem is not None else None,
                }
            )

    def _draw(self, file: Path) -> Path:
        temporary = file.with_name(f".{file.name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._app.shell.draw(temporary)
            os.replace(temporary, file)
        except OSError as error:
            raise KilohearError(
                f"{file}: the screenshot can't be written ({error.strerror}); choose another folder"
            ) from None
        return file


def seen_widgets(roots: list[Widget]) -> Iterator[Widget]:
    """Yield widgets and those in them, in the order of drawing; none that is transparent."""
    for root in roots:
        if root.opacity:
            yield root
            yield from seen_widgets(root.children[::-1])


def visible_texts(roots: list[Widget]) -> list[str]:
    """Return the texts of all widgets that lie in the window and aren't transparent, each once."""
    return list(dict.fromkeys(filter(None, map(_text, seen_widgets(roots)))))


def _text(widget: Widget) -> str:
    """Return a widget's text; empty where it has none or lies outside the window."""
    text = getattr(widget, "text", "")
    x, y = widget.to_window(*widget.pos)
    lies_in = x + widget.width > 0 and y + widget.height > 0
    lies_in = lies_in and x < Window.width and y < Window.height
    return text if isinstance(text, str) and lies_in else ""
