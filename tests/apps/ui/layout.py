"""What is wrong with a laid out window: clipped text, and targets too small for a finger."""

from __future__ import annotations

from collections.abc import Iterator

from kivy.core.window import Window
from kivy.metrics import dp
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label
from kivy.uix.widget import Widget

from kilohear_ui.widgets import Focusable

LEAST_TARGET = 48
"""Sides of what a finger hits, dp."""

_SLACK = 1.5
"""Pixels that rounding may cost."""


def faults() -> list[str]:
    """Return in words what is clipped or too small, of all that the window holds."""
    return [fault for child in Window.children for fault in _faults(child)]


def _faults(widget: Widget) -> Iterator[str]:
    if widget.opacity == 0:
        return
    if isinstance(widget, Label) and widget.text:
        wide, high = widget.texture_size
        if wide > widget.width + _SLACK or high > widget.height + _SLACK:
            yield (
                f"{_name(widget)}: its text takes {wide} x {high}, "
                f"it has {widget.width:.0f} x {widget.height:.0f}"
            )
    if widget.width > 0 and widget.height > 0 and (widget.parent is not None):
        left, _bottom = widget.to_window(widget.x, widget.y)
        if left < -_SLACK or left + widget.width > Window.width + _SLACK:
            yield (
                f"{_name(widget)}: reaches from {left:.0f} to {left + widget.width:.0f} of "
                f"{Window.width}"
            )
    if isinstance(widget, Focusable | ButtonBehavior):
        least = dp(LEAST_TARGET) - _SLACK
        if widget.width < least or widget.height < least:
            yield f"{_name(widget)}: a finger has {widget.width:.0f} x {widget.height:.0f}"
    for child in widget.children:
        yield from _faults(child)


def _name(widget: Widget) -> str:
    text = getattr(widget, "text", "")
    above = type(widget.parent).__name__ if isinstance(widget.parent, Widget) else "window"
    return f"{type(widget).__name__} {text!r} in {above}"
