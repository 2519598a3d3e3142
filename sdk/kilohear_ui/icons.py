"""Icons, drawn as strokes on the canvas: they need no file and are sharp at any size."""

from __future__ import annotations

import math
from typing import Any

from kivy.graphics import Color, Ellipse, Line, RoundedRectangle
from kivy.properties import ColorProperty, StringProperty
from kivy.uix.widget import Widget

GRID = 24
"""Icons are drawn on a square of so many units, y upwards."""

_STROKE = 1.8

Point = tuple[float, float]


def _arc(x: float, y: float, radius: float, start: float, end: float) -> list[Point]:
    """Return an arc's points; degrees from the right, counter-clockwise."""
    steps = max(4, round(abs(end - start) / 12))
    angles = (math.radians(start + (end - start) * i / steps) for i in range(steps + 1))
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


_SHIELD = [
    (12, 21.5),
    (4.5, 18.7),
    (4.5, 11.5),
    (6, 7.5),
    (9, 4.3),
    (12, 2.5),
    (15, 4.3),
    (18, 7.5),
    (19.5, 11.5),
    (19.5, 18.7),
    (12, 21.5),
]

STROKES: dict[str, list[list[Point]]] = {
    "listen": [
        [(3, 10), (3, 14)],
        [(7.5, 7), (7.5, 17)],
        [(12, 3), (12, 21)],
        [(16.5, 7), (16.5, 17)],
        [(21, 10), (21, 14)],
    ],
    "profile": [
        _arc(12, 11, 9, 215, -35),
        [(12, 11), (16, 15.5)],
        [(9, 4), (15, 4)],
    ],
    "history": [_arc(12, 12, 9, 0, 360), [(12, 17.5), (12, 12), (16, 9.5)]],
    "privacy": [_SHIELD, [(8.3, 12), (11, 9.3), (16, 14.8)]],
    "settings": [
        [(3, 18), (12.5, 18)],
        [(19.5, 18), (21, 18)],
        _arc(16, 18, 3, 0, 360),
        [(3, 12), (4.5, 12)],
        [(11.5, 12), (21, 12)],
        _arc(8, 12, 3, 0, 360),
        [(3, 6), (11.5, 6)],
        [(18.5, 6), (21, 6)],
        _arc(15, 6, 3, 0, 360),
    ],
    "start": [
        [(12, 9.5), (12, 9.4)],
        [*_arc(12, 17.5, 3.2, 180, 0), *_arc(12, 12.5, 3.2, 0, -180), (8.8, 17.5)],
        _arc(12, 12.5, 6.8, 180, 360),
        [(12, 5.7), (12, 2.5)],
        [(8.5, 2.5), (15.5, 2.5)],
    ],
    "stop": [],
    "": [],
}
"""By the icon's name; a stroke is a line through its points."""


class Icon(Widget):
    """One of `STROKES`, as large as the widget's shorter side."""

    name = StringProperty()
    colour = ColorProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("pos", "size", "name"):
            self.fbind(name, self._draw)
        self.fbind("colour", self._tint)
        self._draw()

    def _tint(self, *_args: Any) -> None:
        self._paint.rgba = self.colour

    def _draw(self, *_args: Any) -> None:
        unit = min(self.size) / GRID
        # Not center_x: while the size changes, Kivy still has the old one in its cache.
        middle_x, middle_y = self.x + self.width / 2, self.y + self.height / 2
        left, bottom = middle_x - GRID / 2 * unit, middle_y - GRID / 2 * unit
        canvas: Any = self.canvas
        canvas.clear()
        with canvas:
            self._paint = Color(*self.colour)
            for stroke in STROKES[self.name]:
                points = [(left + x * unit, bottom + y * unit) for x, y in stroke]
                Line(
                    points=[each for point in points for each in point],
                    width=_STROKE * unit / 2,
                    cap="round",
                    joint="round",
                )
            if self.name == "stop":
                side = 11 * unit
                RoundedRectangle(
                    pos=(middle_x - side / 2, middle_y - side / 2),
                    size=(side, side),
                    radius=[2.5 * unit],
                )


class Dot(Widget):
    """A round light."""

    colour = ColorProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        canvas: Any = self.canvas
        with canvas:
            self._paint = Color(*self.colour)
            self._light = Ellipse()
        self.fbind("pos", self._place)
        self.fbind("size", self._place)
        self.fbind("colour", self._tint)

    def _tint(self, *_args: Any) -> None:
        self._paint.rgba = self.colour

    def _place(self, *_args: Any) -> None:
        side = min(self.size)
        self._light.pos = (
            self.x + (self.width - side) / 2,
            self.y + (self.height - side) / 2,
        )
        self._light.size = side, side
