"""A platform and ears that say what a test wants: the screens are driven without any sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kilohear_ui.ears import Ears, Ended, Said, Wish
from kilohear_ui.platform.desktop import DesktopPlatform
from kilohear_ui.power import Reading


class StandInEars:
    """Says what `say` was given; remembers what it was asked."""

    has_spectrum = False

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.is_listening = False
        self.is_paused = False
        self._said: list[Said] = []

    def say(self, *said: Said) -> None:
        self._said += said

    def start(self, wish: Wish) -> None:
        self.asked.append(wish)
        self.is_listening = True

    def pause(self) -> None:
        self.asked.append("pause")
        self.is_paused = True

    def resume(self) -> None:
        self.asked.append("resume")
        self.is_paused = False

    def stop(self) -> None:
        self.asked.append("stop")
        self.is_listening = False
        self.say(Ended())

    def take(self) -> list[Said]:
        said, self._said = self._said, []
        return said

    def spectrum(self) -> None:
        return None

    def watch_spectrum(self, wanted: bool) -> None:
        self.asked.append(("watch_spectrum", wanted))

    def close(self) -> None:
        self.asked.append("close")
        self.is_listening = False


class StandInBattery:
    """Tells the readings it was given, one a call, the last one for ever."""

    meter = "a test's battery"
    calibration = ""

    def __init__(self, *readings: Reading) -> None:
        self._readings = list(readings)

    def read(self) -> Reading | None:
        if len(self._readings) > 1:
            return self._readings.pop(0)
        return self._readings[0] if self._readings else None


class StandInPlatform(DesktopPlatform):
    """A desktop whose permission, battery and look a test decides."""

    name = "stand-in"

    def __init__(
        self, dark: bool = False, text_scale: float = 1.0, may_record: bool | None = True
    ) -> None:
        super().__init__(dark, text_scale)
        self.stand_in_battery = StandInBattery()
        self.stand_in_ears: Ears = StandInEars()
        self.allowed = may_record
        self.will_allow = True
        self.shared: list[Path] = []
        self.settings_opened = 0

    @property
    def battery(self) -> StandInBattery:
        return self.stand_in_battery

    def language(self) -> str:
        return "en"

    def may_record(self) -> bool | None:
        return self.allowed

    def ask_to_record(self, answered: Callable[[bool], None]) -> None:
        self.allowed = self.will_allow
        answered(self.will_allow)

    def open_settings(self) -> None:
        self.settings_opened += 1

    def share(self, file: Path, mime: str) -> str | None:
        self.shared.append(file)
        return None

    def make_ears(self, folder: Path) -> Ears:
        return self.stand_in_ears
