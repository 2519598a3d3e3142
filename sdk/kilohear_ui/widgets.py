"""What the screens are made of.

All take colours and sizes from `app.theme`; all but `Page` are as high as their content. Events
named here are sent for what a person does, never for a value that a program sets.

`Words`, `Title`, `Heading`, `Small`, `Note`
    Text that wraps and is never clipped: `text`. A word wider than the widget is drawn smaller.
    `Note` is a `Small` that takes no room while empty.
`Card`, `Section`
    A surface for things that belong together; a section has a `title` and a `note`.
`Page`
    A screen's content, scrolled: what is added in a .kv rule or to `ids.content` lies in it.
`Columns`, `Tiles`
    One to `most` columns, each at least `least` wide: cards of any height, tiles in rows.
`Press`
    A button: `text`, `primary`, `icon` (see `kilohear_ui.icons`); `on_release`.
`Choice`
    One of several: `options` [(value, text), ...], `value`; `on_chosen(value)`. Arrows move.
`Toggle`
    A switch with its words: `text`, `note`, `active`; `on_toggled(active)`.
`SliderRow`
    A number: `text`, `value`, `min`, `max`, `step`, `shown` (the value with its unit, yours to
    set); `on_slid(value)` while it moves, `on_chosen(value)` once it is let go of.
`Stat`
    A number with where it comes from: `caption`, `value`, `unit`, `kind` ("measured" ...);
    `missing` stands in for an empty `value`.
`Banner`
    Something to know: `tone` (`danger`, `warning`, `calm`), `title`, `text`, `detail`, `actions`
    [(text, called without arguments), ...].
`Focusable`
    Makes a widget of yours reachable by Tab: `focus` is whether it has the keyboard, `keyed(key)`
    takes a key's name and returns whether it meant something to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kivy.core.text import Label as CoreLabel
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.layout import Layout
from kivy.uix.scrollview import ScrollView
from kivy.uix.slider import Slider
from kivy.uix.widget import Widget

_PRESSING = ("enter", "numpadenter", "spacebar")


def text_width(text: str, font_size: float, bold: bool = False) -> float:
    """Return how wide a text is on one line, pixels."""
    label = CoreLabel(font_size=font_size, bold=bold)
    label.resolve_font_name()
    return label.get_extents(text)[0]


class Whole(Label):
    """A label whose words are never broken: one that is too wide makes all of them smaller."""

    def texture_update(self, *args: Any) -> None:
        """Draw the text, smaller where a word asks for it."""
        label: Any = self._label
        if not self.markup and self.text:
            label.options["font_size"] = self.font_size
            label.resolve_font_name()
            room = (self.text_size[0] or math.inf) - 1
            widest = max((label.get_extents(w)[0] for w in self.text.split()), default=0)
            if 0 < room < widest:
                label.options["font_size"] = self.font_size * room / widest
        super().texture_update(*args)


class Words(Whole):
    """Text as wide as it may be and as high as it must be."""


class Card(BoxLayout):
    """A group of things on a surface of its own."""


class Section(Card):
    """A card with a name."""

    title = StringProperty()
    note = StringProperty()


class Columns(Layout):
    """Widgets in as many columns as fit, each widget where the column is shortest."""

    least = NumericProperty(dp(340))
    most = NumericProperty(2)
    spacing = NumericProperty(dp(16))
    minimum_height = NumericProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("pos", "size", "children", "least", "most", "spacing"):
            self.fbind(name, self._trigger_layout)

    @property
    def columns(self) -> int:
        """How many there are now."""
        fitting = int((self.width + self.spacing) // (self.least + self.spacing))
        return max(1, min(fitting, int(self.most), len(self.children) or 1))

    @property
    def column_width(self) -> float:
        """How wide each is, pixels."""
        return (self.width - (self.columns - 1) * self.spacing) / self.columns

    def do_layout(self, *_args: Any) -> None:
        """Put every widget in its place."""
        tops = [0.0] * self.columns
        for child in reversed(self.children):
            column = tops.index(min(tops))
            self._place(child, column, tops[column])
            tops[column] += child.height + self.spacing
        self.minimum_height = max(0.0, max(tops) - self.spacing)

    def _place(self, child: Widget, column: int, down: float) -> None:
        child.width = self.column_width
        child.x = self.x + column * (self.column_width + self.spacing)
        child.top = self.top - down


class Tiles(Columns):
    """Widgets in rows; those of a row share their top."""

    def do_layout(self, *_args: Any) -> None:
        """Put every widget in its place."""
        down = 0.0
        tiles = self.children[::-1]
        for first in range(0, len(tiles), self.columns):
            row = tiles[first : first + self.columns]
            for column, child in enumerate(row):
                self._place(child, column, down)
            down += max(child.height for child in row) + self.spacing
        self.minimum_height = max(0.0, down - self.spacing)


class Focusable(Widget):
    """A widget that the keyboard reaches; see `kilohear_ui.focus`."""

    focus = BooleanProperty(False)
    is_focusable = BooleanProperty(True)

    def keyed(self, key: str) -> bool:
        """Take a key; return whether it meant something here."""
        return False


class Pressable(ButtonBehavior, Focusable):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Pressed by a finger, Enter or Space.

    `ButtonBehavior` comes first: the other way round it never hears of a touch.
    """

    def keyed(self, key: str) -> bool:
        """Press on Enter and Space."""
        if key not in _PRESSING:
            return False
        if not self.disabled:
            self.trigger_action(0.1)
        return True


class Press(Pressable, Whole):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A button."""

    primary = BooleanProperty(False)
    icon = StringProperty()


class Segment(ButtonBehavior, Whole):  # pyright: ignore[reportIncompatibleMethodOverride]
    """One of a `Choice`."""

    value = ObjectProperty(allownone=True)
    chosen = BooleanProperty(False)


class Choice(Focusable, Layout):
    """One of several, side by side where they fit, else below each other."""

    options = ListProperty()
    value = ObjectProperty(allownone=True)
    minimum_height = NumericProperty()

    def __init__(self, **kwargs: Any) -> None:
        self.register_event_type("on_chosen")
        super().__init__(**kwargs)
        for name in ("pos", "size", "children"):
            self.fbind(name, self._trigger_layout)
        self._fill()

    def on_options(self, *_args: Any) -> None:
        """Show other options."""
        self._fill()

    def on_value(self, *_args: Any) -> None:
        """Show what is chosen."""
        for segment in self.children:
            segment.chosen = segment.value == self.value

    def on_chosen(self, value: object) -> None:
        """Sent when a person chose."""

    def choose(self, value: object) -> None:
        """Choose as a person does."""
        if value != self.value:
            self.value = value
            self.dispatch("on_chosen", value)

    def keyed(self, key: str) -> bool:
        """Move by the arrows."""
        step = {"left": -1, "up": -1, "right": 1, "down": 1}.get(key)
        if step is None or not self.options:
            return False
        values = [value for value, _text in self.options]
        at = values.index(self.value) if self.value in values else -step
        self.choose(values[max(0, min(at + step, len(values) - 1))])
        return True

    def do_layout(self, *_args: Any) -> None:
        """Put the segments side by side where all fit."""
        segments = self.children[::-1]
        if not segments:
            self.minimum_height = 0
            return
        needed = max(text_width(s.text, s.font_size, s.bold) for s in segments) + dp(24)
        columns = max(1, min(len(segments), int(self.width // needed)))
        # Rows are as even as can be: four and one look like a mistake.
        rows = math.ceil(len(segments) / columns)
        columns = math.ceil(len(segments) / rows)
        height = max(segment.wanted_height for segment in segments)
        for i, segment in enumerate(segments):
            row, column = divmod(i, columns)
            # The last row fills the width, too: a hole looks like one that is missing.
            width = self.width / min(columns, len(segments) - row * columns)
            segment.size = width, height
            segment.pos = self.x + column * width, self.top - (row + 1) * height
        self.minimum_height = rows * height

    def _fill(self) -> None:
        self.clear_widgets()
        for value, text in self.options:
            segment = Segment(text=text, value=value, chosen=value == self.value)
            segment.bind(on_release=lambda pressed: self.choose(pressed.value))
            segment.fbind("wanted_height", self._trigger_layout)
            self.add_widget(segment)


class Toggle(Pressable, BoxLayout):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A switch; all of the row is pressed."""

    text = StringProperty()
    note = StringProperty()
    active = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        self.register_event_type("on_toggled")
        super().__init__(**kwargs)

    def on_release(self) -> None:
        """Turn it over."""
        self.active = not self.active
        self.dispatch("on_toggled", self.active)

    def on_toggled(self, active: bool) -> None:
        """Sent when a person turned it over."""


class Slides(Widget):
    """A widget that says when its number is moved."""

    def __init__(self, **kwargs: Any) -> None:
        self.register_event_type("on_slid")
        self.register_event_type("on_chosen")
        super().__init__(**kwargs)

    def on_slid(self, value: float) -> None:
        """Sent while a person moves it."""

    def on_chosen(self, value: float) -> None:
        """Sent once a person let go of it."""


class Track(Slides, Focusable, Slider):  # pyright: ignore[reportIncompatibleMethodOverride]
    """The line of a `SliderRow`."""

    def on_touch_down(self, touch: Any) -> Any:
        """Take hold of it."""
        return self._slid(super().on_touch_down, touch)

    def on_touch_move(self, touch: Any) -> Any:
        """Move it."""
        return self._slid(super().on_touch_move, touch)

    def on_touch_up(self, touch: Any) -> Any:
        """Let go of it."""
        held = touch.grab_current is self
        taken = bool(super().on_touch_up(touch))
        if held:
            self.dispatch("on_chosen", self.value)
        return taken

    def _slid(self, handle: Callable[[Any], object], touch: Any) -> bool:
        """Let the slider handle a touch, and say so where that moved it."""
        before = self.value
        taken = bool(handle(touch))
        if self.value != before:
            self.dispatch("on_slid", self.value)
        return taken

    def keyed(self, key: str) -> bool:
        """Move a step by the arrows, all the way by Home and End."""
        step = self.step or (self.max - self.min) / 20
        there = {
            "left": self.value - step,
            "down": self.value - step,
            "right": self.value + step,
            "up": self.value + step,
            "home": self.min,
            "end": self.max,
        }.get(key)
        if there is None or self.disabled:
            return False
        self.value = max(self.min, min(self.max, round(there, 6)))
        self.dispatch("on_slid", self.value)
        self.dispatch("on_chosen", self.value)
        return True


class SliderRow(Slides, BoxLayout):
    """A number with its name, its value in words, and a line to slide on."""

    text = StringProperty()
    shown = StringProperty()
    value = NumericProperty()
    min = NumericProperty()
    max = NumericProperty(1)
    step = NumericProperty()


class Stat(BoxLayout):
    """A number, what it is and where it comes from."""

    caption = StringProperty()
    value = StringProperty()
    unit = StringProperty()
    kind = StringProperty()
    missing = StringProperty()


class Banner(Card):
    """Something to know, and what can be done about it."""

    tone = OptionProperty("danger", options=("danger", "warning", "calm"))
    title = StringProperty()
    text = StringProperty()
    detail = StringProperty()
    actions = ListProperty()
    colour = ColorProperty()

    def on_kv_post(self, base_widget: Widget) -> None:
        """Make the buttons."""
        self.bind(actions=self._fill)
        self._fill()

    def _fill(self, *_args: Any) -> None:
        self.ids.buttons.clear_widgets()
        for i, (text, called) in enumerate(self.actions):
            press = Press(text=text, primary=i == 0 and len(self.actions) > 1)
            press.bind(on_release=_without_arguments(called))
            self.ids.buttons.add_widget(press)


class Page(ScrollView):
    """A screen's content, scrolled where it is higher than the screen."""

    def add_widget(self, widget: Widget, *args: Any, **kwargs: Any) -> None:
        """Put a widget into the content."""
        if "content" in self.ids:
            self.ids.content.add_widget(widget, *args, **kwargs)
        else:
            super().add_widget(widget, *args, **kwargs)


def load_widgets() -> None:
    """Load the rules that belong to these classes, once."""
    path = str(Path(__file__).with_suffix(".kv"))
    if path not in Builder.files:
        Builder.load_file(path)


def _without_arguments(called: Callable[[], object]) -> Callable[[Widget], None]:
    def call(_widget: Widget) -> None:
        called()

    return call
