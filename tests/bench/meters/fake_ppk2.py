"""A PPK2 on a pseudo-terminal: its byte protocol, with the samples that a test gives it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import struct
import threading
import tty

import numpy as np
from numpy.typing import NDArray

ADC_MULT = 1.8 / 163840
RESISTANCE = {0: 1003.3, 1: 101.2, 2: 10.3, 3: 0.97, 4: 0.052}
GAIN = {0: 1.0, 1: 1.02, 2: 0.99, 3: 1.0, 4: 0.98}
OFFSET_A = {0: 0.0, 1: 3e-6, 2: 0.0, 3: 0.0, 4: 0.0}
"""The calibration that this instrument sends; none of it is the library's default."""

METADATA = (
    "Calibrated: 1\n"
    + "".join(f"R{i}: {value}\n" for i, value in RESISTANCE.items())
    + "".join(f"GS{i}: 0.0\n" for i in range(5))
    + "".join(f"GI{i}: 1.0\n" for i in range(5))
    + "".join(f"O{i}: 0.0\n" for i in range(5))
    + "".join(f"S{i}: 0.0\n" for i in range(5))
    + "".join(f"I{i}: {value}\n" for i, value in OFFSET_A.items())
    + "".join(f"UG{i}: {value}\n" for i, value in GAIN.items())
    + "HW: 9173\nIA: 56\nEND"
)

_ARGUMENTS = {0x0C: 1, 0x0D: 2, 0x11: 1}
"""How many bytes follow a command; the rest stand alone."""


def counts_of(current_ma: NDArray[np.float64], span: int) -> NDArray[np.int64]:
    """ADC counts that the calibration turns into a current in measuring range `span`."""
    ampere = current_ma / 1e3 / GAIN[span] - OFFSET_A[span]
    return np.rint(ampere * RESISTANCE[span] / ADC_MULT / 4).astype(np.int64)


def quantised(current_ma: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """The current that a PPK2 with this calibration would report, mA."""
    ampere = counts_of(current_ma, span) * 4 * ADC_MULT / RESISTANCE[span] + OFFSET_A[span]
    return np.asarray(1e3 * GAIN[span] * ampere, np.float64)


def words(
    current_ma: NDArray[np.float64],
    logic: NDArray[np.uint8],
    span: int = 1,
    first_count: int = 60,
) -> NDArray[np.uint32]:
    """Samples as they go over the wire: bits 0-13 ADC, 14-16 range, 18-23 counter, 24-31 logic."""
    counter = (first_count + np.arange(len(current_ma))) & 0x3F
    adc = counts_of(current_ma, span)
    assert adc.min() >= 0
    assert adc.max() < 1 << 14
    word = adc | span << 14 | counter << 18 | logic.astype(np.int64) << 24
    return word.astype("<u4")


class FakePpk2:
    """Serves one host.

    Parameters
    ----------
    samples
        Words, or torn bytes, to send after each start.
    metadata
        What the instrument answers to the calibration command; empty: nothing.
    already_sampling
        Whether a run before this one left it sending.
    chop
        Bytes written at once; no multiple of a sample's four where that is to be tested.
    """

    def __init__(
        self,
        samples: NDArray[np.uint32] | NDArray[np.uint8],
        metadata: str = METADATA,
        already_sampling: bool = False,
        chop: int = 1000,
    ) -> None:
        self._data = samples.tobytes()
        self._metadata = metadata
        self._chop = chop
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.commands: list[bytes] = []
        self.sent = threading.Event()
        self._left = self._data if already_sampling else b""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakePpk2:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Vanish as a pulled cable does."""
        self._ending.set()
        self._thread.join(5)
        for handle in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(handle)

    def _serve(self) -> None:
        pending = b""
        while not self._ending.is_set():
            can_read, can_write, _ = select.select(
                [self._master], [self._master] if self._left else [], [], 0.01
            )
            if can_read:
                pending = self._take(pending + os.read(self._master, 256))
            if can_write and self._left:
                written = os.write(self._master, self._left[: self._chop])
                self._left = self._left[written:]
                if not self._left:
                    self.sent.set()

    def _take(self, pending: bytes) -> bytes:
        while pending:
            length = 1 + _ARGUMENTS.get(pending[0], 0)
            if len(pending) < length:
                break
            command, pending = pending[:length], pending[length:]
            self.commands.append(command)
            if command[0] == 0x19 and self._metadata:
                os.write(self._master, self._metadata.encode())
            elif command[0] == 0x06:
                self.sent.clear()
                self._left = self._data
            elif command[0] == 0x07:
                self._left = b""
        return pending

    @property
    def source_mv(self) -> int:
        """The voltage that was last set, mV."""
        high, low = next(c[1:] for c in reversed(self.commands) if c[0] == 0x0D)
        return struct.unpack(">H", bytes([high, low]))[0] - (3 << 8 | 32) + 800
