"""What the screens ask of the system around them: one protocol for Android, iOS and the desktop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from kilohear.system import system
from kilohear_ui.ears import Ears
from kilohear_ui.power import Battery


class Platform(Protocol):
    """The system around the app.

    Attributes
    ----------
    name
        `android`, `ios` or `desktop`.
    """

    name: str

    @property
    def battery(self) -> Battery:
        """The battery; see `kilohear_ui.power`."""
        ...

    def model(self) -> str:
        """Return the device's model as its maker writes it: Pixel 8, iPhone14,5."""
        ...

    def version(self) -> str:
        """Return the system's name and version: Android 14, iOS 17.5."""
        ...

    def language(self) -> str:
        """Return the system's language, two letters."""
        ...

    def prefers_dark(self) -> bool:
        """Whether the system shows dark screens."""
        ...

    def text_scale(self) -> float:
        """Return how much larger than usual the system shows text."""
        ...

    def safe_area(self) -> tuple[float, float, float, float]:
        """Return what the system covers of the window: left, top, right, bottom, pixels."""
        ...

    def may_record(self) -> bool | None:
        """Whether the microphone is allowed; None: not asked yet."""
        ...

    def ask_to_record(self, answered: Callable[[bool], None]) -> None:
        """Ask for the microphone; calls back in the screens' thread."""
        ...

    def open_settings(self) -> None:
        """Show the system's settings of this app."""
        ...

    def share(self, file: Path, mime: str) -> str | None:
        """Offer a file to other apps; return where it lies where there is no such thing."""
        ...

    def keep_awake(self, wanted: bool) -> None:
        """Keep the screen on while a profile runs."""
        ...

    def make_ears(self, folder: Path) -> Ears:
        """Return who listens: a service of its own on Android, this process elsewhere.

        `folder` is the app's: the event log is `events.jsonl` in it.
        """
        ...


def open_platform() -> Platform:
    """Return the platform that this Python runs on."""
    kind = system()
    if kind == "android":
        from kilohear_ui.platform.android import AndroidPlatform

        return AndroidPlatform()
    if kind == "ios":
        from kilohear_ui.platform.ios import IosPlatform

        return IosPlatform()
    from kilohear_ui.platform.desktop import DesktopPlatform

    return DesktopPlatform()
