"""Capture: where sound comes from. One protocol for recordings, microphones and phones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import ConfigError
from kilohear.system import system

__all__ = ["Source", "open_source"]

BLOCK_S = 0.1
MICROPHONE_BLOCK_S = 0.5
"""Longer: for as long as a microphone is listened to, every block wakes the processor."""


@runtime_checkable
class Source(Protocol):
    """A mono stream of sound.

    Attributes
    ----------
    name
        What a person calls it: a file's or a device's name.
    requested_hz
        The rate that was asked for; a recording's is its own.
    rate_hz
        The rate that was granted: that of the blocks.
    lost_samples
        Samples the source had to drop so far. Never hidden: callers report it.

    A source that goes on without us, a microphone or a stream, has `live = True` too. It is read in
    a thread of its own; where it is gone, `blocks()` raises `SourceLost`, and is called again.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def requested_hz(self) -> int: ...  # noqa: D102

    @property
    def rate_hz(self) -> int: ...  # noqa: D102

    @property
    def lost_samples(self) -> int: ...  # noqa: D102

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,) in [-1, 1] until the source ends.

        Each block is the receiver's to overwrite; the source keeps no copy.
        """
        ...


def open_source(address: str | Path, block_s: float | None = None) -> Source:
    """Open a recording, a microphone or a stream.

    Parameters
    ----------
    address
        The path of a recording (WAV, FLAC or anything else that soundfile reads; several channels
        are averaged into one), or one of

        - `microphone`, `microphone:NAME`: the default one, or one with NAME in its name;
        - `-?rate_hz=16000`: 16-bit little-endian mono PCM from standard input;
        - `tcp://HOST:PORT?rate_hz=16000`: the same from a TCP server;
        - `serial:PORT?rate_hz=16000&baud=921600`: the same from a serial port.
    block_s
        Length of a block, seconds; None: 0.5 from a microphone, else 0.1.

    Raises
    ------
    AudioError
        Where the file is missing, empty, truncated, no audio, or holds NaN or infinite samples;
        where there is no such microphone.
    ConfigError
        Where an address lacks its rate or has an unknown option.
    ExtraError
        Where the package that reads it isn't installed.
    """
    # Each kind needs its package from here on only.
    if not isinstance(address, str) or not _is_address(address):
        from kilohear.capture.wav import Recording

        return Recording(address, BLOCK_S if block_s is None else block_s)
    plain, _, query = address.partition("?")
    if plain.startswith("microphone"):
        block_s = MICROPHONE_BLOCK_S if block_s is None else block_s
        return _open_microphone(plain.partition(":")[2] or None, block_s)
    block_s = BLOCK_S if block_s is None else block_s
    from kilohear.capture import pcm

    if plain == "-":
        return pcm.from_stdin(_options(address, query, "rate_hz")["rate_hz"], block_s)
    if plain.startswith("tcp://"):
        parts = urlsplit(plain)
        if not parts.hostname or not parts.port:
            raise ConfigError(f"{address}: no host and port; give tcp://HOST:PORT?rate_hz=16000")
        rate_hz = _options(address, query, "rate_hz")["rate_hz"]
        return pcm.from_tcp(parts.hostname, parts.port, rate_hz, block_s)
    options = _options(address, query, "rate_hz", "baud")
    port = plain.removeprefix("serial:")
    return pcm.from_serial(port, options["rate_hz"], options["baud"], block_s)


def _open_microphone(name: str | None, block_s: float) -> Source:
    """Open this system's microphone; a phone chooses among its own."""
    phone = system()
    if phone == "android":
        from kilohear.capture.android import AndroidMicrophone

        return AndroidMicrophone(block_s=block_s)
    if phone == "ios":
        from kilohear.capture.ios import IosMicrophone

        return IosMicrophone(block_s=block_s)
    from kilohear.capture.microphone import Microphone

    return Microphone(name, block_s=block_s)


def _is_address(text: str) -> bool:
    plain = text.partition("?")[0]
    return plain in ("-", "microphone") or plain.startswith(("microphone:", "tcp://", "serial:"))


def _options(address: str, query: str, *names: str) -> dict[str, int]:
    """Return an address's options, all of them whole numbers and needed."""
    given = dict(parse_qsl(query))
    wrong = [name for name in names if not given.get(name, "").isdigit()] + sorted(
        given.keys() - set(names)
    )
    if wrong:
        wanted = "&".join(f"{name}=NUMBER" for name in names)
        raise ConfigError(f"{address}: {wrong[0]} is missing, unknown or no number; give ?{wanted}")
    return {name: int(given[name]) for name in names}
