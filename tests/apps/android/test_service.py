"""The service as a process of its own, on the stand-ins for Android, and the app that it tells."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.android.conftest import APP
from tests.conftest import make_card

from kilohear.bundle import Export, Parity, write_card
from kilohear.events import Detection, Event
from kilohear.files import hash_files
from kilohear_ui.ears import Ended, Said, Started, Trouble, Wish
from kilohear_ui.ears.remote import ServiceEars
from kilohear_ui.history import History

PHONE = """
import runpy, sys
from jnius import autoclass
phone = autoclass("phone.Phone")
phone.reset()
phone.startService()
phone.play("tone 100000")
runpy.run_path(sys.argv[1], run_name="__main__")
"""


class Service:
    """The service's processes, as Android would start them."""

    def __init__(self, folder: Path, classes: Path) -> None:
        self._environment = {
            **os.environ,
            "CLASSPATH": str(classes),
            "ANDROID_ARGUMENT": ".",
            "ANDROID_PRIVATE": str(folder),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def launch(self) -> None:
        command = [sys.executable, "-c", PHONE, str(APP / "service.py")]
        self.processes.append(subprocess.Popen(command, env=self._environment))


@pytest.fixture
def folder() -> Iterator[Path]:
    """The app's: short, as a socket's path must be."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture
def service(folder: Path, app_classes: Path) -> Iterator[Service]:
    service = Service(folder, app_classes)
    yield service
    for process in service.processes:
        process.kill()
        process.wait()


def _until(ears: ServiceEars, kind: type, seconds: float = 60.0) -> list[Said]:
    """Take what is said until something of a kind is."""
    said: list[Said] = []
    deadline_s = time.monotonic() + seconds
    while not any(isinstance(each, kind) for each in said):
        assert time.monotonic() < deadline_s, said
        time.sleep(0.02)  # as the screens' frames do
        said += ears.take()
    return said


def test_the_service_goes_on_after_it_was_killed_and_stops_for_good(
    folder: Path, service: Service
) -> None:
    ears = ServiceEars(folder, service.launch)
    ears.start(Wish(str(_loudness(folder / "bundle")), detection=Detection(smoothing_s=0.0)))
    said = _until(ears, Event)
    [started] = [each for each in said if isinstance(each, Started)]
    assert (started.runtime, started.effective_hz) == ("executorch", 1_000)
    [event, *_] = [each for each in said if isinstance(each, Event)]
    assert event.label == "loud"
    service.processes[0].kill()
    said = _until(ears, Event)
    problems = [each.problem.kind for each in said if isinstance(each, Trouble)]
    assert problems == ["service_gone"]
    assert ears.is_listening
    assert len(service.processes) == 2
    ears.stop()
    said = _until(ears, Ended)
    assert Ended(None) in said
    assert service.processes[1].wait(30) == 0
    ears.close()
    history = History(folder / "events.jsonl")
    history.update()
    assert {entry.label for entry in history.entries} >= {"loud"}
    left = {file.name for file in folder.iterdir()}
    assert left <= {"bundle", "events.jsonl", "ears.lock"}


def _loudness(folder: Path) -> Path:
    """A bundle whose file the stand-in of ExecuTorch's Module knows."""
    folder.mkdir()
    (folder / "student.pte").write_text("loudness")
    parity = Parity(1, "made up", 1.0, 0.0, 0.0, "nothing")
    export = Export("student.pte", "executorch", "float32", 8, parity)
    hashes = hash_files(folder, ("student.pte",))
    write_card(folder, make_card(exports=(export,), sha256=hashes))
    return folder
