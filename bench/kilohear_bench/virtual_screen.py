"""A virtual screen with the kilohear app on it: pressed, typed at, turned, and watched.

The screen is an Xvfb of its own, its fingers are xdotool. What the app shows is known by its
witness (`kilohear app --witness FILE`), what it costs by the kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kilohear.errors import KilohearError

PROGRAMS = ("Xvfb", "xdotool", "xwininfo")
DEADLINE_S = 60.0
TITLE = "kilohear"
_POLL_S = 0.05
_PRESS_S = 0.12
_EDGE = 90
"""Header and navigation lie within so many pixels of the window's edges."""
_WHEEL_UP, _WHEEL_DOWN = "4", "5"


class ScreenError(KilohearError):
    """The virtual screen or the app on it didn't do what was waited for."""


def missing_programs() -> list[str]:
    """Return the programs that a virtual screen needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def virtual_screen(width: int = 1400, height: int = 1000) -> Iterator[str]:
    """Yield the DISPLAY of a screen of its own.

    Raises
    ------
    ScreenError
        Where a program is missing or the screen doesn't start.
    """
    missing = missing_programs()
    if missing:
        raise ScreenError(
            f"virtual screen: {', '.join(missing)} missing; install what .ci/system-packages lists"
        )
    told, tells = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, told)
        command = ["Xvfb", "-displayfd", str(tells), "-nolisten", "tcp"]
        command += ["-screen", "0", f"{width}x{height}x24"]
        with Path(os.devnull).open("wb") as nothing:
            process = subprocess.Popen(command, pass_fds=(tells,), stdout=nothing, stderr=nothing)
        os.close(tells)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        number = os.read(told, 16).decode().strip()  # it is told once the screen is there
        if not number:
            raise ScreenError(f"virtual screen: Xvfb ended with {process.wait()}; run it by hand")
        yield f":{number}"


class AppOnScreen:
    """The app in a process of its own; made by `app_on_screen`.

    Attributes
    ----------
    process
        The app's.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, arguments: list[str]) -> None:
        self._environment = dict(environment)
        self._witness = folder / "witness.json"
        self._log = folder / "app.log"
        self._window = ""
        command = [sys.executable, "-m", "kilohear.cli", "app", "--witness", str(self._witness)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *arguments], env=self._environment, stdout=log, stderr=log
            )

    def seen(self) -> dict[str, Any]:
        """Return what is on the screen; see `kilohear_ui.witness.Witness`."""
        if self.process.poll() is not None:
            raise ScreenError(f"the app ended with {self.process.returncode}; it said: {self.said}")
        try:
            return json.loads(self._witness.read_text("utf-8"))
        except FileNotFoundError:
            return {"screen": None, "texts": [], "presses": [], "size": [0, 0]}

    @property
    def said(self) -> str:
        """The end of what the app printed."""
        return self._log.read_text("utf-8", errors="replace")[-2_000:]

    def wait(
        self, holds: Callable[[dict[str, Any]], object], what: str, seconds: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Return what is on the screen once it holds.

        Raises
        ------
        ScreenError
            Where it never does: with what is on the screen instead.
        """
        until = time.monotonic() + seconds
        while not holds(seen := self.seen()):
            if time.monotonic() > until:
                raise ScreenError(
                    f"no {what} in {seconds:g} s; the {seen['screen']} screen shows "
                    f"{seen['texts']}; the app said: {self.said}"
                )
            time.sleep(_POLL_S)
        return seen

    def wait_for_text(self, text: str, seconds: float = DEADLINE_S) -> dict[str, Any]:
        """Return what is on the screen once a text holds `text`, however it is capitalised."""
        wanted = text.lower()
        return self.wait(
            lambda seen: any(wanted in each.lower() for each in seen["texts"]), repr(text), seconds
        )

    def press(self, text: str) -> None:
        """Press what is called `text`, by the mouse: scrolled to, and once it stands still."""
        place, before = self._place_of(text), None
        while place != before:
            self._scroll_to(place)
            self._look_anew()
            place, before = self._place_of(text), place
        self._click(place["x"], place["y"], "1")

    def _look_anew(self) -> None:
        """Wait until the screen was looked at twice more: the first may have been under way."""
        for _ in range(2):
            last_s = self.seen().get("at_s", 0.0)
            self.wait(lambda seen, last_s=last_s: seen.get("at_s", 0.0) > last_s, "second look")

    def _scroll_to(self, place: dict[str, Any]) -> None:
        width, height = self.seen()["size"]
        if not place["scrolls"]:
            return
        if place["y"] > height - _EDGE:
            self._click(width // 2, height // 2, _WHEEL_DOWN)
        elif place["y"] < _EDGE:
            self._click(width // 2, height // 2, _WHEEL_UP)

    def _click(self, x: int, y: int, button: str) -> None:
        left, top = self._origin()
        self._do("mousemove", str(left + x), str(top + y), "mousedown", button)
        time.sleep(_PRESS_S)
        self._do("mouseup", button)

    def type(self, *keys: str) -> None:
        """Press keys, by xdotool's names."""
        self._do("windowfocus", self._find_window(), "key", "--delay", "60", *keys)

    def resize(self, width: int, height: int) -> None:
        """Turn the phone, or give the window another size."""
        self._do("windowsize", self._find_window(), str(width), str(height))
        self.wait(lambda seen: seen["size"] == [width, height], f"size {width}x{height}")

    def close(self, seconds: float = DEADLINE_S) -> int:
        """Close the app as a system does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def _place_of(self, text: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def is_there(seen: dict[str, Any]) -> bool:
            found[:] = [each for each in seen["presses"] if each["text"] == text]
            return bool(found)

        self.wait(is_there, f"button {text!r}")
        return found[0]

    def _origin(self) -> tuple[int, int]:
        said = self._ask("xwininfo", "-id", self._find_window())
        left, top = (
            int(line.rpartition(":")[2])
            for line in said.splitlines()
            if "Absolute upper-left" in line
        )
        return left, top

    def _find_window(self) -> str:
        if not self._window:
            tree = self._ask("xwininfo", "-root", "-tree")
            found = [line.split()[0] for line in tree.splitlines() if f'"{TITLE}"' in line]
            if not found:
                raise ScreenError(f"the app has no window {TITLE!r}; it said: {self.said}")
            self._window = found[0]
        return self._window

    def _do(self, *arguments: str) -> None:
        self._ask("xdotool", *arguments)

    def _ask(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ScreenError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return done.stdout


@contextmanager
def app_on_screen(
    display: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[AppOnScreen]:
    """Yield the app, started with `arguments` and shown; it is killed where it still runs after."""
    with tempfile.TemporaryDirectory(prefix="kilohear-app-") as folder:
        surroundings = {**(environment or os.environ), "DISPLAY": display}
        surroundings.pop("SDL_VIDEODRIVER", None)
        app = AppOnScreen(surroundings, Path(folder), list(arguments))
        try:
            app.wait(lambda seen: seen["screen"], "screen")
            yield app
        finally:
            app.process.kill()
            app.process.wait()
