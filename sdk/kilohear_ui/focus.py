"""The keyboard: Tab goes through all that can be pressed, and what has the focus is in view.

Kivy's own focus asks for a keyboard, which on a phone covers half of the screen; this one doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kivy.core.window import Keyboard
from kivy.metrics import dp
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from kilohear_ui.widgets import Focusable

_NAMES = {code: name for name, code in reversed(Keyboard.keycodes.items())}


def key_name(code: int) -> str:
    """Return a key's name by Kivy's code: `tab`, `enter`, `left`, `1`; empty: unknown."""
    return _NAMES.get(code, "")


class FocusRing:
    """Where the keyboard is.

    Parameters
    ----------
    root
        Returns the widget whose descendants can have it.
    """

    def __init__(self, root: Callable[[], Widget]) -> None:
        self._root = root

    def all(self) -> list[Focusable]:
        """Return all that Tab reaches now, in its order."""
        return list(_reachable(self._root()))

    @property
    def focused(self) -> Focusable | None:
        """What has the focus."""
        return next((each for each in self.all() if each.focus), None)

    def give(self, wanted: Focusable | None) -> None:
        """Give the focus to a widget, or to none, and bring it into view."""
        for each in self.all():
            each.focus = each is wanted
        if wanted is not None:
            bring_into_view(wanted)

    def move(self, step: int) -> None:
        """Go so many further, around the end."""
        there = self.all()
        if there:
            focused = self.focused
            at = there.index(focused) + step if focused else (0 if step > 0 else -1)
            self.give(there[at % len(there)])

    def keyed(self, key: str, modifiers: list[str]) -> bool:
        """Take a key; return whether it was for the focus."""
        if key == "tab":
            self.move(-1 if "shift" in modifiers else 1)
            return True
        focused = self.focused
        return focused is not None and focused.keyed(key)


def bring_into_view(widget: Widget) -> None:
    """Scroll all that scrolls until a widget is seen."""
    above = widget.parent
    while isinstance(above, Widget):
        if isinstance(above, ScrollView):
            above.scroll_to(widget, padding=dp(16), animate=False)
        above = above.parent


def _reachable(widget: Widget) -> Iterator[Focusable]:
    if widget.disabled or widget.opacity == 0:
        return
    if isinstance(widget, Focusable) and widget.is_focusable:
        yield widget
    for child in reversed(widget.children):
        yield from _reachable(child)
