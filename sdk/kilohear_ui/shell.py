"""The shell around the screens: where to go, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.graphics import Color, Rectangle
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import NoTransition, ScreenManager
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from kilohear.events import Fault
from kilohear_ui.focus import FocusRing, key_name
from kilohear_ui.problems import Problem, problem_of
from kilohear_ui.screens import NAMES, AppScreen, load_rules, make_screens
from kilohear_ui.widgets import Banner, Page, Pressable, text_width

if TYPE_CHECKING:
    from kilohear_ui.app import KilohearApp

WIDE = dp(720)
"""From this width on the navigation is a rail at the left."""

_LEAST_LABEL = 0.85
"""To what share of their size the bar's words are shrunk, rather than left away."""

_SCROLLS = {"up": 0.2, "down": -0.2, "pageup": 0.8, "pagedown": -0.8, "home": 1e6, "end": -1e6}
"""How far a key scrolls, in heights of the page."""


class Place(Pressable, BoxLayout):  # pyright: ignore[reportIncompatibleMethodOverride]
    """One of the five in the navigation."""

    name = StringProperty()
    text = StringProperty()
    selected = BooleanProperty(False)
    labelled = BooleanProperty(True)


class Places(BoxLayout):
    """The navigation: a bar at the bottom or a rail at the left."""

    wide = BooleanProperty(False)
    labelled = BooleanProperty(True)
    label_size = NumericProperty(12)

    def __init__(self, go: Callable[[str], None], texts: Callable[[str], str]) -> None:
        super().__init__()
        self._places: list[Place] = []
        for name in NAMES:
            place = Place(name=name, text=texts(f"common.{name}"))
            place.bind(on_release=lambda pressed: go(pressed.name))
            self.add_widget(place)
            self._places.append(place)
        self._rest = Widget()
        for name in ("size", "wide"):
            self.fbind(name, self._fit)
        self._fit()

    def select(self, name: str) -> None:
        """Mark a screen as the one that is shown."""
        for place in self._places:
            place.selected = place.name == name

    def _fit(self, *_args: Any) -> None:
        """Leave the words away where they don't fit: the header says them, too."""
        theme = App.get_running_app().theme  # pyright: ignore[reportOptionalMemberAccess]
        widest = max(text_width(place.text, theme.label, True) for place in self._places) + dp(4)
        high = theme.icon + theme.label * 1.4 + dp(24)
        if self.wide != (self._rest.parent is not None):
            (self.add_widget if self.wide else self.remove_widget)(self._rest)
        if self.wide:
            self.label_size = theme.label
            self.labelled = widest <= dp(190) and len(NAMES) * high <= self.height
            self.width = max(dp(80), widest + dp(16)) if self.labelled else dp(80)
        else:
            shrunk = min(1.0, self.width / len(NAMES) / widest)
            self.label_size = theme.label * shrunk
            self.labelled = shrunk >= _LEAST_LABEL
            self.height = max(theme.touch, high if self.labelled else theme.icon + dp(28))


class Header(BoxLayout):
    """A screen's name, and whether somebody listens."""

    title = StringProperty()
    status = StringProperty()
    listens = BooleanProperty(False)
    is_deaf = BooleanProperty(False)


class Screens(ScreenManager):
    """The screens, one shown at a time.

    The rule drops Kivy's stencil: it keeps what slides in within bounds, and here nothing slides.
    """


class Shell(BoxLayout):
    """Navigation, the current screen, and problems above it."""

    wide = BooleanProperty(False)
    places = ObjectProperty()

    def __init__(self) -> None:
        load_rules(__file__)
        super().__init__()
        self.problem: Problem | None = None
        self._fault: Fault | None = None
        self._retry: Callable[[], object] | None = None
        self.focus_ring = FocusRing(lambda: self)
        self.rebuild()
        self.bind(size=self._turn)
        Window.bind(on_key_down=self._keyed)

    @property
    def app(self) -> KilohearApp:
        """The running app."""
        return App.get_running_app()  # pyright: ignore[reportReturnType]

    @property
    def current(self) -> AppScreen:
        """The screen that is shown."""
        return self._manager.current_screen  # pyright: ignore[reportReturnType]

    def draw(self, path: Path) -> None:
        """Draw all that is shown into a PNG, on the background that the window gives it else."""
        with self.canvas.before:  # pyright: ignore[reportOptionalMemberAccess]
            ground = Color(*self.app.theme.background), Rectangle(pos=self.pos, size=self.size)
        try:
            self.export_to_png(str(path))
        finally:
            for each in ground:
                self.canvas.before.remove(each)  # pyright: ignore[reportOptionalMemberAccess]

    def go(self, name: str) -> None:
        """Show a screen by its name."""
        if name == self._manager.current:
            return
        self.current.left()
        self._manager.current = name
        # Now, not a frame later: until then both screens are drawn, the new one at the wrong place.
        self._manager.transition.stop()
        self._manager.do_layout()
        self._mark()
        self.current.entered()

    def rebuild(self) -> None:
        """Make everything anew; screen, place in it and focus stay what they were."""
        is_first = not self.children
        shown = NAMES[0] if is_first else self._manager.current
        focused = [each.focus for each in self.focus_ring.all()]
        scrolled = [page.scroll_y for page in self._pages()]
        if not is_first:
            self.current.left()
        self.clear_widgets()
        self._body = BoxLayout(orientation="vertical")
        self._header = Header()
        self._above = ScrollView(do_scroll_x=False, size_hint_y=None, height=0)
        self._manager = Screens(transition=NoTransition())
        for screen in make_screens():
            self._manager.add_widget(screen)
        self._manager.current = shown
        for each in (self._header, self._above, self._manager):
            self._body.add_widget(each)
        self._body.bind(height=self._fit_banner)
        self.places = Places(self.go, self.app.texts)
        self.add_widget(self._body)
        self.add_widget(self.places)
        self.wide = False
        self._turn()
        self._mark()
        self._show_problem()
        if not is_first:
            self.current.entered()
            Clock.schedule_once(lambda _seconds: self._restore(focused, scrolled), 0.05)

    def refresh(self) -> None:
        """Show what is new."""
        session, texts = self.app.session, self.app.texts
        self._tell_fault(session.fault)
        self._header.listens = self.app.ears.is_listening
        self._header.is_deaf = session.fault is not None
        if not self._header.listens:
            self._header.status = texts("common.quiet")
        elif self.app.ears.is_paused:
            self._header.status = texts("common.paused")
        elif session.started is None:
            self._header.status = texts("common.starting")
        elif session.fault is not None:
            self._header.status = texts("listen.no_sound")
        else:
            self._header.status = texts(
                "common.listening", khz=f"{session.started.effective_hz / 1000:g}"
            )
        self.current.refresh()

    def show(self, problem: Problem, retry: Callable[[], object] | None = None) -> None:
        """Put a problem above the screen until it is closed; `retry` makes a button of it."""
        self.problem, self._retry = problem, retry
        self._show_problem()

    def close_problem(self) -> None:
        """Take the problem from the screen."""
        self.problem = self._retry = None
        self._show_problem()

    def unbind_window(self) -> None:
        """Take no keys any more."""
        Window.unbind(on_key_down=self._keyed)

    def _tell_fault(self, fault: Fault | None) -> None:
        """Keep a fault above the screen, however that is scrolled, until the sound is back."""
        if fault is self._fault:
            return
        told, self._fault = self._fault, fault
        if fault is not None:
            self.show(problem_of(fault))
        elif told is not None and self.problem == problem_of(told):
            self.close_problem()

    def _show_problem(self) -> None:
        self._above.clear_widgets()
        if self.problem is None:
            self._above.height = 0
            return
        texts, kind = self.app.texts, self.problem.kind
        title, what_to_do = texts.problem(kind)
        actions: list[tuple[str, Callable[[], object]]] = []
        if kind == "no_permission":
            actions.append((texts("common.open_settings"), self.app.platform.open_settings))
        elif self._retry is not None:
            actions.append((texts("common.retry"), self._try_again))
        actions.append((texts("common.dismiss"), self.close_problem))
        holder = BoxLayout(size_hint_y=None, padding=(dp(16), 0, dp(16), dp(8)))
        banner = Banner(
            title=title,
            text=what_to_do,
            detail=self.problem.detail,
            actions=actions,
        )
        holder.add_widget(banner)
        holder.bind(minimum_height=holder.setter("height"), height=self._fit_banner)
        self._above.add_widget(holder)
        self._above.scroll_y = 1
        self._fit_banner()

    def _try_again(self) -> None:
        retry = self._retry
        self.close_problem()
        if retry is not None:
            retry()

    def _fit_banner(self, *_args: Any) -> None:
        """A banner leaves the screen some room; it is scrolled where it is higher."""
        high = sum(each.height for each in self._above.children)
        self._above.height = min(high, self._body.height * 0.6)

    def _turn(self, *_args: Any) -> None:
        """Follow the window: bar or rail, and what the system keeps of the borders."""
        self.padding = self.app.platform.safe_area()
        wide = self.width >= WIDE
        self.places.wide = wide
        self.orientation = "horizontal" if wide else "vertical"
        if wide != self.wide:
            self.wide = wide
            self.remove_widget(self.places)
            self.add_widget(self.places, index=len(self.children) if wide else 0)

    def _mark(self) -> None:
        self.places.select(self._manager.current)
        self._header.title = self.app.texts(f"common.{self._manager.current}")

    def _pages(self) -> list[Page]:
        if not self.children:
            return []
        return [each for each in self.current.walk() if isinstance(each, Page)]

    def _restore(self, focused: list[bool], scrolled: list[float]) -> None:
        for page, scroll_y in zip(self._pages(), scrolled, strict=False):
            page.scroll_y = scroll_y
        there = self.focus_ring.all()
        if True in focused and focused.index(True) < len(there):
            self.focus_ring.give(there[focused.index(True)])

    def _keyed(
        self, _window: object, code: int, _scancode: int, _text: str, modifiers: list[str]
    ) -> bool:
        key = key_name(code)
        if "ctrl" in modifiers or key[:1] == "f":
            place = key.removeprefix("f")
            if place.isdigit() and 1 <= int(place) <= len(NAMES):
                self.go(NAMES[int(place) - 1])
                return True
        if key == "escape":
            return self._escape()
        return self.focus_ring.keyed(key, modifiers) or self._scroll(key)

    def _escape(self) -> bool:
        """Go back: Android's key for it comes as Escape, too, and leaves the app at last."""
        if self.problem is not None:
            self.close_problem()
        elif self._manager.current != NAMES[0]:
            self.go(NAMES[0])
        else:
            return self.app.platform.name != "android"
        return True

    def _scroll(self, key: str) -> bool:
        pages = self._pages()
        if key not in _SCROLLS or not pages:
            return False
        page = pages[0]
        hidden = page.ids.content.height - page.height
        if hidden > 0:
            there = page.scroll_y + _SCROLLS[key] * page.height / hidden
            page.scroll_y = max(0.0, min(1.0, there))
        return True
