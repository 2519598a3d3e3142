"""The command `kilohear app`: errors before any window, and a tour of the screens in its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from kilohear.errors import KilohearError
from kilohear_ui import cli
from kilohear_ui.screens import NAMES
from kilohear_ui.settings import load_settings

PROGRAM = """
import sys
import typer
from kilohear.errors import KilohearError
from kilohear_ui.cli import add_commands
assert "kivy" not in sys.modules
app = typer.Typer()
app.callback()(lambda: None)
add_commands(app)
try:
    app(["app", *sys.argv[1:]], standalone_mode=False)
except KilohearError as error:
    print("error:", error, file=sys.stderr)
    sys.exit(2)
"""


def _run(
    *arguments: object, program: str = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KIVY", "SDL")) and name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={
            **inherited,
            **environment,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("size", ["390", "x844", "0x844", "390x99999", "-390x844"])
def test_a_size_that_is_none_is_named(size: str) -> None:
    with pytest.raises(KilohearError, match=rf"--size is '{size}'; give WIDTHxHEIGHT.*240 to"):
        cli._size(size)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"look": "pink"}, "look is 'pink'; use one of 'system', 'light', 'dark'"),
        ({"text_scale": 3.0}, "text_scale is 3.0; give one of 0.85"),
        ({"language": "fr"}, "language is 'fr'; use one of"),
        ({"bundle": "nope"}, "none of that name ships"),
    ],
)
def test_what_cannot_be_chosen_is_named_and_not_kept(
    chosen: dict[str, object], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(KilohearError, match=expected):
        cli._choose(tmp_path, chosen)
    assert not (tmp_path / "settings.json").exists()


def test_without_a_display_it_says_what_to_set(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has displays that may be missing")
    done = _run("--folder", tmp_path)
    assert done.returncode == 2
    assert "there is no display; set SDL_VIDEODRIVER=offscreen" in done.stderr


@pytest.mark.parametrize("service", [[], ["--service"]], ids=["here", "service"])
def test_a_tour_draws_every_screen_and_says_what_stood_on_it(
    service: list[str], tmp_path: Path
) -> None:
    folder, shots = tmp_path / "app", tmp_path / "shots"
    options = ["--look", "dark", "--language", "de", "--size", "400x800", *service]
    done = _run(
        *("--folder", folder, "--screenshots", shots, "--for-s", 4, "--source", "demo-synthetic"),
        *options,
        SDL_VIDEODRIVER="offscreen",
    )
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["screen"] for each in shown] == list(NAMES)
    for each in shown:
        with Image.open(each["png"]) as png:
            assert png.size == (400, 800)
            assert len(png.convert("RGB").getcolors(1_000_000) or ()) > 10
        assert each["problem"] is None
        assert set(each["texts"]) <= set(each["seen"])
    assert "hört zu, 1\N{NO-BREAK SPACE}kHz" in shown[0]["seen"]
    assert "Sprache" in shown[-1]["texts"]
    kept, broken = load_settings(folder / "settings.json")
    assert (kept.look, kept.language, broken) == ("dark", "de", None)
    assert not [file for file in shots.iterdir() if file.name.startswith(".")]


ENDED = """
import os, signal, sys
from pathlib import Path
import kilohear_ui.cli as cli
from kivy.clock import Clock

def end():
    print("ending", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

def listening(app):
    if app.session.level_db is not None:
        end()
        return False

def profiling(app):
    screen = app.shell.current
    if screen.name != "profile":
        app.shell.go("profile")
        screen = app.shell.current
        screen.start()
    if screen.profiling.progress is not None:
        end()
        return False

def exporting(app):
    fsync = os.fsync
    def ends(file):
        os.fsync = fsync
        end()
        fsync(file)
    os.fsync = ends
    app.shell.go("history")
    app.shell.current._export("csv")
    return False

begin = cli._begin
def then(app, *given):
    begin(app, *given)
    Clock.schedule_interval(lambda _seconds: globals()[sys.argv[1]](app), 0.05)
cli._begin = then
cli.show(source="demo-synthetic", folder=Path(sys.argv[2]), listen=sys.argv[1] == "listening",
         service=sys.argv[1] == "listening", size="390x844", bundle=None, look=None,
         text_scale=None, language=None, screenshots=None, for_s=0, exit_after_s=60,
         witness=None, redraw=False)
print("closed", flush=True)
"""


@pytest.mark.parametrize("amid", ["listening", "profiling", "exporting"])
def test_ended_by_the_system_it_closes_and_leaves_nothing_behind(amid: str) -> None:
    # A test's own folder may have too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="kh") as made:
        folder = Path(made)
        done = _run(amid, folder, program=ENDED, SDL_VIDEODRIVER="offscreen")
        assert done.stdout.splitlines() == ["ending", "closed"], done.stderr
        assert done.returncode == 0
        assert not [file for file in folder.rglob("*") if file.suffix in (".tmp", ".sock")]
        assert not (folder / "wish.json").exists()
        if amid == "listening":
            service = int((folder / "ears.lock").read_text())
            with pytest.raises(ProcessLookupError):
                os.kill(service, 0)
        if amid == "exporting":
            (file,) = (folder / "exports").iterdir()
            assert file.read_text().startswith("at,kind")
