"""The desktop, where the app runs as the developer's preview."""

from __future__ import annotations

import locale
import platform
from collections.abc import Callable
from pathlib import Path

from kilohear_ui.ears import Ears
from kilohear_ui.power import Battery


class DesktopPlatform:
    """This computer; see `kilohear_ui.platform.Platform`.

    Parameters
    ----------
    dark
        Whether it prefers dark screens: no way to ask is common to all desktops.
    text_scale
        How much larger than usual it shows text.
    """

    name = "desktop"

    def __init__(self, dark: bool = False, text_scale: float = 1.0) -> None:
        self._dark, self._text_scale = dark, text_scale

    @property
    def battery(self) -> Battery:
        """A laptop's."""
        from kilohear_ui.power.desktop import DesktopBattery

        return DesktopBattery()

    def model(self) -> str:
        """Return the processor's architecture."""
        return platform.machine()

    def version(self) -> str:
        """Return the system's name and version."""
        return f"{platform.system()} {platform.release()}"

    def language(self) -> str:
        """Return the system's language, two letters."""
        return (locale.getlocale()[0] or "en")[:2].lower()

    def prefers_dark(self) -> bool:
        """Return what was given."""
        return self._dark

    def text_scale(self) -> float:
        """Return what was given."""
        return self._text_scale

    def safe_area(self) -> tuple[float, float, float, float]:
        """Return nothing: a window shows all of itself."""
        return 0, 0, 0, 0

    def may_record(self) -> bool | None:
        """Return True: a desktop's microphone needs no permission of the app's."""
        return True

    def ask_to_record(self, answered: Callable[[bool], None]) -> None:
        """Answer at once."""
        answered(True)

    def open_settings(self) -> None:
        """Do nothing: a desktop has no settings of this app."""

    def share(self, file: Path, mime: str) -> str | None:
        """Return where the file lies."""
        return str(file)

    def keep_awake(self, wanted: bool) -> None:
        """Do nothing: nobody profiles a desktop's battery by its screen."""

    def make_ears(self, folder: Path) -> Ears:
        """Return ears in this process."""
        from kilohear_ui.ears.local import LocalEars

        return LocalEars(folder)
