"""The History screen: what was heard, day by day; exported, cleared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.text import Label as CoreLabel
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.recycleview import RecycleView
from kivy.uix.widget import Widget

from kilohear.errors import KilohearError
from kilohear_ui.history import Day, Entry, History
from kilohear_ui.problems import problem_of
from kilohear_ui.screens import AppScreen, load_rules
from kilohear_ui.texts import Texts
from kilohear_ui.widgets import Banner, Choice, Focusable, text_width

load_rules(__file__)

_LOOKS_S = 1.0
"""So often it is looked whether the log has grown."""

_SCROLLS = {"up": 0.2, "down": -0.2, "pageup": 0.8, "pagedown": -0.8, "home": 1e6, "end": -1e6}
"""How far a key scrolls, in heights of the list."""

_MIMES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


def text_height(text: str, font_size: float, width: float, bold: bool = False) -> float:
    """Return how high a text is that wraps at a width, pixels."""
    label = CoreLabel(text=text, font_size=font_size, bold=bold, text_size=(width, None))
    label.resolve_font_name()
    return label.render()[1]


def in_words(entry: Entry, texts: Texts) -> tuple[str, str]:
    """Return what an entry is, and when it was with what else is known."""
    time = f"{entry.at:%H:%M:%S}"
    if entry.kind == "gap":
        lasted = _lasted(entry.lost_s or 0.0, texts)
        note = texts(f"history.gap.{entry.cause}", time=time)
        return texts("history.gap", lasted=lasted), note
    if entry.kind == "fault":
        return texts(f"history.fault.{entry.cause}"), time
    percent = round(100 * (entry.probability or 0.0))
    if entry.lasted_s is None:
        note = texts("history.sound.open", time=time, percent=percent)
    else:
        lasted = _lasted(entry.lasted_s, texts)
        note = texts("history.sound", time=time, lasted=lasted, percent=percent)
    return texts.label(entry.label), note


def _lasted(seconds: float, texts: Texts) -> str:
    if seconds < 90:
        return texts("history.seconds", n=texts.number(seconds, 1))
    return texts("history.minutes", n=texts.number(seconds / 60, 1))


class OneLine(Label):
    """Text on one line: drawn smaller where it would be wider than the widget."""

    largest = NumericProperty(10)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("text", "width", "largest", "bold"):
            self.fbind(name, self._fit)
        self._fit()

    def _fit(self, *_args: Any) -> None:
        wide = text_width(self.text, self.largest, self.bold)
        self.font_size = self.largest * min(1.0, max(1.0, self.width) / max(1.0, wide))


class DayRow(BoxLayout):
    """A day's name and what was heard on it."""

    title = StringProperty()
    note = StringProperty()


class EntryRow(BoxLayout):
    """One entry: what and when; in words only while it is in view."""

    entry = ObjectProperty(allownone=True)
    title = StringProperty()
    note = StringProperty()
    colour = ColorProperty()

    def on_entry(self, *_args: Any) -> None:
        """Show another entry."""
        app: Any = App.get_running_app()
        self.title, self.note = in_words(self.entry, app.texts)
        colours = {"sound": "accent", "gap": "warning", "fault": "danger"}
        self.colour = getattr(app.theme, colours[self.entry.kind])


class EntryList(Focusable, RecycleView):
    """The days and their entries; only those in view are widgets."""

    def keyed(self, key: str) -> bool:
        """Scroll."""
        hidden = self.children[0].height - self.height if self.children else 0
        if key not in _SCROLLS or hidden <= 0:
            return False
        self.scroll_y = max(0.0, min(1.0, self.scroll_y + _SCROLLS[key] * self.height / hidden))
        return True


class HistoryScreen(AppScreen):
    """See the .kv file beside this one."""

    summary = StringProperty()
    note = StringProperty()
    wide = BooleanProperty(False)
    is_empty = BooleanProperty(True)
    asks = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._history = History(self.app.folder / "events.jsonl")
        self._label: str | None = None
        self._reader: threading.Thread | None = None
        self._read: list[bool | KilohearError] = []
        self._look_at: datetime | None = None
        self.summary = self.app.texts("history.reading")
        scroll = Clock.create_trigger(self.scroll_to_panel)
        for widget in (self.ids.panel, self.ids.head, self.ids.head.ids.content):
            widget.fbind("height", scroll)

    def entered(self) -> None:
        """Read the log, or what is new in it."""
        self._close_panel()
        self._begin_to_read()

    def refresh(self) -> None:
        """Show what was read; look from time to time whether there is more."""
        if self._read:
            outcome = self._read.pop()
            self._join()
            if isinstance(outcome, KilohearError):
                self.app.show(problem_of(outcome), self._begin_to_read)
            elif outcome or self.summary == self.app.texts("history.reading"):
                self._show()
        elif self._reader is None and self._now() >= (self._look_at or self._now()):
            self._begin_to_read()

    def left(self) -> None:
        """Leave no thread behind."""
        self._join()

    def turned(self) -> None:
        """Give the days' names the height that they need at another width."""
        if not self.is_empty:
            self._show()

    def choose_filter(self) -> None:
        """Offer the labels that were heard."""
        texts, counts = self.app.texts, self._history.counts(self.app.settings.hidden)
        options: list[tuple[str | None, str]] = [(None, texts("history.everything"))]
        for label, count in counts.items():
            shown = texts("history.option", label=texts.label(label), n=texts.number(count))
            options.append((label, shown))
        choice = Choice()
        choice.options, choice.value = options, self._label
        choice.bind(on_chosen=lambda _choice, label: self._filter(label))
        self._open_panel(choice)

    def offer_export(self) -> None:
        """Ask which kind of file it shall be."""
        texts = self.app.texts
        self._ask(
            "history.export.title",
            texts("history.export.note"),
            [
                (texts("history.csv"), lambda: self._export("csv")),
                (texts("history.jsonl"), lambda: self._export("jsonl")),
                (texts("history.cancel"), self._close_panel),
            ],
        )

    def offer_clearing(self) -> None:
        """Ask whether it is meant."""
        texts, count = self.app.texts, len(self._history.entries)
        self._ask(
            "history.clear.title",
            texts("history.clear.note", n=texts.number(count)),
            [
                (texts("history.clear.yes"), self._clear),
                (texts("history.cancel"), self._close_panel),
            ],
            tone="danger",
        )

    def _now(self) -> datetime:
        return datetime.now().astimezone()

    def _begin_to_read(self) -> None:
        if self._reader is not None:
            return
        self._look_at = self._now() + timedelta(seconds=_LOOKS_S)

        def read() -> None:
            try:
                self._read.append(self._history.update())
            except KilohearError as error:
                self._read.append(error)

        self._reader = threading.Thread(target=read, name="history")
        self._reader.start()

    def _join(self) -> None:
        if self._reader is not None:
            self._reader.join()
            self._reader = None

    def _filter(self, label: str | None) -> None:
        self._label = label
        self._close_panel()
        self._show()

    def _export(self, suffix: str) -> None:
        self._join()
        file = self._history.exports / f"kilohear-{self._now():%Y-%m-%d-%H%M}.{suffix}"
        try:
            lies_at = self.app.platform.share(self._history.export(file), _MIMES[suffix])
        except (KilohearError, OSError) as error:
            self._close_panel()
            self.app.show(problem_of(error))
            return
        texts = self.app.texts
        where = "" if lies_at is None else texts("history.exported.at", path=lies_at)
        self._ask("history.exported", where, [(texts("common.dismiss"), self._close_panel)])

    def _clear(self) -> None:
        self._join()
        self._label = None
        self._close_panel()
        try:
            self._history.clear()
        except KilohearError as error:
            self.app.show(problem_of(error), self._clear)
        self._show()

    def _ask(
        self,
        title: str,
        text: str,
        actions: list[tuple[str, Callable[[], object]]],
        tone: str = "calm",
    ) -> None:
        title = self.app.texts(title)
        self._open_panel(Banner(tone=tone, title=title, text=text, actions=actions))

    def _open_panel(self, panel: Widget) -> None:
        self._close_panel()
        self.ids.panel.add_widget(panel)
        self.asks = True

    def scroll_to_panel(self, *_args: Any) -> None:
        """Bring what is asked into view; it gets its place and height over several frames."""
        if not self.asks:
            return
        head, panel = self.ids.head, self.ids.panel
        content = head.ids.content
        hidden = content.height - head.height
        if hidden > 0:
            head.scroll_y = max(0.0, 1 - (content.top - panel.top) / hidden)

    def _close_panel(self) -> None:
        self.ids.panel.clear_widgets()
        self.asks = False
        self.ids.head.scroll_y = 1

    def _show(self) -> None:
        texts, history, hidden = self.app.texts, self._history, self.app.settings.hidden
        days = history.days(hidden, self._label)
        entries = [entry for day in days for entry in day.entries]
        kinds = [entry.kind for entry in entries]
        self.is_empty = not history.entries
        self.summary = (
            texts("history.empty")
            if self.is_empty
            else texts(
                "history.summary",
                count=texts.number(kinds.count("sound")),
                gaps=texts.number(kinds.count("gap")),
                faults=texts.number(kinds.count("fault")),
            )
        )
        self.note = self._note(not entries)
        what = "history.everything" if self._label is None else ""
        shown = texts(what) if what else texts.label(self._label or "")
        self.ids.filter.text = texts("history.filter", what=shown)
        today = self._now().date()
        self.ids.entries.data = [row for day in days for row in self._rows(day, today)]

    def _note(self, nothing: bool) -> str:
        texts = self.app.texts
        if self.is_empty:
            return texts("history.empty.note")
        if nothing and self._label is not None:
            return texts("history.nothing_of", label=texts.label(self._label))
        broken = self._history.broken
        return texts("history.broken", n=texts.number(broken)) if broken else ""

    def _rows(self, day: Day, today: date) -> list[dict[str, Any]]:
        theme, texts = self.app.theme, self.app.texts
        counts = (
            texts("history.counted", label=texts.label(label), n=texts.number(count))
            for label, count in day.counts.items()
        )
        title, note = self._day(day.date, today), " · ".join(counts)
        width = self.ids.entries.width - 2 * theme.margin
        high = text_height(title, theme.heading, width, bold=True)
        if note:
            high += text_height(note, theme.small, width)
        heading = {
            "viewclass": "DayRow",
            "row_size": (100, high + 3 * theme.gap),
            "title": title,
            "note": note,
        }
        usual = {
            "viewclass": "EntryRow",
            "row_size": (100, 1.4 * (theme.body + theme.small) + 2 * theme.gap),
        }
        return [heading, *({**usual, "entry": entry} for entry in day.entries)]

    def _day(self, day: date, today: date) -> str:
        texts = self.app.texts
        near = {today: "history.today", today - timedelta(days=1): "history.yesterday"}.get(day)
        if near is not None:
            return texts(near)
        return texts(
            "history.date",
            weekday=texts(f"history.weekday.{day.weekday()}"),
            day=day.day,
            month=texts(f"history.month.{day.month}"),
            year=day.year,
        )
