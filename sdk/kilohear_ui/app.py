"""The app: five screens, one pair of ears, and what joins them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from kivy.app import App
from kivy.clock import Clock, ClockEvent
from kivy.core.window import Window
from kivy.uix.widget import Widget

from kilohear.bundle import shipped
from kilohear.errors import KilohearError
from kilohear_ui.ears import Ears, Wish
from kilohear_ui.platform import Platform, open_platform
from kilohear_ui.power.poll import BatteryPoll
from kilohear_ui.problems import Problem, problem_of
from kilohear_ui.session import Session
from kilohear_ui.settings import Settings, load_settings, save_settings
from kilohear_ui.shell import Shell
from kilohear_ui.texts import Texts
from kilohear_ui.theme import Theme, theme_for
from kilohear_ui.widgets import load_widgets

REFRESH_HZ = 30


class KilohearApp(App):
    """The kilohear app.

    Parameters
    ----------
    platform
        The system around it; None: this one.
    folder
        Where settings, the event log and results lie; None: the app's own.
    source
        What is listened to: `microphone`, `demo`, or any address of `kilohear.open_source`.
    ears
        Who listens; None: the platform's.
    """

    title = "kilohear"

    def __init__(
        self,
        platform: Platform | None = None,
        folder: Path | None = None,
        source: str = "microphone",
        ears: Ears | None = None,
    ) -> None:
        super().__init__()
        self.platform = platform or open_platform()
        self._folder = folder
        self.source = source
        self._ears = ears
        self._ticks: ClockEvent | None = None
        self.session = Session()
        self.battery = BatteryPoll()
        self.settings = Settings()
        self.texts = Texts()
        self.theme: Theme = theme_for("system", False, 1.0)

    @property
    def folder(self) -> Path:
        """Where the app keeps what it keeps."""
        return self._folder or Path(self.user_data_dir)

    @property
    def ears(self) -> Ears:
        """Who listens."""
        if self._ears is None:
            self._ears = self.platform.make_ears(self.folder)
        return self._ears

    @property
    def wish(self) -> Wish:
        """What is to be listened to, by the settings."""
        kept = self.settings
        return Wish(kept.bundle, self.source, kept.detection, kept.duty, kept.gate_db)

    def build(self) -> Widget:
        """Return the shell with the first screen."""
        load_widgets()
        self.settings, broken = load_settings(self.folder / "settings.json")
        self._dress()
        self.shell = Shell()
        if broken is not None:
            self.show(Problem("settings_broken", str(broken)))
        self.shell.current.entered()
        self._ticks = Clock.schedule_interval(self._tick, 1 / REFRESH_HZ)
        return self.shell

    def change(self, **changes: object) -> None:
        """Change settings, keep them, and show and hear them at once."""
        before = self.settings
        self.settings = dataclasses.replace(before, **changes)  # pyright: ignore
        if self.settings == before:
            return
        try:
            save_settings(self.settings, self.folder / "settings.json")
        except KilohearError as error:
            self.show(problem_of(error))
        changed = {name for name in changes if getattr(before, name) != changes[name]}
        if changed & {"language", "look", "text_scale"}:
            self.rebuild()
        if self.ears.is_listening and changed & {"bundle", "detection", "duty", "gate_db"}:
            self.ears.start(self.wish)

    def listen(self) -> None:
        """Start listening, once the system allows it; what stands in the way is shown."""
        bundle = self.settings.bundle
        if bundle not in shipped() and not Path(bundle).exists():
            self.show(Problem("no_bundle", bundle))
        elif not self.source.startswith("microphone"):
            self._answer(True)
        elif (allowed := self.platform.may_record()) is None:
            self.platform.ask_to_record(self._answer)
        else:
            self._answer(allowed)

    def stop_listening(self) -> None:
        """End listening."""
        self.ears.stop()

    def rebuild(self) -> None:
        """Make the screens anew, in another look, language or size."""
        self._dress()
        self.shell.rebuild()

    def show(self, problem: Problem, retry: Callable[[], object] | None = None) -> None:
        """Put a problem on the screen, with what to do; `retry` is offered as a button."""
        self.shell.show(problem, retry)

    def on_pause(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Go to the background: what needs the screen ends, listening goes on."""
        self.shell.current.left()
        return True

    def on_resume(self) -> None:
        """Come back, perhaps from the system's settings."""
        shown = self.texts.language, self.theme
        self._dress()
        if shown != (self.texts.language, self.theme):
            self.shell.rebuild()
        problem = self.shell.problem
        if problem and problem.kind == "no_permission" and self.platform.may_record():
            self.shell.close_problem()
        self.shell.current.entered()

    def on_stop(self) -> None:
        """Close: no thread is left behind. Kivy says it twice where `App.stop` ends the loop."""
        if self._ticks is None:
            return
        self._ticks.cancel()
        self._ticks = None
        self.shell.current.left()
        self.shell.unbind_window()
        self.battery.stop()
        if self._ears is not None:
            self._ears.close()

    def _answer(self, may_record: bool) -> None:
        """Take the system's answer to whether the microphone may be heard."""
        if may_record:
            self.shell.close_problem()
            self.ears.start(self.wish)
        else:
            self.show(Problem("no_permission", ""))

    def _dress(self) -> None:
        kept, platform = self.settings, self.platform
        self.texts = Texts(kept.language, platform.language())
        scale = kept.text_scale * platform.text_scale()
        self.theme = theme_for(kept.look, platform.prefers_dark(), scale)
        Window.clearcolor = self.theme.background

    def _tick(self, _seconds: float) -> None:
        problem = self.session.take(self.ears.take())
        if problem is not None:
            self.show(problem, None if self.ears.is_listening else self.listen)
        self.shell.refresh()
