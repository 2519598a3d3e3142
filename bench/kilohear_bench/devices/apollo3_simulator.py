"""The simulated Apollo3 board behind a pseudo-terminal: host code opens it as it opens a board.

Everything that it says is *simulated*. While the firmware works or streams, virtual time runs as
fast as the computer allows; while it waits for a command, virtual time keeps the pace of the
clock on the wall, or stands still.
"""

from __future__ import annotations

import os
import queue
import select
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kilohear_bench.apollo3.block import SimulatorError
from kilohear_bench.apollo3.elf import Image, load_image
from kilohear_bench.apollo3.machine import Edge, Machine, Usage
from kilohear_bench.apollo3.microphone import Microphone

T = TypeVar("T")

SLICE_S = 0.1
"""Virtual seconds between two looks at the serial line."""

_MOST_UNREAD = 1 << 20


class Simulator:
    """A simulated board with a serial port; see `kilohear_bench.apollo3.machine.Machine`.

    Parameters
    ----------
    firmware
        Path of an ELF, or an image; the one that ships where None.
    microphone
        What the board hears; silence where None.
    paced
        Whether virtual time passes while the board waits for a command. Where it doesn't, the same
        commands after `power_cycle` take the same instructions at the same times, run for run.
    options
        Further arguments of `Machine`: `cost`, `core_hz`, `user_slot`, `native`.

    Use it in a `with` statement, or call `start` and `stop`.
    """

    def __init__(
        self,
        firmware: Path | str | Image | None = None,
        microphone: Microphone | None = None,
        *,
        paced: bool = True,
        **options: Any,
    ) -> None:
        self.microphone = microphone or Microphone()
        self.failure: BaseException | None = None
        """Why the simulation ended by itself; the serial port is closed then, as by a lost link."""
        self._image = firmware if isinstance(firmware, Image) else load_image(firmware)
        self._paced = paced
        self._options = options
        self._unsent = bytearray()
        self._requests: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ends: tuple[int, int] | None = None  # of the pseudo-terminal: master, slave
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._running = False

    @property
    def port(self) -> str:
        """Path of the serial port; the same one after `unplug` and `plug`."""
        if self._folder is None:
            raise SimulatorError("the simulator isn't running; call start()")
        return str(Path(self._folder.name) / "board")

    def start(self) -> str:
        """Switch the board on; return the path of its serial port.

        Raises SimulatorError on Windows, which has no pseudo-terminals: use `Machine.command`.
        """
        if sys.platform == "win32":
            raise SimulatorError(
                "Windows has no pseudo-terminals; run the simulator on Linux or macOS, "
                "or use kilohear_bench.apollo3.machine.Machine without a serial port"
            )
        if self._thread is not None:
            return self.port
        self._machine = Machine(self._image, self.microphone, self._unsent.extend, **self._options)
        self._folder = tempfile.TemporaryDirectory(prefix="kilohear-board-")
        self._wake = os.pipe()
        self._plug()
        self._running = True
        self._thread = threading.Thread(target=self._serve, name="apollo3 simulator", daemon=True)
        self._thread.start()
        return self.port

    def stop(self) -> None:
        """Switch the board off. Raises what ended the simulation before, if something did."""
        if self._thread is None:
            return
        self._running = False
        self._interrupt()
        self._thread.join()
        self._thread = None
        self._unplug()
        for end in self._wake:
            os.close(end)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        if self.failure is not None:
            raise self.failure

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except SimulatorError:
            if error is None:
                raise

    def reset(self, cause: str = "pin") -> None:
        """Reset the board in the middle of whatever it does; see `Machine.reset`."""
        self._call(lambda: self._machine.reset(cause))

    def power_cycle(self, student: bytes | None) -> None:
        """Switch the board off and on, a student or none in its user slot.

        It has greeted and waits for a command.
        """

        def cycle() -> None:
            self._machine.write_user_slot(student)
            self._machine.reset("power-on")
            self._machine.run(stop_when_waiting=True)

        self._call(cycle)

    def settle(self) -> None:
        """Let the board end what is under way, until it waits for a command."""
        self._call(lambda: self._machine.run(stop_when_waiting=True))

    def write_user_slot(self, student: bytes | None) -> None:
        """Flash a student into the user slot, None erases it; the board is reset."""
        self._call(lambda: self._machine.write_user_slot(student))

    def usage(self) -> Usage:
        """Return what has been used up to now; see `Usage`."""
        return self._call(self._machine.usage)

    def edges(self) -> list[Edge]:
        """Return the pins' changes, the latest 100,000."""
        return self._call(lambda: list(self._machine.edges))

    def unplug(self) -> None:
        """Lose the serial link; the board runs on."""
        self._call(self._unplug)

    def plug(self) -> str:
        """Connect the serial link again; return the port's path, which stays the same."""
        self._call(self._plug)
        return self.port

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function between two slices of the simulation."""
        if self._thread is None or not self._thread.is_alive():
            if self.failure is not None:
                raise SimulatorError(f"the simulation has ended: {self.failure}") from self.failure
            raise SimulatorError("the simulator isn't running; call start()")
        answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def request() -> None:
            try:
                answers.put((function(), None))
            except BaseException as error:
                answers.put((None, error))

        self._requests.put(request)
        self._interrupt()
        while True:
            try:
                value, error = answers.get(timeout=1.0)
            except queue.Empty:
                if self._thread.is_alive():
                    continue
                raise SimulatorError(f"the simulation has ended: {self.failure}") from None
            if error is not None:
                raise error
            return value  # type: ignore[return-value]

    def _interrupt(self) -> None:
        os.write(self._wake[1], b"!")

    def _plug(self) -> None:
        if self._ends is not None:
            return
        import tty

        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._ends = master, slave
        link = Path(self.port)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))

    def _unplug(self) -> None:
        if self._ends is None:
            return
        for end in self._ends:
            os.close(end)
        self._ends = None
        self._unsent.clear()

    def _serve(self) -> None:
        try:
            while self._running:
                self._step()
        except BaseException as error:
            self.failure = error
            self._unplug()

    def _step(self) -> None:
        machine = self._machine
        while not self._requests.empty():
            self._requests.get()()
        if machine.waits_for_host:
            self._idle()
        else:
            self._exchange(0.0)
            machine.run(machine.time_s + SLICE_S, stop_when_waiting=True)

    def _idle(self) -> None:
        """Wait for the host; paced, virtual time goes on with the clock on the wall."""
        began = time.monotonic()
        self._exchange(SLICE_S)
        if self._paced and not self._machine.uart.line:
            self._machine.run(self._machine.time_s + time.monotonic() - began)

    def _exchange(self, timeout_s: float) -> None:
        """Pass bytes between serial port and board; wait for some for `timeout_s` at most."""
        if self._ends is None:
            self._unsent.clear()
            readable = select.select([self._wake[0]], [], [], timeout_s)[0]
        else:
            master = self._ends[0]
            del self._unsent[:-_MOST_UNREAD]  # nobody reads: the oldest are lost
            self._send(master)
            readable = select.select(
                [master, self._wake[0]], [master] if self._unsent else [], [], timeout_s
            )[0]
            if master in readable:
                try:
                    self._machine.feed(os.read(master, 4096))
                except OSError:  # the port is being closed and opened again
                    time.sleep(0.001)
            self._send(master)
        if self._wake[0] in readable:
            os.read(self._wake[0], 4096)

    def _send(self, master: int) -> None:
        if self._unsent:
            try:
                sent = os.write(master, self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]
