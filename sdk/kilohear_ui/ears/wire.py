"""What crosses the border between the service's process and the screens': lines of JSON.

Labels, times and levels only: the types of `Said`, what is asked for, and a greeting. None has a
field that could hold sound or bands.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from kilohear.config import from_dict, load_json, save_json, to_dict
from kilohear.errors import ConfigError, KilohearError
from kilohear_ui.ears import Ended, Said, Wish

VERSION = 1

SOCKET_NAME = "ears.sock"
WISH_NAME = "wish.json"
ENDED_NAME = "ended.json"
"""Why listening ended, until an app has taken it: there may be none when it ends."""

_MOST_PATH_BYTES = 103
"""Of a Unix-domain socket's address on macOS and iOS; Linux takes four more."""

_MOST_LINE_BYTES = 65_536


@dataclasses.dataclass(frozen=True)
class Hello:
    """The first line of either side: what it speaks, who it is, and how it goes."""

    version: int
    pid: int
    is_listening: bool = False
    is_paused: bool = False


@dataclasses.dataclass(frozen=True)
class Ask:
    """What the screens want; `start` comes with a wish, and may begin with a pause."""

    what: Literal["start", "pause", "resume", "stop"]
    wish: Wish | None = None
    is_paused: bool = False


Message = Said | Hello | Ask

_TYPES: dict[str, type] = {kind.__name__: kind for kind in get_args(Message)}


def to_line(message: Message) -> bytes:
    """Return a message as one line."""
    line = {"is": type(message).__name__, **to_dict(message)}
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """Return the message of one line.

    Raises
    ------
    ConfigError
        Where it is none, or of another version of the app.
    """
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"wire: no JSON ({error}); stop the service and start it again") from None
    name = data.pop("is", None) if isinstance(data, dict) else None
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ConfigError(
            f"wire: {line[:60]!r} is no message; app and service differ: stop the service and "
            "start it again"
        )
    message = from_dict(kind, data, f"wire: {kind.__name__}")
    if isinstance(message, Hello) and message.version != VERSION:
        raise ConfigError(
            f"wire: the other side speaks version {message.version}, this one {VERSION}; stop the "
            "service and start it again"
        )
    return message


class Lines:
    """Cut what comes out of a socket into lines, however it was split on its way."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes; raises ConfigError where one is none."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_LINE_BYTES:
            raise ConfigError(
                f"wire: a line of more than {_MOST_LINE_BYTES:,} bytes; stop the service and "
                "start it again"
            )
        return [from_line(line) for line in whole]


def keep_end(folder: Path, ended: Ended) -> None:
    """Keep why listening ended for the app that comes back; without space it is lost."""
    with suppress(KilohearError):
        save_json(ended, folder / ENDED_NAME)


def kept_end(folder: Path) -> Ended | None:
    """Return why listening ended; None: it didn't, an app knows, or the file is broken."""
    path = folder / ENDED_NAME
    try:
        return load_json(Ended, path) if path.exists() else None
    except ConfigError:
        forget_end(folder)
        return None


def forget_end(folder: Path) -> None:
    """Forget why listening ended: an app has taken it, or listening begins anew."""
    (folder / ENDED_NAME).unlink(missing_ok=True)


def socket_path(folder: Path) -> Path:
    """Return where the service listens for the app.

    Raises
    ------
    ConfigError
        Where the path is too long for a socket's address.
    """
    path = folder / SOCKET_NAME
    length = len(str(path).encode())
    if length > _MOST_PATH_BYTES:
        raise ConfigError(
            f"{path}: {length} bytes, a socket's path has at most {_MOST_PATH_BYTES}; choose a "
            "folder with a shorter path"
        )
    return path
