"""The app on a virtual screen, with a microphone that hears what is played: used as people do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from kilohear_bench.audio_server import AudioServer
from kilohear_bench.clips import Clip, read_clips
from kilohear_bench.live import read_at
from kilohear_bench.virtual_screen import (
    AppOnScreen,
    app_on_screen,
    missing_programs,
    virtual_screen,
)
from kilohear_ui.texts import Texts

pytest.importorskip("kivy")

RATE_HZ = 16_000
EN = Texts("en")

Open = Callable[..., AbstractContextManager[AppOnScreen]]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    missing = missing_programs()
    if missing:
        pytest.skip(f"no virtual screen can be started: {', '.join(missing)} isn't installed")
    with virtual_screen() as display:
        yield display


@pytest.fixture
def open_app(display: str, server: AudioServer, tmp_path: Path) -> Open:
    """Open the app on the microphone; it keeps what it keeps in `tmp_path/app`."""

    @contextmanager
    def opened(*arguments: str) -> Iterator[AppOnScreen]:
        given = ("--folder", str(tmp_path / "app"), "--language", "en", *arguments)
        environment = {**server.environment, "KIVY_HOME": str(tmp_path / "kivy")}
        with app_on_screen(display, *given, environment=environment) as app:
            yield app

    return opened


@contextmanager
def played(server: AudioServer, clip: Clip) -> Iterator[None]:
    """Play a clip over and over meanwhile."""
    pcm = (read_at(clip.path, RATE_HZ) * 32_767).astype("<i2").tobytes()
    done = threading.Event()

    def play() -> None:
        with server.player(RATE_HZ) as loudspeaker:
            while not done.is_set():
                loudspeaker.write(pcm[: 2 * RATE_HZ * 5])
                loudspeaker.flush()

    playing = threading.Thread(target=play)
    playing.start()
    try:
        yield
    finally:
        done.set()
        playing.join()


def whole_files(folder: Path) -> list[Path]:
    """Return the files below a folder; fails where one is half-written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".tmp"]
    return files


def first_of(label: str) -> Clip:
    return next(clip for clip in read_clips("esc10") if clip.label == label)


@pytest.mark.data
@pytest.mark.usefixtures("data_dir")
def test_a_person_listens_at_two_rates(open_app: Open, server: AudioServer, tmp_path: Path) -> None:
    with open_app() as app:
        app.press(EN("listen.start"))
        app.wait_for_text(EN("common.listening", khz=1))
        with played(server, first_of("rooster")):
            app.wait_for_text(EN.label("rooster"))
        app.press(EN("listen.khz", n=2))
        app.wait_for_text(EN("common.listening", khz=2))
        app.resize(844, 390)
        with played(server, first_of("rain")):
            app.wait_for_text(EN.label("rain"))
        app.resize(390, 844)
        server.mute(True)
        app.wait_for_text(EN("problems.microphone_silent.title"))
        server.mute(False)
        app.press(EN("common.history"))
        app.wait_for_text(EN.label("rooster"))
        app.press(EN("history.export"))
        app.press(EN("history.csv"))
        app.wait_for_text(EN("history.exported"))
        assert app.close() == 0
    (exported,) = [path for path in whole_files(tmp_path / "app") if path.suffix == ".csv"]
    assert {"rooster", "rain"} <= set(exported.read_text().replace("\n", ",").split(","))


def test_a_profile_that_was_closed_in_the_middle_goes_on(open_app: Open, tmp_path: Path) -> None:
    with open_app() as app:
        app.type("F2")
        app.press(EN("profile.start"))
        app.wait_for_text(EN("profile.running"))
        assert app.close() == 0
    whole_files(tmp_path / "app")
    with open_app() as app:
        app.type("F2")
        app.press(EN("profile.continue"))
        app.press(EN("profile.share"))
        app.wait_for_text("The result lies in")
        assert app.close() == 0
    assert [path for path in whole_files(tmp_path / "app") if path.suffix == ".zip"]


def test_a_keyboard_is_enough(open_app: Open) -> None:
    with open_app() as app:
        for key, screen in (("F5", "settings"), ("F4", "privacy"), ("F1", "listen")):
            app.type(key)
            app.wait(lambda seen, screen=screen: seen["screen"] == screen, screen)
        app.type("Tab")
        app.wait(lambda seen: seen["focused"], "focus")
        assert app.close() == 0


def test_a_service_lets_the_privacy_screen_listen_meanwhile(open_app: Open, tmp_path: Path) -> None:
    with open_app("--service", "--listen") as app:
        app.wait_for_text(EN("common.listening", khz=1))
        app.type("F4")
        app.wait_for_text(EN("privacy.status.borrowed"))
        app.type("F1")
        app.wait_for_text(EN("listen.stop"))
        assert app.close() == 0
    assert not [path for path in (tmp_path / "app").rglob("*") if path.is_socket()]
