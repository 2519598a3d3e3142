"""Ears in a service's process: the screens' side of `wire`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kilohear.errors import ConfigError, KilohearError
from kilohear_ui.ears import Ended, Said, Started, Trouble, Wish
from kilohear_ui.ears.wire import (
    VERSION,
    WISH_NAME,
    Ask,
    Hello,
    Lines,
    forget_end,
    kept_end,
    socket_path,
    to_line,
)
from kilohear_ui.problems import ServiceGone, problem_of

START_S = 30.0
"""How long a service may take until it can be reached."""

END_S = 10.0
"""How long a service may take to end."""

SERVICE = "kilohear_ui.ears.service"

DIAL_EVERY_S = 0.2

LAUNCH_EVERY_S = 2.0
"""How long a service that can't be reached has until it is launched again: the one before may have
been ending just then, and a launch does nothing beside it.
"""

STEADY_S = 60.0
"""A service that listened for so long may be restarted once more."""


class ServiceEars:
    """Ears of a service, which goes on when the app ends; see `kilohear_ui.ears.Ears`.

    There is no thread here: `take`, which the screens call in every frame, reads what has come,
    and restarts a service that is gone.

    Parameters
    ----------
    folder
        The app's; the service's is the same one.
    launch
        Starts the service's process and returns at once; does nothing where it runs. It is called
        in the thread that calls `start` and `take`.
    """

    has_spectrum = False

    def __init__(self, folder: Path, launch: Callable[[], None]) -> None:
        self._folder, self._launch = folder, launch
        self._connection: socket.socket | None = None
        self._lines = Lines()
        self._said: list[Said] = []
        self._wish: Wish | None = None
        self._waits_until_s: float | None = None
        self._launched_s = 0.0
        self._dialled_s = -DIAL_EVERY_S
        self._reached_s = 0.0
        self._has_restarted = False
        self._is_ending = False  # told to stop, and its process not gone yet
        self._is_listening = self._is_paused = False

    @property
    def is_listening(self) -> bool:
        """Whether the service listens, or was told to."""
        return self._is_listening

    @property
    def is_paused(self) -> bool:
        """Whether the microphone is let go of for now."""
        return self._is_paused

    def start(self, wish: Wish) -> None:
        """Let the service listen; it is started where it isn't running."""
        self._wish, self._is_listening, self._is_paused = wish, True, False
        self._has_restarted = False
        forget_end(self._folder)
        if self._connection is None:
            self._call()
        elif not self._is_ending:  # the next service is called once this one is gone
            self._ask(Ask("start", wish))

    def pause(self) -> None:
        """Let go of the microphone until `resume`."""
        if self._is_listening:
            self._is_paused = True
            if not self._is_ending:
                self._ask(Ask("pause"))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused = False
        if not self._is_ending:
            self._ask(Ask("resume"))

    def stop(self) -> None:
        """End the service; `Ended` is said once it has stopped listening."""
        self._wish, self._is_paused = None, False
        # A service that the system restarts mustn't go on with it.
        (self._folder / WISH_NAME).unlink(missing_ok=True)
        if self._connection is not None:
            self._ask_to_end()
        elif self._is_listening and self._waits_until_s is None:
            self._end(None)

    def take(self) -> list[Said]:
        """Return what was said since the last call; never waits."""
        if self._connection is None:
            self._dial()
        if self._connection is not None:
            self._read()
        said, self._said = self._said, []
        return said

    def spectrum(self) -> None:
        """Return None: bands don't cross the border of a process."""

    def watch_spectrum(self, wanted: bool) -> None:
        """Do nothing, as `spectrum`."""

    def close(self) -> None:
        """Let go of the service, which goes on listening."""
        self._hang_up()

    def _call(self) -> None:
        """Start the service and wait for it."""
        self._waits_until_s = time.monotonic() + START_S
        self._launch_now()

    def _launch_now(self) -> None:
        self._launched_s = time.monotonic()
        try:
            self._launch()
        except (KilohearError, OSError) as error:
            self._waits_until_s = None
            self._end(ServiceGone(f"the service can't be started ({error}); start it again"))

    def _is_late(self, now_s: float) -> bool:
        return now_s - self._launched_s > LAUNCH_EVERY_S

    def _dial(self) -> None:
        now_s = time.monotonic()
        if now_s - self._dialled_s < DIAL_EVERY_S:
            return
        self._dialled_s = now_s
        try:
            self._connection = dial(self._folder)
        except ServiceGone as error:
            if self._take_end():
                self._waits_until_s = None
            elif self._waits_until_s is not None and now_s > self._waits_until_s:
                self._waits_until_s = None
                self._end(error if self._wish else None)
            elif self._wish and self._waits_until_s is not None and self._is_late(now_s):
                self._launch_now()
            return
        except ConfigError as error:  # a path that is too long: said once it is wanted
            if self._waits_until_s is not None:
                self._waits_until_s = None
                self._end(error)
            return
        self._lines, self._reached_s = Lines(), now_s
        self._ask(Hello(VERSION, os.getpid()))
        if self._waits_until_s is not None:
            self._waits_until_s = None
            if self._wish:
                self._ask(Ask("start", self._wish, self._is_paused))
            else:
                self._ask_to_end()

    def _read(self) -> None:
        connection = self._connection
        while connection is not None and connection is self._connection:
            try:
                data = connection.recv(65_536)
                messages = self._lines.push(data) if data else []
            except BlockingIOError:
                return
            except OSError:
                data, messages = b"", []
            except ConfigError as error:
                self._hang_up()
                self._end(error)
                return
            for message in messages:
                self._hear(message)
            if not data:
                self._lose()

    def _hear(self, message: Said | Hello | Ask) -> None:
        if isinstance(message, Hello):
            if self._wish is None and message.is_listening:
                self._is_listening, self._is_paused = True, message.is_paused
        elif isinstance(message, Ended):
            if not (self._is_ending and self._wish):  # else it is wanted again since
                self._said.append(message)
                self._is_listening = self._is_paused = False
                self._wish = None
            forget_end(self._folder)
        elif not isinstance(message, Ask):
            self._said.append(message)
            self._is_listening = self._is_listening or isinstance(message, Started)

    def _take_end(self) -> bool:
        """Say why listening ended while no app was there; return whether it had."""
        ended = kept_end(self._folder)
        if ended is None:
            return False
        self._hear(ended)
        return True

    def _lose(self) -> None:
        """The service's process is gone: restart it once, where it was listening."""
        was_to_end = self._is_ending
        self._hang_up()
        if not self._is_listening:
            return
        if was_to_end:
            forget_end(self._folder)
            if self._wish:
                self._call()
            else:
                self._end(None)
            return
        if self._take_end():
            return
        gone = ServiceGone("the service that listens was ended by the system; start it again")
        if time.monotonic() - self._reached_s > STEADY_S:
            self._has_restarted = False
        if self._has_restarted or (self._wish is None and not self._remember()):
            self._end(gone)
            return
        self._has_restarted = True
        self._said.append(Trouble(problem_of(gone)))
        self._call()

    def _remember(self) -> bool:
        """Take the wish that the service has kept: an app before this one may have made it."""
        from kilohear_ui.ears.service import kept

        before = kept(self._folder)
        self._wish = None if before is None else before.wish
        return before is not None

    def _ask_to_end(self) -> None:
        self._is_ending = True
        self._ask(Ask("stop"))

    def _ask(self, message: Ask | Hello) -> None:
        if self._connection is not None:
            try:
                self._connection.sendall(to_line(message))
            except OSError:
                self._connection.close()  # reading says that it is gone

    def _end(self, error: KilohearError | None) -> None:
        self._is_listening = self._is_paused = False
        self._wish = None
        self._said.append(Ended(None if error is None else problem_of(error)))

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_ending = None, False


def dial(folder: Path) -> socket.socket:
    """Return a connection to the service on a folder.

    Raises
    ------
    ServiceGone
        Where none can be reached.
    """
    path = socket_path(folder)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise ServiceGone(
            f"{path}: no service can be reached ({error.strerror}); start listening again"
        ) from None
    connection.setblocking(False)
    return connection


class ServiceProcess:
    """The service on a desktop: a process that ends with this one, however this one ends.

    It holds a pipe that nobody writes to: the system closes it with this process.

    Parameters
    ----------
    folder
        The app's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process; does nothing where it runs."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", SERVICE, "--folder", str(self._folder), "--with-app"],
            stdin=subprocess.PIPE,
            # It finds the modules that this process found, and is spared this terminal's Ctrl-C.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )

    def end(self) -> None:
        """End the process, and wait until it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None, "it was started with a pipe"
        process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
