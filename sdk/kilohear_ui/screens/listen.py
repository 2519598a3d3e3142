"""The Listen screen: what is heard now and was heard lately, by which model, and what it costs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, InstructionGroup, Mesh, Rectangle, RoundedRectangle
from kivy.graphics.texture import Texture
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.widget import Widget

from kilohear.bundle import Card, read_card, shipped
from kilohear.errors import KilohearError
from kilohear_ui.screens import AppScreen, load_rules
from kilohear_ui.session import HORIZON_S, Current, Span
from kilohear_ui.texts import Texts
from kilohear_ui.theme import Theme
from kilohear_ui.widgets import Banner, Whole

load_rules(__file__)

QUIETEST_DB = -80.0
"""Left end of the level meter."""

FEWEST_LANES, MOST_LANES = 3, 6
"""Of the time line; it keeps room for the fewest, so that the screen doesn't jump."""

_NOTHING = "\u2013"
_FALL_DB_PER_S = 30.0
_PEAK_S = 1.5
_SLOWLY_S = 0.5


class Fitted(Whole):
    """Text that is drawn as large as its widget has room for, at most `largest`."""

    largest = NumericProperty(10)
    smallest = NumericProperty(8)

    def texture_update(self, *args: Any) -> None:
        """Draw the text, smaller until it fits."""
        label: Any = self._label
        size = self.largest
        if self.text and self.width > 1:
            while size > self.smallest:
                label.options["font_size"] = size
                label.resolve_font_name()
                widest = max(label.get_extents(word)[0] for word in self.text.split() or [""])
                label.text = self.text
                high = label.render()[1]
                if widest < self.width and high <= self.height:
                    break
                size *= 0.92
        self.font_size = size
        super().texture_update(*args)


class Ring(FloatLayout):
    """The sound that is heard now, in a ring of how sure that is."""

    name = StringProperty()
    detail = StringProperty()
    share = NumericProperty()
    glow = NumericProperty()
    strong = BooleanProperty(False)
    side = NumericProperty()
    colour = ColorProperty()
    thickness = NumericProperty(dp(10))


class LevelMeter(Widget):
    """The level of what the model hears: falls slowly, and remembers the last peak."""

    level_db = NumericProperty(QUIETEST_DB)
    peak_db = NumericProperty(QUIETEST_DB)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._peak_at_s = 0.0

    def show(self, level_db: float | None, passed_s: float, now_s: float) -> None:
        """Move towards a level; None: there is none."""
        wanted = max(QUIETEST_DB, min(0.0, QUIETEST_DB if level_db is None else level_db))
        falling = max(wanted, self.level_db - _FALL_DB_PER_S * passed_s)
        self.level_db = falling if wanted < self.level_db else (wanted + self.level_db) / 2
        if wanted >= self.peak_db or now_s - self._peak_at_s > _PEAK_S:
            if wanted >= self.peak_db:
                self._peak_at_s = now_s
            self.peak_db = max(wanted, self.peak_db - _FALL_DB_PER_S * passed_s)

    def share(self, level_db: float) -> float:
        """Return where on the scale a level lies, 0 to 1."""
        return 1 - level_db / QUIETEST_DB


class TimeLine(Widget):
    """The last minutes: a row of bars a label, gaps hatched over all, the level at the bottom."""

    theme = ObjectProperty()
    texts = ObjectProperty()
    lanes = ListProperty()
    high = NumericProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._drawing = InstructionGroup()
        self._canvas: Any = self.canvas
        self._canvas.add(self._drawing)
        self._hatch = _hatch()
        self._written: dict[tuple[str, float, bool], Any] = {}
        self._shown: tuple[list[Span], list[tuple[int, float]], float] = ([], [], 0.0)
        self._colours: dict[str, int] = {}
        for name in ("pos", "size"):
            self.fbind(name, self._draw)

    def show(self, spans: list[Span], levels: list[tuple[int, float]], now_s: float) -> None:
        """Draw spans and levels as seen from `now_s`."""
        self._shown = spans, levels, now_s
        self.lanes = _newest_labels(spans)
        rows = max(FEWEST_LANES, len(self.lanes))
        theme: Theme = self.theme
        self.high = rows * self._row + dp(56) + theme.small * 1.5
        self._draw()

    @property
    def _row(self) -> float:
        return self.theme.small * 1.3 + dp(20)

    # Not right and top: while the size changes, Kivy still has the old ones in its cache.
    @property
    def _right(self) -> float:
        return self.x + self.width

    @property
    def _top(self) -> float:
        return self.y + self.height

    def _draw(self, *_args: Any) -> None:
        if self.theme is None:
            return
        spans, levels, now_s = self._shown
        theme: Theme = self.theme
        self._drawing.clear()
        self._written = {key: self._written[key] for key in list(self._written)[-60:]}
        axis = theme.small * 1.5
        bottom = self.y + axis
        self._draw_levels(theme, levels, now_s, bottom)
        for row, label in enumerate(self.lanes):
            self._draw_bars(theme, label, self._top - row * self._row, spans, now_s)
        for span in spans:
            if not span.label:
                self._draw_gap(theme, span, now_s, bottom)
        for row, label in enumerate(self.lanes):
            self._write_lane(theme, label, self._top - row * self._row, spans)
        self._draw_axis(theme, bottom)
        if not self.lanes:
            self._write(
                self.texts("listen.nothing_yet"), theme.small, theme.muted, self.x, self._top, "top"
            )

    def _draw_gap(self, theme: Theme, span: Span, now_s: float, bottom: float) -> None:
        left, right = self._from_to(span, now_s)
        width, high = max(dp(4), right - left), self._top - bottom
        across, up = width / dp(8), high / dp(8)
        self._paint((*theme.warning[:3], 0.7))
        self._drawing.add(
            Rectangle(
                pos=(min(left, self._right - width), bottom),
                size=(width, high),
                texture=self._hatch,
                tex_coords=(0, 0, across, 0, across, up, 0, up),
            )
        )

    def _draw_axis(self, theme: Theme, bottom: float) -> None:
        minutes = int(HORIZON_S / 60)
        for minute in range(minutes + 1):
            x = self._right - minute * 60 / HORIZON_S * self.width
            self._paint(theme.line)
            self._drawing.add(Rectangle(pos=(x - (minute == 0), bottom), size=(1, dp(40))))
        self._write(self.texts("listen.ago", n=minutes), theme.small, theme.muted, self.x, self.y)
        self._write(
            self.texts("listen.now"), theme.small, theme.muted, self._right, self.y, "bottom", True
        )

    def _draw_levels(
        self, theme: Theme, levels: list[tuple[int, float]], now_s: float, bottom: float
    ) -> None:
        """Draw a bar a second, all by one instruction: 300 of them take longer than all else."""
        width = self.width / HORIZON_S
        across = max(1, width * 0.75)
        corners: list[float] = []
        for second, level_db in levels:
            share = max(0.0, min(1.0, 1 - level_db / QUIETEST_DB))
            x = self._right - (now_s - second) * width
            if share > 0 and x >= self.x:
                high = dp(2) + share * dp(38)
                right, top = x + across, bottom + high
                corners += (x, bottom, 0, 0, right, bottom, 0, 0, right, top, 0, 0, x, top, 0, 0)
        bars = range(0, len(corners) // 4, 4)
        indices = [first + corner for first in bars for corner in (0, 1, 2, 2, 3, 0)]
        self._paint((*theme.muted[:3], 0.5))
        self._drawing.add(Mesh(vertices=corners, indices=indices, mode="triangles"))

    def _write_lane(self, theme: Theme, label: str, top: float, spans: list[Span]) -> None:
        newest = next(span for span in reversed(spans) if span.label == label)
        share = self.texts("listen.percent", n=round(100 * newest.probability))
        room = self._write(share, theme.small, theme.muted, self._right, top, "top", True)
        self._write(
            self.texts.label(label), theme.small, theme.text, self.x, top, "top", room=room + dp(8)
        )

    def _draw_bars(
        self, theme: Theme, label: str, top: float, spans: list[Span], now_s: float
    ) -> None:
        colour = theme.sounds[self._colours.setdefault(label, len(self._colours)) % 8]
        high, bottom = dp(10), top - theme.small * 1.3 - dp(12)
        self._paint(theme.raised)
        self._drawing.add(
            RoundedRectangle(pos=(self.x, bottom), size=(self.width, high), radius=[high / 2])
        )
        for span in spans:
            if span.label != label:
                continue
            left, right = self._from_to(span, now_s)
            width = max(high, right - left)
            left = max(self.x, min(left, self._right - width))
            self._paint((*colour[:3], 0.35 + 0.65 * span.probability))
            self._drawing.add(
                RoundedRectangle(pos=(left, bottom), size=(width, high), radius=[high / 2])
            )

    def _from_to(self, span: Span, now_s: float) -> tuple[float, float]:
        ends_s = now_s if span.end_s is None else span.end_s
        left, right = (
            self._right - min(1.0, max(0.0, (now_s - at_s) / HORIZON_S)) * self.width
            for at_s in (span.start_s, ends_s)
        )
        return left, right

    def _paint(self, colour: tuple[float, ...]) -> None:
        self._drawing.add(Color(*colour))

    def _write(
        self,
        text: str,
        font_size: float,
        colour: tuple[float, ...],
        x: float,
        y: float,
        edge: str = "bottom",
        right: bool = False,
        room: float = 0,
    ) -> float:
        """Write on one line, smaller where it is too wide; return how wide it is."""
        key = text, font_size, right
        if key not in self._written:
            label = CoreLabel(text=text, font_size=font_size)
            label.refresh()
            self._written[key] = label.texture
        texture = self._written[key]
        shrunk = min(1.0, max(1.0, self.width - room) / max(1, texture.width))
        width, high = texture.width * shrunk, texture.height * shrunk
        self._paint(colour)
        self._drawing.add(
            Rectangle(
                pos=(x - width if right else x, y - high if edge == "top" else y),
                size=(width, high),
                texture=texture,
            )
        )
        return width


class ListenScreen(AppScreen):
    """See the .kv file beside this one."""

    def __init__(self, **kwargs: Any) -> None:
        self._cards = _cards(self.app.settings.bundle)
        self._seen_s = self._slow_s = time.monotonic()
        super().__init__(**kwargs)
        self._news = Banner(tone="warning")
        self._show_model()
        self._show_cost()
        self._show_time_line(self._seen_s)

    def entered(self) -> None:
        """Look at the battery while this is seen."""
        self.app.battery.start(self.app.platform.battery)
        self._show_model()

    def left(self) -> None:
        """Leave the battery alone."""
        self.app.battery.stop()

    def toggle(self) -> None:
        """Start or stop."""
        if self.app.ears.is_listening:
            self.app.stop_listening()
        else:
            self.app.listen()

    def choose_rate(self, rate_hz: int) -> None:
        """Listen with the first bundle of a rate."""
        names = [name for name, card in self._cards.items() if card.rate_hz == rate_hz]
        self.choose_bundle(names[0])

    def choose_bundle(self, name: str) -> None:
        """Listen with a bundle."""
        self.app.change(bundle=name)
        self._show_model()

    def refresh(self) -> None:
        """Show what is new."""
        now_s = time.monotonic()
        session, listens = self.app.session, self.app.ears.is_listening
        button = self.ids.button
        button.text = self.app.texts("listen.stop" if listens else "listen.start")
        button.icon = "stop" if listens else "start"
        button.primary = not listens
        meter = self.ids.meter
        level_db = None if session.fault or self.app.ears.is_paused else session.level_db
        meter.show(level_db, now_s - self._seen_s, now_s)
        self.ids.ring.glow = round(meter.share(meter.level_db), 2) if listens else 0
        self._show_current(session.current(self.app.settings.hidden))
        self._seen_s = now_s
        if now_s - self._slow_s >= _SLOWLY_S:
            self._slow_s = now_s
            self._show_level(level_db)
            self._show_rates()
            self._show_cost()
            self._show_news(now_s)
            self._show_time_line(now_s)

    def _show_current(self, current: Current | None) -> None:
        ring, texts, session = self.ids.ring, self.app.texts, self.app.session
        ring.strong = current is not None and current.is_event
        ring.share = round(current.probability, 2) if current else 0
        percent = texts("listen.percent", n=round(100 * current.probability)) if current else ""
        if not self.app.ears.is_listening:
            ring.name, ring.detail, ring.share = texts("listen.off"), "", 0
        elif self.app.ears.is_paused:
            ring.name, ring.detail, ring.share = texts("listen.rests"), "", 0
            ring.strong = False
        elif session.fault is not None:
            ring.name, ring.detail, ring.share = texts("listen.no_sound"), "", 0
            ring.strong = False
        elif current is None:
            ring.name, ring.detail = texts("listen.waiting"), ""
        elif current.is_event:
            ring.name, ring.detail = texts.label(current.label), percent
        else:
            guess = texts("listen.guess", label=texts.label(current.label), percent=percent)
            ring.name, ring.detail = texts("listen.unsure"), guess

    def _show_level(self, level_db: float | None) -> None:
        texts = self.app.texts
        self.ids.level.text = (
            _NOTHING if level_db is None else texts("listen.db", n=texts.number(level_db))
        )

    def _show_time_line(self, now_s: float) -> None:
        session = self.app.session
        line = self.ids.time_line
        line.theme, line.texts = self.app.theme, self.app.texts
        line.show(session.spans(self.app.settings.hidden), session.levels(), now_s)

    def _show_news(self, now_s: float) -> None:
        """Tell of a gap for a while; a fault stands above all screens."""
        texts, gap = self.app.texts, self.app.session.gap_to_tell(now_s)
        if gap is not None:
            self._news.title = texts("listen.gap", seconds=texts.number(gap.lost_s, 1))
            self._news.text = texts(f"listen.gap.{gap.cause}")
        self._place(self._news, gap is not None)

    def _place(self, banner: Widget, wanted: bool) -> None:
        content = self.ids.page.ids.content
        if wanted and banner.parent is None:
            content.add_widget(banner, index=len(content.children))
        elif not wanted and banner.parent is not None:
            content.remove_widget(banner)

    def _show_model(self) -> None:
        texts, chosen = self.app.texts, self.app.settings.bundle
        card = self._cards.get(chosen)
        rates = sorted({each.rate_hz for each in self._cards.values()})
        rate = self.ids.rate
        rate.options = [(hz, texts("listen.khz", n=f"{hz / 1000:g}")) for hz in rates]
        rate.value = card.rate_hz if card else None
        same = [name for name, each in self._cards.items() if card and each.rate_hz == rate.value]
        self.ids.bundle.options = [(name, name) for name in same or self._cards]
        self.ids.bundle.value = chosen
        self.ids.score.text = _score(texts, card) if card else texts("listen.no_card", name=chosen)
        self._show_rates()

    def _show_rates(self) -> None:
        texts, started = self.app.texts, self.app.session.started
        card = self._cards.get(self.app.settings.bundle)
        rates = {
            "requested": started and started.requested_hz,
            "granted": started and started.granted_hz,
            "effective": started.effective_hz if started else card and card.rate_hz,
        }
        for name, hz in rates.items():
            self.ids[name].value = texts.number(hz) if hz else ""
        if started is not None:
            self.ids.loop.text = texts(
                "listen.loop",
                runtime=started.runtime,
                window=f"{started.window_s:g}",
                hop=f"{started.hop_s:g}",
                source=started.source,
            )
        elif card is not None:
            self.ids.loop.text = texts(
                "listen.windows", window=f"{card.window_s:g}", hop=f"{card.hop_s:g}"
            )

    def _show_cost(self) -> None:
        texts, session, ids = self.app.texts, self.app.session, self.ids
        cost, reading = session.cost, self.app.battery.reading
        untold = texts("listen.untold") if session.started is not None else _NOTHING
        values: dict[str, tuple[float | None, int]] = {
            "cpu": (cost and cost.cpu_share and 100 * cost.cpu_share, 1),
            "latency": (session.latency_ms, 1),
            "memory": (cost and cost.memory_bytes and cost.memory_bytes / 1e6, 0),
            "heard": (cost and cost.windows, 0),
            "skipped": (100 * cost.skipped / cost.windows if cost and cost.windows else None, 0),
            "lost": (session.lost_s if session.started else None, 1),
        }
        for name, (value, digits) in values.items():
            ids[name].value = "" if value is None else texts.number(value, digits)
            ids[name].missing = untold if name in ("cpu", "memory") and cost else _NOTHING
        told = {
            "current": (reading and reading.current_ma, 0),
            "celsius": (reading and reading.celsius, 1),
        }
        for name, (value, digits) in told.items():
            ids[name].value = "" if value is None else texts.number(value, digits)
            ids[name].missing = texts("listen.untold")


def _cards(chosen: str) -> dict[str, Card]:
    """Return the cards of all bundles that ship, and of the chosen one, slowest rate first."""
    folders = shipped()
    if chosen not in folders and Path(chosen).is_dir():
        folders[chosen] = Path(chosen)
    cards: dict[str, Card] = {}
    for name, folder in folders.items():
        with contextlib.suppress(KilohearError):  # isn't offered; the ears say why if it is chosen
            cards[name] = read_card(folder)
    return dict(sorted(cards.items(), key=lambda item: item[1].rate_hz))


def _score(texts: Texts, card: Card) -> str:
    if not card.scores:
        return texts("listen.no_score")
    score = card.scores[0]
    return texts(
        f"listen.score.{score.metric}",
        percent=texts.number(100 * score.value, 1),
        std=texts.number(100 * score.std, 1),
        dataset=score.dataset,
        kind=texts(f"common.kind.{score.kind}"),
        folds=len(score.folds),
    )


def _newest_labels(spans: list[Span]) -> list[str]:
    """Return the labels that were heard last, in an order that changes seldom: the alphabet's."""
    newest: list[str] = []
    for span in reversed(spans):
        if span.label and span.label not in newest:
            newest.append(span.label)
    return sorted(newest[:MOST_LANES])


def _hatch() -> Texture:
    """Return diagonal stripes to tile."""
    side = 16
    texture = Texture.create(size=(side, side), colorfmt="rgba")
    pixels = bytearray()
    for y in range(side):
        for x in range(side):
            pixels += bytes((255, 255, 255, 255 if (x + y) % side < 6 else 40))
    texture.blit_buffer(bytes(pixels), colorfmt="rgba", bufferfmt="ubyte")
    texture.wrap = "repeat"
    return texture
