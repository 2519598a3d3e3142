"""A simulated board with the firmware that ships, and a serial line that speaks what it's told."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import kilohear
from kilohear_bench.apollo3.elf import FIRMWARE, load_image
from kilohear_bench.apollo3.machine import Machine
from kilohear_bench.apollo3.microphone import Microphone
from kilohear_bench.devices.apollo3_simulator import Simulator


def microphone() -> Microphone:
    """Two seconds of noise, again and again at each start."""
    noise = np.random.default_rng(3).normal(0, 0.1, 16_000 * 2)
    return Microphone().queue(noise, 16_000)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    pytest.importorskip("unicorn")
    if not FIRMWARE.is_file():
        pytest.skip("the firmware isn't built: make -C bench/apollo3")
    with Simulator(microphone=microphone()) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def student() -> bytes | None:
    """What goes into the user slot to have a student of 1 kHz; None where one is built in."""
    pytest.importorskip("unicorn")
    if "m-student-[built-in" in Machine(load_image()).command("version%"):
        return None
    from pathlib import Path

    from kilohear.student_image import words_of_header

    header = Path(kilohear.__file__).parent / "bundles" / "esc10-1khz" / "student.h"
    if not header.is_file():
        pytest.skip("no student for the board is there: kilohear export")
    return bytes(words_of_header(header.read_text()))


@pytest.fixture
def listening(student: bytes | None) -> Iterator[Simulator]:
    """A simulated board that has a student of 1 kHz."""
    with Simulator(microphone=microphone(), user_slot=student) as simulator:
        yield simulator


class Line:
    """A pseudo-terminal whose far end answers by a function: command to the bytes it sends."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.commands: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        text = ""
        while True:
            try:
                data = os.read(self._master, 1024)
            except OSError:
                return
            if not data or data == b"\x04":
                return
            text += data.decode("latin-1")
            while "%" in text:
                command, _, text = text.partition("%")
                self.commands.append(command)
                os.write(self._master, self._answer(command))

    def close(self) -> None:
        os.write(self._slave, b"\x04")  # ends the thread
        self._thread.join(2)
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture
def line() -> Iterator[Callable[[Callable[[str], bytes]], Line]]:
    lines: list[Line] = []

    def make(answer: Callable[[str], bytes]) -> Line:
        lines.append(Line(answer))
        return lines[-1]

    yield make
    for each in lines:
        each.close()


@pytest.fixture
def board_image() -> None:
    """The firmware that ships; skips where it isn't built."""
    if not FIRMWARE.is_file():
        pytest.skip("the firmware isn't built: make -C bench/apollo3")
