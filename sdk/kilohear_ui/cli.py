"""The command `kilohear app`: the app on this computer, as its developer's preview."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohear import extras
from kilohear.config import from_dict, to_dict
from kilohear.errors import ConfigError, KilohearError
from kilohear_ui.settings import Settings, load_settings, save_settings

if TYPE_CHECKING:
    from kilohear_ui.app import KilohearApp

_SIDES = (240, 8_192)
"""Least and most of a window's sides, pixels."""

_NO_DISPLAY = (
    "no window can be opened here: there is no display; set SDL_VIDEODRIVER=offscreen or run it "
    "under xvfb-run"
)


def add_commands(app: typer.Typer) -> None:
    """Add `kilohear app`."""
    app.command("app")(show)


def show(
    source: Annotated[
        str,
        typer.Option(
            help="microphone, demo, demo-synthetic, a recording, or any address that `kilohear "
            "listen` takes."
        ),
    ] = "microphone",
    bundle: Annotated[
        str | None, typer.Option(help="A shipped bundle's name, or a path; kept in the settings.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where settings, event log and results lie. [the user's, for kilohear]"),
    ] = None,
    listen: Annotated[bool, typer.Option("--listen", help="Begin to listen at once.")] = False,
    service: Annotated[
        bool, typer.Option("--service", help="Listen in a process of its own, as on Android.")
    ] = False,
    size: Annotated[str, typer.Option(help="Of the window, pixels.")] = "390x844",
    look: Annotated[
        str | None, typer.Option(help="system, light or dark; kept in the settings.")
    ] = None,
    text_scale: Annotated[
        float | None, typer.Option(help="0.85, 1, 1.3, 1.6 or 2; kept in the settings.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="system, en or de; kept in the settings.")
    ] = None,
    screenshots: Annotated[
        Path | None,
        typer.Option(
            help="Listen, leave a PNG of every screen in this folder, print what they showed as "
            "JSON lines, and close."
        ),
    ] = None,
    for_s: Annotated[
        float, typer.Option(help="How long to listen before the screenshots.", min=0)
    ] = 8.0,
    exit_after_s: Annotated[
        float | None, typer.Option(help="Close after so many seconds.", min=0)
    ] = None,
    witness: Annotated[
        Path | None, typer.Option(help="Keep this file in step with what is on the screen.")
    ] = None,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw every frame, for --witness to count.")
    ] = False,
) -> None:
    """Open the app on this computer."""
    width, height = _size(size)
    folder = (folder or Path(typer.get_app_dir("kilohear"))).resolve()
    chosen = {"bundle": bundle, "look": look, "text_scale": text_scale, "language": language}
    _choose(folder, {name: value for name, value in chosen.items() if value is not None})
    _open_window(folder, width, height)

    from kilohear_ui.app import KilohearApp
    from kilohear_ui.ears.remote import ServiceEars, ServiceProcess
    from kilohear_ui.tour import Tour
    from kilohear_ui.witness import Witness

    helper = ServiceProcess(folder) if service else None
    ears = ServiceEars(folder, helper.launch) if helper else None
    app = KilohearApp(folder=folder, source=source, ears=ears)
    tour = Tour(app, screenshots, for_s) if screenshots is not None else None
    watching = Witness(witness, redraw) if witness is not None else None
    app.bind(on_start=lambda _app: _begin(app, tour, watching, listen, exit_after_s))
    try:
        app.run()
    finally:
        if helper is not None:
            helper.end()
    for shown in tour.shown if tour is not None else ():
        print(json.dumps(shown, ensure_ascii=False), flush=True)
    if tour is not None and tour.error is not None:
        raise tour.error


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = (int(found[1]), int(found[2])) if found else ()
    least, most = _SIDES
    if not sides or not all(least <= side <= most for side in sides):
        raise ConfigError(
            f"--size is {text!r}; give WIDTHxHEIGHT in pixels, each {least} to {most:,}, as in "
            "390x844"
        )
    return sides


def _choose(folder: Path, chosen: dict[str, Any]) -> None:
    """Keep what was chosen on the command line as if it had been chosen on the screen."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KilohearError(
            f"{folder}: can't be made ({error.strerror}); choose another --folder"
        ) from None
    if not chosen:
        return
    if "bundle" in chosen:
        from kilohear.bundle import Bundle

        loaded = Bundle.load(chosen["bundle"])
        if Path(chosen["bundle"]).exists():
            chosen["bundle"] = str(loaded.path.resolve())
    path = folder / "settings.json"
    kept, broken = load_settings(path)
    if broken is not None:
        print(f"warning: {broken}; it was put aside", file=sys.stderr)
    save_settings(from_dict(Settings, {**to_dict(kept), **chosen}, "kilohear app"), path)


def _open_window(folder: Path, width: int, height: int) -> None:
    """Import Kivy with a window of this size; it looks at its environment only then."""
    no_display = not {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & os.environ.keys()
    if sys.platform == "linux" and no_display:
        raise KilohearError(_NO_DISPLAY)
    for name, value in (
        ("KIVY_HOME", str(folder / "kivy")),
        ("KIVY_NO_ARGS", "1"),
        ("KIVY_LOG_MODE", "PYTHON"),
        ("KIVY_WINDOW", "sdl2"),
    ):
        os.environ.setdefault(name, value)
    # Kivy writes its settings there before it makes the folder.
    Path(os.environ["KIVY_HOME"]).mkdir(parents=True, exist_ok=True)
    # It tells of every kind of touch screen that this computer lacks.
    logging.getLogger("kivy").addHandler(logging.NullHandler())
    config = extras.load("kivy.config").Config
    config.set("graphics", "width", width)
    config.set("graphics", "height", height)
    # Without a graphics card, smoothed edges are what drawing costs most: measured by llvmpipe at
    # 1280 x 800, a full draw took 70 ms with Kivy's usual two samples a pixel and 23 ms without.
    config.set("graphics", "multisamples", 0)
    # A right click is no second finger.
    config.set("input", "mouse", "mouse,disable_multitouch")
    if extras.load("kivy.core.window").Window is None:
        raise KilohearError(_NO_DISPLAY)


def _begin(
    app: KilohearApp, tour: Any, watching: Any, listen: bool, exit_after_s: float | None
) -> None:
    from kivy.clock import Clock

    if watching is not None:
        watching.begin()
    if listen or tour is not None:
        app.listen()
    if tour is not None:
        tour.begin()
    if exit_after_s is not None:
        Clock.schedule_once(lambda _seconds: app.stop(), exit_after_s)
