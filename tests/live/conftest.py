"""Fixtures of the live tests: an audio server of their own, and processes that listen to it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kilohear import extras
from kilohear.errors import ExtraError
from kilohear_bench.audio_server import AudioServer, audio_server, missing_programs

DEADLINE_S = 20.0


class Ear:
    """A process that listens to the microphone; `heard` fills with what it says."""

    def __init__(self, server: AudioServer, options: dict[str, Any]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        command = [sys.executable, "-m", "kilohear_bench.hear", json.dumps(options)]
        self.process = subprocess.Popen(
            command, env=server.environment, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, kind: str, is_it: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
        """Return the first thing heard of that kind, as soon as it is there."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.all(kind) if is_it(each)), None)

        with self._changed:
            self._changed.wait_for(
                lambda: found() is not None or self.process.poll() is not None, DEADLINE_S
            )
            there = found()
        assert there is not None, f"no such {kind} in {DEADLINE_S:g} s; heard: {self.heard}"
        return there

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.heard if each["kind"] == kind]

    def events(self) -> list[dict[str, Any]]:
        """What has been heard to its end."""
        return [event for event in self.all("event") if event["end_s"] is not None]

    def end(self) -> None:
        """Let it end in order, so that sounds under way get their end."""
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0
        self._reader.join(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for said in self.process.stdout:
            with self._changed:
                self.heard.append(json.loads(said))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@pytest.fixture(scope="package")
def server() -> Iterator[AudioServer]:
    missing = missing_programs()
    if missing:
        pytest.skip(f"no audio server can be started: {', '.join(missing)} isn't installed")
    try:
        extras.load("sounddevice")
    except (ExtraError, OSError) as error:
        pytest.skip(f"no microphone can be opened: {error}")
    with audio_server() as server:
        yield server


@pytest.fixture
def listen(server: AudioServer) -> Iterator[Callable[..., Ear]]:
    """Start listening to the microphone; whoever still listens at the end is ended."""
    with ExitStack() as stack:

        def listen(**options: Any) -> Ear:
            ear = Ear(server, {"source": "microphone", "runtime": "onnx", **options})
            stack.callback(ear.process.wait, DEADLINE_S)
            stack.callback(ear.process.kill)
            ear.wait_for("listening")
            return ear

        yield listen
