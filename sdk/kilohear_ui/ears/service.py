"""The service: listens in a process of its own, with or without the app; see `wire`.

python -m kilohear_ui.ears.service --folder FOLDER
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kilohear.config import load_json, save_json
from kilohear.errors import ConfigError, KilohearError
from kilohear.events import Event, Fault, Gap
from kilohear_ui.ears import Ears, Ended, Said, Started, Trouble, Wish
from kilohear_ui.ears.local import LocalEars
from kilohear_ui.ears.wire import (
    VERSION,
    WISH_NAME,
    Ask,
    Hello,
    Lines,
    forget_end,
    keep_end,
    socket_path,
    to_line,
)

LOCK_NAME = "ears.lock"

TICK_S = 0.1
"""How often the app is told, while there is one; without one a tenth as often."""

PATIENCE_S = 30.0
"""How long to wait for an app that says what to listen to."""

_HELD, _MOST_HELD = Event | Gap | Fault | Trouble, 1_000
"""What an app that comes back is told, and how many of them."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """What `wish.json` holds: what is listened to, and whether it was paused."""

    wish: Wish
    is_paused: bool = False


def run_service(folder: Path, tether: int | None = None) -> None:
    """Listen until told to stop, and tell the app, whenever there is one.

    Call it in the main thread. What is listened to is kept in `wish.json` until a stop, so that a
    service that the system restarts goes on, or stays paused; without one the app is waited for.

    Parameters
    ----------
    folder
        The app's; the socket and the event log lie there. One that is made is this user's alone.
    tether
        A pipe's end: the service ends once the other one is closed, and keeps no wish then.

    Raises
    ------
    KilohearError
        Where another service listens on this folder, or its path is too long for a socket.
    """
    path = socket_path(folder)
    folder.mkdir(0o700, parents=True, exist_ok=True)
    with _alone(folder), _listening(path) as server:
        ears = LocalEars(folder)
        try:
            _Service(folder, ears, server, tether).run()
        finally:
            ears.close()


class _Service:
    """The loop: one thread for the app, while the ears have theirs."""

    def __init__(self, folder: Path, ears: Ears, server: socket.socket, tether: int | None) -> None:
        self._folder, self._ears, self._server = folder, ears, server
        self._tether = tether
        self._wish: Wish | None = None
        self._started: Started | None = None
        self._held: deque[Said] = deque(maxlen=_MOST_HELD)
        self._app: socket.socket | None = None
        self._lines, self._unsent = Lines(), b""
        self._has_ended = False

    def run(self) -> None:
        before = kept(self._folder)
        if before is not None:
            self._start(before.wish, before.is_paused)
        began_s = time.monotonic()
        with selectors.DefaultSelector() as selector, _on_terminate(self._terminate):
            selector.register(self._server, selectors.EVENT_READ)
            if self._tether is not None:
                selector.register(self._tether, selectors.EVENT_READ)
            while not self._is_over(began_s):
                for key, _ in selector.select(TICK_S if self._app else 10 * TICK_S):
                    if key.fileobj is self._server:
                        self._accept(selector)
                    elif key.fileobj == self._tether:
                        self._forget_wish()
                        self._has_ended = True
                    else:
                        self._hear_app(selector)
                self._tell(selector)
            if self._app is not None and self._unsent:  # the end of it all is worth a wait
                self._app.settimeout(1.0)
                with suppress(OSError):
                    self._app.sendall(self._unsent)
            self._drop(selector)

    def _is_over(self, began_s: float) -> bool:
        if self._has_ended:
            return True
        waits = self._wish is None and self._app is None
        return waits and time.monotonic() - began_s > PATIENCE_S

    def _terminate(self) -> None:
        self._has_ended = True

    def _start(self, wish: Wish, is_paused: bool) -> None:
        if wish != self._wish or not self._ears.is_listening:
            self._wish = wish
            forget_end(self._folder)
            self._ears.start(wish)
        self._pause(is_paused)

    def _pause(self, wanted: bool) -> None:
        if wanted:
            self._ears.pause()
        else:
            self._ears.resume()
        if self._wish is not None:
            with suppress(KilohearError):  # no space: listening is worth more than a restart
                save_json(Kept(self._wish, wanted), self._folder / WISH_NAME)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        """Serve the newest app: an older one is gone, or hangs."""
        self._drop(selector)
        self._app, _ = self._server.accept()
        self._app.setblocking(False)
        self._lines = Lines()
        selector.register(self._app, selectors.EVENT_READ)
        ears = self._ears
        hello = Hello(VERSION, os.getpid(), ears.is_listening, ears.is_paused)
        known = [self._started, *self._held] if self._started else list(self._held)
        self._unsent = b"".join(map(to_line, [hello, *known]))
        self._held.clear()

    def _hear_app(self, selector: selectors.BaseSelector) -> None:
        assert self._app is not None
        try:
            data = self._app.recv(65_536)
            messages = self._lines.push(data) if data else []
        except BlockingIOError:
            return
        except (OSError, ConfigError):
            data, messages = b"", []
        for message in messages:
            if isinstance(message, Ask):
                self._do(message)
        if not data:
            self._drop(selector)

    def _do(self, ask: Ask) -> None:
        if ask.what == "start" and ask.wish is not None:
            self._start(ask.wish, ask.is_paused)
        elif ask.what in ("pause", "resume"):
            self._pause(ask.what == "pause")
        elif ask.what == "stop":
            self._forget_wish()
            self._ears.stop()
            self._has_ended = self._wish is None and not self._ears.is_listening
            self._wish = None  # nothing keeps it any more

    def _tell(self, selector: selectors.BaseSelector) -> None:
        """Send what was said; while an app doesn't read, the ears keep what matters."""
        if self._app is not None and self._unsent:
            self._send(selector)
        if self._unsent:
            return
        said = self._ears.take()
        for each in said:
            if isinstance(each, Started):
                self._started = each
                self._held.clear()
            elif isinstance(each, Ended):
                self._has_ended = True
                self._forget_wish()
                if each.problem is not None:
                    keep_end(self._folder, each)
        if self._app is None:
            self._held += (each for each in said if isinstance(each, _HELD))
            return
        self._unsent = b"".join(map(to_line, said))
        self._send(selector)

    def _forget_wish(self) -> None:
        (self._folder / WISH_NAME).unlink(missing_ok=True)

    def _send(self, selector: selectors.BaseSelector) -> None:
        assert self._app is not None
        try:
            sent = self._app.send(self._unsent) if self._unsent else 0
            self._unsent = self._unsent[sent:]
        except BlockingIOError:
            return
        except OSError:
            self._drop(selector)

    def _drop(self, selector: selectors.BaseSelector) -> None:
        if self._app is not None:
            selector.unregister(self._app)
            self._app.close()
        self._app, self._unsent = None, b""


def kept(folder: Path) -> Kept | None:
    """Return what was listened to when the last service ended; a broken file counts for none."""
    path = folder / WISH_NAME
    try:
        return load_json(Kept, path) if path.exists() else None
    except ConfigError:
        path.unlink(missing_ok=True)
        return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only service on a folder; the system lets go of the lock when a process ends."""
    path = folder / LOCK_NAME
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise KilohearError(
                f"{folder}: process {file.read().strip() or 'unknown'} listens here already; stop "
                "it in the app, or end that process"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """Give a socket at `path` that this user alone may use; it is removed at the end."""
    path.unlink(missing_ok=True)  # of a service that was killed
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        before = os.umask(0o077)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        server.listen()
        try:
            yield server
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _on_terminate(called: Callable[[], None]) -> Iterator[None]:
    """Call back where the system asks this process to end; the wish is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: called())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Run the service from the shell."""
    parser = argparse.ArgumentParser(description="Listen for the kilohear app, without it too.")
    parser.add_argument("--folder", type=Path, required=True, help="the app's folder")
    parser.add_argument("--with-app", action="store_true", help="end once standard input is closed")
    given = parser.parse_args()
    try:
        run_service(given.folder, sys.stdin.fileno() if given.with_app else None)
    except KilohearError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
