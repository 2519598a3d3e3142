"""Charts as inline SVG: colours are the page's, by class, so that they follow its theme.

A chart is as wide as a phone; the page lays several beside each other where there is room.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Callable, Iterable, Sequence

WIDTH = 380.0
"""Of every chart, in its own units: about pixels on a phone."""
SHAPES = ("circle", "square", "diamond", "triangle", "cross")
COLOURS = 6
"""How many classes `c0`, `c1`... of the page tell rates apart."""


def escape(text: str) -> str:
    """Return text as markup."""
    return html.escape(text)


@dataclasses.dataclass(frozen=True)
class Scale:
    """From values to positions, linear or logarithmic.

    Attributes
    ----------
    low, high
        Values at the ends; `high` above `low`, and `low` above 0 where it is logarithmic.
    start, end
        Positions of the two.
    log
        Whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    @classmethod
    def over(
        cls,
        values: Iterable[float],
        start: float,
        end: float,
        log: bool = False,
        margin: float = 0.1,
    ) -> Scale:
        """Return the scale that holds values, with a margin, a share of their span, around them."""
        found = list(values)
        low, high = min(found), max(found)
        if log:
            span = max(math.log10(high / low), 0.2) * margin
            return cls(low / 10**span, high * 10**span, start, end, log)
        span = ((high - low) or abs(high) or 1.0) * margin
        return cls(low - span, high + span, start, end)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values within, at most `most`."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            for steps in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
                found = [
                    round(step * 10.0**power, 12)
                    for power in range(first, last + 1)
                    for step in steps
                    if self.low <= step * 10.0**power <= self.high
                ]
                if 2 <= len(found) <= most:
                    return found
            if last - first > most:
                return [10.0**p for p in range(first + 1, last, math.ceil((last - first) / most))]
        power = 10.0 ** math.floor(math.log10(self.high - self.low))
        for step in (0.1, 0.2, 0.5, 1, 2, 5, 10):
            count = (
                math.floor(self.high / (step * power)) - math.ceil(self.low / (step * power)) + 1
            )
            if count <= most:
                first = math.ceil(self.low / (step * power))
                return [round((first + i) * step * power, 12) for i in range(count)]
        return []


def text(
    x: float, y: float, words: str, css: str = "", anchor: str = "start", title: str = ""
) -> str:
    """Return a text; its anchor is `start`, `middle` or `end`."""
    hint = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{hint}'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    return f'<path class="{css}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def path(points: Sequence[tuple[float, float]], css: str, closed: bool = False) -> str:
    """Return a line through points."""
    found = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{css}" d="M{found}{"Z" if closed else ""}"/>'


def box(x: float, y: float, width: float, height: float, css: str, title: str = "") -> str:
    """Return a rectangle, with a hint where it has a title."""
    hint = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{height:.1f}">{hint}</rect>'
    )


def marker(x: float, y: float, shape: str, css: str, title: str = "") -> str:
    """Return a point of a shape out of SHAPES, with a hint where it has a title."""
    drawn = {
        "circle": f"M{x - 5:.1f} {y:.1f}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0",
        "square": f"M{x - 4.5:.1f} {y - 4.5:.1f}h9v9h-9z",
        "diamond": f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z",
        "triangle": f"M{x:.1f} {y - 6:.1f}l6 10h-12z",
        "cross": f"M{x - 2:.1f} {y - 6:.1f}h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    }
    hint = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="point {css}" d="{drawn[shape]}">{hint}</path>'


def x_axis(scale: Scale, y: float, height: float, name: str, form: Callable[[float], str]) -> str:
    """Return ticks, grid upwards and the name of a horizontal axis at `y`."""
    parts = []
    for value in scale.ticks():
        x = scale(value)
        parts.append(line(x, y, x, y - height, "grid"))
        parts.append(text(x, y + 15, form(value), "tick", "middle"))
    parts.append(line(scale.start, y, scale.end, y, "axis"))
    parts.append(text(scale.end, y + 32, name, "name", "end"))
    return "".join(parts)


def y_axis(scale: Scale, x: float, width: float, form: Callable[[float], str]) -> str:
    """Return ticks and grid to the right of a vertical axis at `x`."""
    parts = []
    for value in scale.ticks():
        y = scale(value)
        parts.append(line(x, y, x + width, y, "grid"))
        parts.append(text(x - 6, y + 4, form(value), "tick", "end"))
    return "".join(parts)


def chart(key: str, title: str, description: str, height: float, body: str) -> str:
    """Return a whole chart; `key` is unique on the page."""
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-labelledby="{key}-title {key}-text"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-text">{escape(description)}</desc>{body}</svg>'
    )
