"""The service in a real process of its own: what crosses, and what is left when either ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kilohear.config import save_json
from kilohear_ui.ears import Cost, Ended, Heard, Level, Said, Started, Trouble, Wish, remote
from kilohear_ui.ears.remote import ServiceEars, ServiceProcess, dial
from kilohear_ui.ears.service import LOCK_NAME, Kept, kept
from kilohear_ui.ears.wire import (
    ENDED_NAME,
    SOCKET_NAME,
    WISH_NAME,
    Hello,
    Lines,
    from_line,
    keep_end,
    kept_end,
    to_line,
)
from kilohear_ui.problems import Problem

WISH = Wish(source="demo-synthetic")


class Services:
    """Starts services on a folder, and knows each of their processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def launch(self) -> None:
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-m", "kilohear_ui.ears.service", "--folder", str(self.folder)],
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def kill(self) -> None:
        self.started[-1].kill()
        self.started[-1].wait()

    def ended(self) -> int:
        return self.started[-1].wait(30)


@pytest.fixture
def services() -> Iterator[Services]:
    # A test's own folder may have too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="kh") as folder:
        services = Services(Path(folder))
        yield services
        for process in services.started:
            process.kill()
            process.communicate()


def until(ears: ServiceEars, holds: Callable[[list[Said]], object]) -> list[Said]:
    """Return what is said until something holds; fails where it never does."""
    said: list[Said] = []
    deadline_s = time.monotonic() + 60
    while not holds(said):
        assert time.monotonic() < deadline_s, said[-5:]
        said += ears.take()
        time.sleep(0.01)
    return said


def has(*kinds: type) -> Callable[[list[Said]], bool]:
    return lambda said: all(any(isinstance(each, kind) for each in said) for kind in kinds)


def of(said: list[Said], kind: type) -> list[Any]:
    return [each for each in said if isinstance(each, kind)]


def test_it_listens_pauses_goes_on_and_stops(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    assert ears.is_listening
    said = until(ears, has(Started, Level, Heard, Cost))
    assert of(said, Started)[0].bundle == "esc10-1khz"
    assert (services.folder / SOCKET_NAME).stat().st_mode & 0o077 == 0
    ears.pause()
    assert ears.is_paused
    ears.resume()
    ears.start(Wish(bundle="esc10-2khz", source="demo-synthetic"))
    assert of(until(ears, has(Started)), Started)[0].effective_hz == 2_000
    ears.stop()
    assert of(until(ears, has(Ended)), Ended) == [Ended(None)]
    assert not ears.is_listening
    assert services.ended() == 0
    left = {path.name for path in services.folder.iterdir()}
    assert left <= {"events.jsonl", "ears.lock"}
    assert len(services.started) == 1
    assert [t for t in threading.enumerate() if t.name.startswith("kilohear")] == []


def test_only_labels_times_and_levels_cross(services: Services) -> None:
    """Read the bytes themselves for 7 s of sound: at 16 kHz that would be over 100,000 numbers."""
    save_json(Kept(WISH), services.folder / WISH_NAME)
    services.launch()
    deadline_s = time.monotonic() + 30
    while not (services.folder / SOCKET_NAME).exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    raw = b""
    with dial(services.folder) as app:
        app.setblocking(True)
        app.settimeout(30)
        app.sendall(to_line(Hello(1, os.getpid())))
        while raw.count(b'"Heard"') < 2:
            raw += app.recv(65_536)
    lines = raw.splitlines(keepends=True)
    assert all(line.isascii() for line in lines)
    for line in lines[:-1]:
        message = from_line(line)
        numbers = [len(v) for v in json.loads(line).values() if isinstance(v, list)]
        assert numbers in ([], [10]), message  # ten labels, or their probabilities
        assert len(line) < 1_000
    kinds = {json.loads(line)["is"] for line in lines[:-1]}
    assert {"Hello", "Started", "Level", "Heard"} <= kinds
    levels_a_second = raw.count(b'"Level"') / 7
    assert levels_a_second < 20


def test_a_killed_service_is_said_and_started_again_once(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    until(ears, has(Level))
    services.kill()
    said = until(ears, has(Trouble, Started, Level))
    assert [trouble.problem.kind for trouble in of(said, Trouble)] == ["service_gone"]
    assert ears.is_listening
    services.kill()
    (ended,) = of(until(ears, has(Ended)), Ended)
    assert ended.problem.kind == "service_gone"
    assert not ears.is_listening
    assert len(services.started) == 2


def test_the_app_goes_and_another_finds_the_service_listening(services: Services) -> None:
    app = """
import sys, time
from pathlib import Path
from kilohear_ui.ears import Level, Wish
from kilohear_ui.ears.remote import ServiceEars
ears = ServiceEars(Path(sys.argv[1]), lambda: None)
ears.start(Wish(source="demo-synthetic"))
while not any(isinstance(each, Level) for each in ears.take()):
    time.sleep(0.01)
print("listens", flush=True)
time.sleep(60)
"""
    services.launch()
    first = subprocess.Popen(
        [sys.executable, "-c", app, str(services.folder)], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "listens\n"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = ServiceEars(services.folder, services.launch)
    said = until(second, has(Started, Level))
    assert second.is_listening
    assert of(said, Started)[0].labels
    second.close()
    third = ServiceEars(services.folder, services.launch)
    until(third, has(Started))
    third.stop()
    until(third, has(Ended))
    assert services.ended() == 0
    assert len(services.started) == 1


def test_a_restarted_service_goes_on_with_what_it_listened_to(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(Wish(bundle="esc10-2khz", source="demo-synthetic"))
    until(ears, has(Level))
    ears.close()
    services.kill()
    services.launch()  # by the system, which says nothing
    later = ServiceEars(services.folder, services.launch)
    assert of(until(later, has(Started)), Started)[0].bundle == "esc10-2khz"
    later.stop()
    until(later, has(Ended))
    assert services.ended() == 0


def test_what_was_paused_stays_paused_whoever_restarts_it(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    until(ears, has(Level))
    ears.pause()
    until(ears, lambda _: (before := kept(services.folder)) is not None and before.is_paused)
    services.kill()
    until(ears, has(Trouble, Started))
    assert ears.is_paused
    ears.close()
    services.kill()
    services.launch()  # by the system, which says nothing
    later = ServiceEars(services.folder, services.launch)
    until(later, lambda _: later.is_listening)
    assert later.is_paused
    later.resume()
    until(later, has(Level))
    later.stop()
    until(later, has(Ended))


@pytest.mark.parametrize("sees_the_end", [False, True])
def test_a_start_right_after_a_stop_listens(services: Services, sees_the_end: bool) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    until(ears, has(Level))
    ears.stop()
    if sees_the_end:
        until(ears, has(Ended))
    ears.start(Wish(bundle="esc10-2khz", source="demo-synthetic"))
    assert ears.is_listening
    said = until(ears, has(Started, Level))
    assert of(said, Started)[-1].effective_hz == 2_000
    assert of(said, Trouble) == of(said, Ended) == []
    ears.stop()
    until(ears, has(Ended))
    assert services.ended() == 0


def test_a_service_that_does_not_come_is_launched_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone ignores a launch while the service before is still ending."""
    monkeypatch.setattr(remote, "LAUNCH_EVERY_S", 0.0)
    ignored: list[bool] = []

    def launch() -> None:
        if ignored and not services.started:
            services.launch()
        ignored.append(True)

    ears = ServiceEars(services.folder, launch)
    ears.start(WISH)
    until(ears, has(Started))
    assert len(services.started) == 1
    ears.stop()
    until(ears, has(Ended))


def test_the_folder_that_a_service_makes_is_its_users_alone(services: Services) -> None:
    services.folder /= "made"
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    until(ears, has(Started))
    assert services.folder.stat().st_mode & 0o077 == 0
    ears.stop()
    until(ears, has(Ended))


def test_a_second_service_is_refused_and_names_the_first(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    until(ears, has(Started))
    first = services.started[0]
    services.launch()
    _, told = services.started[1].communicate(timeout=30)
    assert services.started[1].returncode == 2
    assert f"process {first.pid}" in told
    assert "stop" in told
    ears.stop()
    until(ears, has(Ended))
    assert first.wait(30) == 0


def test_a_stop_while_the_service_still_starts_ends_it(services: Services) -> None:
    ears = ServiceEars(services.folder, services.launch)
    ears.start(WISH)
    ears.stop()
    assert of(until(ears, has(Ended)), Ended) == [Ended(None)]
    assert not ears.is_listening
    assert services.ended() == 0


def test_a_service_that_cannot_be_started_is_a_problem(tmp_path: Path) -> None:
    def launch() -> None:
        raise OSError("not allowed")

    ears = ServiceEars(tmp_path, launch)
    ears.start(WISH)
    (ended,) = of(ears.take(), Ended)
    assert ended.problem.kind == "service_gone"


def test_a_service_that_speaks_nonsense_ends_the_listening(services: Services) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(services.folder / SOCKET_NAME))
        server.listen()
        ears = ServiceEars(services.folder, lambda: None)
        ears.start(WISH)
        ears.take()
        connection, _ = server.accept()
        with connection:
            assert Lines().push(connection.recv(1_000))
            connection.sendall(b'{"is": "Samples", "samples": [0.1, 0.2]}\n')
            (ended,) = of(until(ears, has(Ended)), Ended)
    assert "Samples" in ended.problem.detail


def pid(folder: Path) -> int:
    return int((folder / LOCK_NAME).read_text())


def until_gone(process: int) -> None:
    """Wait for the end of a process that isn't ours; a zombie has ended."""
    deadline_s = time.monotonic() + 30
    stat = Path(f"/proc/{process}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline_s, f"process {process} is still there"
        time.sleep(0.02)


def test_the_desktop_s_service_ends_with_the_app(services: Services) -> None:
    process = ServiceProcess(services.folder)
    ears = ServiceEars(services.folder, process.launch)
    ears.start(WISH)
    until(ears, has(Started))
    first = pid(services.folder)
    process.launch()
    ears.stop()
    until(ears, has(Ended))
    until_gone(first)
    ears.start(WISH)
    until(ears, has(Started))
    assert pid(services.folder) != first
    process.end()
    assert {path.name for path in services.folder.iterdir()} <= {"events.jsonl", LOCK_NAME}


def test_the_desktop_s_service_ends_with_a_killed_app(services: Services) -> None:
    app = """
import sys, time
from pathlib import Path
from kilohear_ui.ears import Started, Wish
from kilohear_ui.ears.remote import ServiceEars, ServiceProcess
folder = Path(sys.argv[1])
ears = ServiceEars(folder, ServiceProcess(folder).launch)
ears.start(Wish(source="demo-synthetic"))
while not any(isinstance(each, Started) for each in ears.take()):
    time.sleep(0.01)
print("listens", flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", app, str(services.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "listens\n"
        service = pid(services.folder)
        killed.kill()
    if not Path("/proc").exists():
        pytest.skip("only Linux tells of processes that aren't ours")
    until_gone(service)
    assert {path.name for path in services.folder.iterdir()} <= {"events.jsonl", LOCK_NAME}


def test_why_it_ended_waits_for_the_app_that_comes_back(services: Services) -> None:
    save_json(Kept(Wish(bundle="gone", source="demo-synthetic")), services.folder / WISH_NAME)
    services.launch()
    assert services.ended() == 0
    back = ServiceEars(services.folder, services.launch)
    (ended,) = of(until(back, has(Ended)), Ended)
    assert ended.problem.kind == "no_bundle"
    assert not back.is_listening
    assert ServiceEars(services.folder, services.launch).take() == []
    assert len(services.started) == 1


def test_a_service_that_may_not_begin_says_why_at_once(services: Services) -> None:
    refused = Ended(Problem("no_permission", "not granted"))
    ears = ServiceEars(services.folder, lambda: keep_end(services.folder, refused))
    ears.start(WISH)
    assert of(until(ears, has(Ended)), Ended) == [refused]
    assert not ears.is_listening


def test_a_folder_with_too_long_a_path_is_said_once_and_only_when_asked(tmp_path: Path) -> None:
    ears = ServiceEars(tmp_path / ("long" * 30), lambda: None)
    dialled = []
    for wanted in (False, True, False):
        if wanted:
            ears.start(WISH)
        ears._dialled_s -= 1
        dialled.append(ears.take())
    (ended,) = dialled.pop(1)
    assert isinstance(ended, Ended)
    assert ended.problem is not None
    assert "shorter path" in ended.problem.detail
    assert dialled == [[], []]


def test_a_broken_end_is_none(tmp_path: Path) -> None:
    (tmp_path / ENDED_NAME).write_text("{")
    assert kept_end(tmp_path) is None
    assert not (tmp_path / ENDED_NAME).exists()
