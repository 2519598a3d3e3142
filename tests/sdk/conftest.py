"""Fixtures of the SDK's tests: a source and a backend made on the spot."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.sdk.apple import BUFFERS, DIRTY, POOLS, QUEUES, THREADS, Phone, compile_toolbox

# These run in a process of their own that plays an Android app: see test_on_java.py.
collect_ignore_glob = [] if "ANDROID_ARGUMENT" in os.environ else ["*test_android*.py"]


@dataclasses.dataclass
class ArraySource:
    """A clip (samples,) as a source; keeps the blocks it gave, to look at afterwards."""

    clip: NDArray[np.float32]
    rate_hz: int
    block: int = 100
    name: str = "array"
    lost_samples: int = 0

    def __post_init__(self) -> None:
        self.requested_hz = self.rate_hz
        self.given: list[NDArray[np.float32]] = []

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self.clip), self.block):
            self.given.append(self.clip[start : start + self.block].astype(np.float32))
            yield self.given[-1]


class LoudnessBackend:
    """Says "loud" above an RMS of 0.1, else "quiet"; keeps the waveforms it was given."""

    runtime, version = "fake", "0"

    def __init__(self) -> None:
        self.waveforms: list[NDArray[np.float32]] = []

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        self.waveforms.append(waveform.copy())
        is_loud = float(np.sqrt(np.mean(waveform**2))) > 0.1
        return np.array([[0.1, 0.9, 0.0] if is_loud else [0.9, 0.1, 0.0]], np.float32)


@pytest.fixture
def array_source() -> type[ArraySource]:
    return ArraySource


@pytest.fixture
def loudness() -> LoudnessBackend:
    return LoudnessBackend()


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class LiveSource:
    """A microphone by script: each opening plays the next act.

    An act is a list of blocks (samples,), of exceptions to raise, and of numbers: samples lost
    before the next block. Each block takes its time on the clock.
    """

    live = True

    def __init__(self, *acts: list[NDArray[np.float32] | Exception | int], rate_hz: int) -> None:
        self.acts = list(acts)
        self.rate_hz = self.requested_hz = rate_hz
        self.name = "script"
        self.lost_samples = 0
        self.closed = 0
        self.clock = Clock()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        act = self.acts.pop(0) if self.acts else []
        try:
            for step in act:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int):
                    self.lost_samples += step
                    self.clock.now_s += step / self.rate_hz
                    continue
                self.clock.now_s += len(step) / self.rate_hz
                yield step.copy()
        finally:
            self.closed += 1


@pytest.fixture
def live_source() -> type[LiveSource]:
    return LiveSource


@pytest.fixture(scope="session")
def android_stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-ins for Android's classes, compiled: a class path; read only."""
    javac = shutil.which("javac")
    if javac is None:
        pytest.skip("javac isn't here: install default-jdk-headless")
    classes = tmp_path_factory.mktemp("android")
    sources = map(str, (Path(__file__).parent / "android_stubs").rglob("*.java"))
    subprocess.run([javac, "-nowarn", "-d", str(classes), *sources], check=True)
    return classes


@pytest.fixture
def phone() -> Any:
    """The Java class by which a test says what the phone does; a phone like new."""
    from jnius import autoclass

    phone = autoclass("phone.Phone")
    phone.reset()
    return phone


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_toolbox(tmp_path_factory.mktemp("apple"))


@pytest.fixture
def iphone(toolbox: ctypes.CDLL) -> Iterator[Phone]:
    """A phone by script; whatever a test does, nothing of it may be left in the system."""
    iphone = Phone(toolbox)
    yield iphone
    left = [iphone.count(what) for what in (QUEUES, BUFFERS, THREADS, DIRTY, POOLS)]
    assert left == [0, 0, 0, 0, 0], "queues, buffers, threads, buffers not overwritten, pools"
