"""Raw PCM as a source: 16-bit little-endian mono from standard input, a TCP or a serial stream."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import ConfigError, SourceLost

TIMEOUT_S = 2.0
"""A live stream that gives nothing for longer is lost."""


class ByteStream(Protocol):
    """What PCM is read from."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most `size` bytes; none at the stream's end."""
        ...


class Pcm:
    """A stream of 16-bit samples.

    Parameters
    ----------
    name
        What a person calls it.
    rate_hz
        Its sampling rate; raw PCM doesn't say.
    opened
        Opens the stream; called anew after an outage.
    live
        Whether the stream goes on without us, so that its end is an outage.
    block_s
        Length of a block, seconds.
    """

    lost_samples = 0

    def __init__(
        self,
        name: str,
        rate_hz: int,
        opened: Callable[[], AbstractContextManager[ByteStream]],
        *,
        live: bool,
        block_s: float = 0.1,
    ) -> None:
        if rate_hz < 1 or not block_s > 0:
            raise ConfigError(
                f"{name}: rate_hz is {rate_hz} and block_s is {block_s}; give numbers above 0"
            )
        self.name, self.live = name, live
        self.rate_hz = self.requested_hz = rate_hz
        self._opened = opened
        self._block = max(1, round(block_s * rate_hz))

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,); raises SourceLost where a live stream ends or stalls."""
        try:
            with self._opened() as stream:
                yield from self._read(stream)
        except (OSError, EOFError) as error:
            raise SourceLost(
                f"{self.name}: {error or 'the stream ended'}; check the link"
            ) from None
        if self.live:
            raise SourceLost(f"{self.name}: the other end closed the stream; start it again")

    def _read(self, stream: ByteStream) -> Iterator[NDArray[np.float32]]:
        waiting = bytearray()
        while fresh := stream.read(2 * self._block - len(waiting)):
            waiting += fresh
            if len(waiting) == 2 * self._block:
                yield _samples(waiting)
        if len(waiting) > 1:
            yield _samples(waiting)


def from_stdin(rate_hz: int, block_s: float = 0.1) -> Pcm:
    """Return standard input as a source; it waits for the students and ends with the pipe."""
    return Pcm(
        "standard input",
        rate_hz,
        lambda: nullcontext(sys.stdin.buffer),
        live=False,
        block_s=block_s,
    )


def from_tcp(host: str, port: int, rate_hz: int, block_s: float = 0.1) -> Pcm:
    """Return what a TCP server sends as a source."""

    def opened() -> AbstractContextManager[ByteStream]:
        connection = socket.create_connection((host, port), timeout=TIMEOUT_S)
        with connection:  # the file keeps the connection open
            return closing(connection.makefile("rb", buffering=0))

    return Pcm(f"tcp://{host}:{port}", rate_hz, opened, live=True, block_s=block_s)


def from_serial(port: str, rate_hz: int, baud: int, block_s: float = 0.1) -> Pcm:
    """Return what a serial port gives as a source: the board streams its microphone this way."""
    serial = extras.load("serial")

    def opened() -> AbstractContextManager[Any]:
        return closing(_Timely(serial.Serial(port, baud, timeout=TIMEOUT_S)))

    return Pcm(port, rate_hz, opened, live=True, block_s=block_s)


class _Timely:
    """A serial port that says when nothing comes, instead of an end."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def read(self, size: int, /) -> bytes:
        # What is there at once, and else the first byte: a block isn't held back by its last byte.
        got = self._port.read(min(size, max(1, self._port.in_waiting)))
        if not got:
            raise TimeoutError(f"nothing came for {TIMEOUT_S:g} s")
        return got

    def close(self) -> None:
        self._port.close()


def _samples(waiting: bytearray) -> NDArray[np.float32]:
    """Return the whole samples in [-1, 1), and take and overwrite their bytes."""
    whole = len(waiting) // 2 * 2
    raw = np.frombuffer(waiting, "<i2", whole // 2)
    block = np.multiply(raw, np.float32(1 / 32_768), dtype=np.float32)
    del raw  # a bytearray that is looked at can't shrink
    waiting[:whole] = bytes(whole)
    del waiting[:whole]
    return block
