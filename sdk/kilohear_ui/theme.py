"""Colours and sizes of the screens, dark and light; contrast of text is 4.5 to 1 or more."""

from __future__ import annotations

import dataclasses

from kivy.metrics import dp, sp

Colour = tuple[float, float, float, float]


def _hex(text: str) -> Colour:
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue, 1.0


@dataclasses.dataclass(frozen=True)
class Theme:
    """What every widget takes its look from, made anew when look or text size changes.

    Sizes are in pixels. `sounds` tell classes apart on a time line: areas, not text.
    """

    name: str
    background: Colour
    surface: Colour
    raised: Colour
    line: Colour
    text: Colour
    muted: Colour
    accent: Colour
    on_accent: Colour
    good: Colour
    warning: Colour
    danger: Colour
    focus: Colour
    sounds: tuple[Colour, ...]
    scale: float = 1.0

    @property
    def hero(self) -> float:
        """Of the one thing that is read from across the room."""
        return sp(40) * min(self.scale, 1.5)

    @property
    def title(self) -> float:
        """Of a screen's name."""
        return sp(22) * self.scale

    @property
    def heading(self) -> float:
        """Of a card's name."""
        return sp(17) * self.scale

    @property
    def stat(self) -> float:
        """Of a number that is read for itself."""
        return sp(21) * self.scale

    @property
    def body(self) -> float:
        """Of everything that is read."""
        return sp(15) * self.scale

    @property
    def small(self) -> float:
        """Of units, times and footnotes."""
        return sp(13) * self.scale

    @property
    def label(self) -> float:
        """Of a word below an icon."""
        return sp(12) * self.scale

    @property
    def icon(self) -> float:
        """Of an icon's sides."""
        return dp(24) * min(self.scale, 1.5)

    @property
    def gap(self) -> float:
        """Between things that belong together."""
        return dp(8)

    @property
    def margin(self) -> float:
        """Around what doesn't."""
        return dp(16)

    @property
    def radius(self) -> float:
        """Of a card's corners."""
        return dp(14)

    @property
    def touch(self) -> float:
        """The least that a finger hits: 48 dp."""
        return max(dp(48), self.body * 2.4)


LIGHT = Theme(
    name="light",
    background=_hex("F4F5F2"),
    surface=_hex("FFFFFF"),
    raised=_hex("E9ECE6"),
    line=_hex("D3D8CE"),
    text=_hex("16201B"),
    muted=_hex("55615A"),
    accent=_hex("0B6B53"),
    on_accent=_hex("FFFFFF"),
    good=_hex("1B6E3C"),
    warning=_hex("8A5300"),
    danger=_hex("A3271F"),
    focus=_hex("1D5FD0"),
    sounds=tuple(
        map(_hex, ["0B7A5E", "2F6DB5", "B8560F", "7A4FB0", "B0326E", "6B7A10", "0E7C93", "8A5A3C"])
    ),
)

DARK = Theme(
    name="dark",
    background=_hex("0E1412"),
    surface=_hex("18201D"),
    raised=_hex("232D29"),
    line=_hex("36423D"),
    text=_hex("EDF2EF"),
    muted=_hex("A3B0A9"),
    accent=_hex("5FD3AE"),
    on_accent=_hex("06251B"),
    good=_hex("79D993"),
    warning=_hex("F2B75C"),
    danger=_hex("FF8A7D"),
    focus=_hex("8DB8FF"),
    sounds=tuple(
        map(_hex, ["5FD3AE", "8DB8FF", "F2A65C", "C3A1F5", "F48FB8", "C4CF63", "66CFE0", "D9A98A"])
    ),
)


def theme_for(look: str, prefers_dark: bool, scale: float) -> Theme:
    """Return the theme for a look (`system`, `light`, `dark`) and a text scale."""
    is_dark = prefers_dark if look == "system" else look == "dark"
    return dataclasses.replace(DARK if is_dark else LIGHT, scale=scale)
