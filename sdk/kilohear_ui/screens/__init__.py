"""The five screens, a module and a .kv file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kivy.app import App
from kivy.lang import Builder
from kivy.uix.screenmanager import Screen

if TYPE_CHECKING:
    from kilohear_ui.app import KilohearApp

NAMES = ("listen", "profile", "history", "privacy", "settings")


class AppScreen(Screen):
    """What the five have in common.

    A screen is made anew when language, look or text size changes, and keeps nothing that the app
    doesn't keep: what it shows comes from `self.app`.
    """

    @property
    def app(self) -> KilohearApp:
        """The running app."""
        return App.get_running_app()  # pyright: ignore[reportReturnType]

    def refresh(self) -> None:
        """Show what is new; called up to 30 times a second while the screen is shown."""

    def entered(self) -> None:
        """Begin what needs the screen to be seen."""

    def left(self) -> None:
        """End it; also called before the app goes to the background or closes."""


def load_rules(module_file: str) -> None:
    """Load the .kv file beside a module, once."""
    path = str(Path(module_file).with_suffix(".kv"))
    if path not in Builder.files:
        Builder.load_file(path)


def make_screens() -> list[AppScreen]:
    """Return the five, made anew."""
    from kilohear_ui.screens.history import HistoryScreen
    from kilohear_ui.screens.listen import ListenScreen
    from kilohear_ui.screens.privacy import PrivacyScreen
    from kilohear_ui.screens.profile import ProfileScreen
    from kilohear_ui.screens.settings import SettingsScreen

    kinds = (ListenScreen, ProfileScreen, HistoryScreen, PrivacyScreen, SettingsScreen)
    return [kind(name=name) for kind, name in zip(kinds, NAMES, strict=True)]
