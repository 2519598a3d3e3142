"""Raw PCM: every sample at its value, whatever the pieces it comes in; outages are told."""

from __future__ import annotations

import io
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.capture import open_source
from kilohear.capture.pcm import Pcm
from kilohear.errors import ConfigError, SourceLost

SAMPLES = np.random.default_rng(0).integers(-32_768, 32_768, 2_000).astype("<i2")
EXPECTED = SAMPLES.astype(np.float32) / 32_768


class Pieces(io.RawIOBase):
    """Bytes that come in pieces of given lengths."""

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        self._data, self._lengths = io.BytesIO(data), lengths

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, self._lengths.pop(0)) if self._lengths else size)


@given(st.lists(st.integers(1, 999), max_size=20), st.integers(1, 3_000))
def test_every_sample_comes_however_it_is_cut(lengths: list[int], block: int) -> None:
    stream = Pieces(SAMPLES.tobytes(), list(lengths))
    source = Pcm("pieces", 1_000, lambda: nullcontext(stream), live=False, block_s=block / 1_000)
    blocks = list(source.blocks())
    np.testing.assert_array_equal(np.concatenate(blocks), EXPECTED)
    assert {len(b) for b in blocks[:-1]} <= {block}


def test_standard_input_is_a_source_that_ends() -> None:
    program = (
        "import numpy, kilohear\n"
        "source = kilohear.open_source('-?rate_hz=8000')\n"
        "print(source.rate_hz, sum(len(block) for block in source.blocks()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=SAMPLES.tobytes(), capture_output=True, check=True
    )
    assert done.stdout.split() == [b"8000", b"2000"]


@contextmanager
def server(*deliveries: bytes) -> Iterator[str]:
    """A TCP server that gives each caller one delivery and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for delivery in deliveries:
                caller, _ = listening.accept()
                with caller:
                    caller.sendall(delivery)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}?rate_hz=8000"
        thread.join(10)


def test_a_tcp_stream_that_is_cut_is_lost_and_may_be_opened_again() -> None:
    half = len(SAMPLES) // 2
    with server(SAMPLES[:half].tobytes(), SAMPLES[half:].tobytes()) as address:
        source = open_source(address)
        heard: list[np.ndarray] = []
        for _ in range(2):
            with pytest.raises(SourceLost, match="closed the stream"):
                heard.extend(source.blocks())
    np.testing.assert_array_equal(np.concatenate(heard), EXPECTED)
    with pytest.raises(SourceLost, match=r"tcp://127.0.0.1.*check the link"):
        next(iter(source.blocks()))


def test_a_serial_port_streams_and_is_lost_when_pulled() -> None:
    pytest.importorskip("serial")
    board, host = pty.openpty()
    address = f"serial:{os.ttyname(host)}?rate_hz=8000&baud=115200"
    import tty

    tty.setraw(host)
    # Opening a port drops what has come before.
    threading.Timer(0.3, os.write, (board, SAMPLES[:800].tobytes())).start()
    blocks = open_source(address).blocks()
    np.testing.assert_array_equal(next(blocks), EXPECTED[:800])
    os.close(host)
    os.close(board)
    with pytest.raises(SourceLost, match="check the link"):
        next(blocks)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("-", "rate_hz is missing"),
        ("-?rate_hz=fast", "rate_hz is missing, unknown or no number"),
        ("-?rate_hz=0", "rate_hz is 0"),
        ("tcp://somewhere?rate_hz=8000", "no host and port"),
        ("tcp://somewhere:80?rate_hz=8000&gain=2", "gain is missing, unknown"),
        ("serial:/dev/ttyX?rate_hz=8000", "baud is missing"),
    ],
)
def test_an_address_that_says_too_little_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_source(address)
