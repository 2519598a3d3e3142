"""Flashing: the boot loader's bytes, pyOCD's loader without a probe, and what is refused before."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import tty
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import kilohear
from kilohear.errors import BackendError, BundleError
from kilohear_bench.apollo3 import flash, memory
from kilohear_bench.apollo3.elf import Image, Segment
from kilohear_bench.devices.apollo3 import BoardError, LinkLost

VECTORS = (0x1006_0000).to_bytes(4, "little") + (0x1_0101).to_bytes(4, "little")


def image(start: int = memory.SVL_APPLICATION, size: int = 5_000) -> Image:
    data = VECTORS + bytes(i * 7 % 256 for i in range(size - 8))
    return Image((Segment(start, data),), (), {}, start)


@pytest.fixture
def student() -> bytes:
    from pathlib import Path

    from kilohear.student_image import words_of_header

    header = Path(kilohear.__file__).parent / "bundles" / "esc10-1khz" / "student.h"
    return bytes(words_of_header(header.read_text()))


class Loader:
    """A stand-in for SparkFun's boot loader on a pseudo-terminal: it checks every byte.

    `spoil(frame, times)` tells whether a received frame counts as damaged.
    """

    def __init__(
        self, spoil: Callable[[int, int], bool] = lambda *_: False, quiet_after: int | None = None
    ) -> None:
        self._spoil, self._quiet_after = spoil, quiet_after
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.written = bytearray()
        self.done = False
        self.frames: list[int] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += os.read(self._master, count - len(data))
        return data

    def _packet(self) -> tuple[int, bytes]:
        body = self._read(int.from_bytes(self._read(2), "big"))
        assert flash.crc16(body) == 0
        return body[0], body[1:-2]

    def _serve(self) -> None:
        with contextlib.suppress(OSError, AssertionError):  # closed, or nonsense: not `done`
            self._speak()

    def _speak(self) -> None:
        while (char := self._read(1)) != b"U":
            if char == b"\x04":
                return
        os.write(self._master, flash.packet(1, b"\x05"))
        assert self._packet() == (2, b"")
        times = 0
        os.write(self._master, flash.packet(3))
        while True:
            command, data = self._packet()
            if command == 6:
                self.done = True
                return
            assert command == 4
            self.frames.append(len(data))
            if self._quiet_after is not None and len(self.frames) > self._quiet_after:
                return
            if self._spoil(len(self.written) // flash.SVL_FRAME, times):
                times += 1
                os.write(self._master, flash.packet(5))
            else:
                self.written += data
                times = 0
                os.write(self._master, flash.packet(3))

    def close(self) -> None:
        if self._thread.is_alive():
            os.write(self._slave, b"\x04" * flash.SVL_FRAME * 2)  # ends whatever it waits for
        self._thread.join(1)
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def loader() -> Iterator[Callable[..., Loader]]:
    pytest.importorskip("serial")
    made: list[Loader] = []

    def make(**options: Any) -> Loader:
        made.append(Loader(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_crc_is_the_published_one() -> None:
    assert flash.crc16(b"123456789") == 0xFEE8  # check value of CRC-16/UMTS, reveng catalogue
    assert flash.crc16(flash.packet(4, b"any data")[2:]) == 0


def test_serial_loader_gets_the_image(loader: Callable[..., Loader]) -> None:
    board, steps = loader(), []
    firmware = image()
    version = flash.flash_svl(board.port, firmware, progress=lambda *step: steps.append(step))
    board._thread.join(2)
    assert (version, board.done) == (5, True)
    assert bytes(board.written) == firmware.flash()
    assert board.frames == [2_048, 2_048, 904]
    assert steps == [(2_048, 5_000), (4_096, 5_000), (5_000, 5_000)]


def test_serial_loader_reaches_the_user_slot(loader: Callable[..., Loader], student: bytes) -> None:
    board, firmware = loader(), image()
    flash.flash_svl(board.port, firmware, student)
    board._thread.join(2)
    slot = memory.USER_SLOT - memory.SVL_APPLICATION
    assert bytes(board.written[:5_000]) == firmware.flash()
    assert set(board.written[5_000:slot]) == {0xFF}
    assert bytes(board.written[slot:]) == student


def test_damaged_frames_are_sent_again(loader: Callable[..., Loader]) -> None:
    board = loader(spoil=lambda frame, times: frame == 1 and times < 3)
    flash.flash_svl(board.port, image())
    board._thread.join(2)
    assert bytes(board.written) == image().flash()
    assert board.frames == [2_048, *[2_048] * 4, 904]


def test_a_line_that_stays_bad_is_given_up(loader: Callable[..., Loader]) -> None:
    board = loader(spoil=lambda frame, _times: frame == 1)
    with pytest.raises(BoardError, match="refused frame 2 of 3 4 times"):
        flash.flash_svl(board.port, image())
    assert not board.done


def test_silence_midway_says_the_firmware_isnt_whole(loader: Callable[..., Loader]) -> None:
    board = loader(quiet_after=1)
    with pytest.raises(LinkLost, match="after 2 of 3 frames; the board has no whole firmware"):
        flash.flash_svl(board.port, image(), timeout_s=0.1)


def test_no_loader_is_an_error() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with pytest.raises(LinkLost, match="no boot loader answers"):
        flash.flash_svl(os.ttyname(slave), image(), timeout_s=0.05)
    os.close(master)
    os.close(slave)
    with pytest.raises(LinkLost, match="flash"):
        flash.flash_svl("/dev/nothing-here", image())


def test_nothing_is_sent_before_it_is_checked(student: bytes) -> None:
    """The port doesn't exist: each of these is refused before it is opened."""
    nowhere = "/dev/nothing-here"
    with pytest.raises(BundleError, match="SVL=1"):
        flash.flash_svl(nowhere, image(memory.APPLICATION))
    with pytest.raises(BoardError, match="baud"):
        flash.flash_svl(nowhere, image(), baud=9_600)
    broken = bytearray(student)
    broken[-1] ^= 1
    with pytest.raises(BackendError, match="CRC"):
        flash.flash_svl(nowhere, image(), bytes(broken))
    with pytest.raises(BundleError, match="65536"):
        flash.flash_svl(nowhere, image(), student + bytes(memory.USER_SLOT_BYTES))
    for wrong, message in (
        (image(0x8000), "boot loader"),
        (image(memory.APPLICATION, memory.USER_SLOT), "user slot"),
        (None, "nothing to flash"),
    ):
        with pytest.raises(BundleError, match=message):
            flash.flash_pyocd(wrong)


def test_pyocd_knows_the_chip_and_the_options() -> None:
    pytest.importorskip("pyocd")
    from pyocd.core.options import BUILTIN_OPTIONS
    from pyocd.core.session import Session
    from pyocd.target import TARGET

    known = {option.name for option in BUILTIN_OPTIONS}
    assert set(flash.PYOCD_OPTIONS) <= known
    session = Session(None, options=flash.PYOCD_OPTIONS)
    assert session.options.get("target_override") == flash.PYOCD_TARGET
    regions = TARGET[flash.PYOCD_TARGET].MEMORY_MAP
    for address in (memory.APPLICATION, memory.USER_SLOT, memory.FLASH_END - 1):
        region = regions.get_region_for_address(address)
        assert region is not None
        assert region.is_flash


def test_pyocd_without_a_probe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyocd")
    from pyocd.core.helpers import ConnectHelper

    asked: dict[str, Any] = {}

    def choose(**options: Any) -> None:
        asked.update(options)

    monkeypatch.setattr(ConnectHelper, "session_with_chosen_probe", choose)
    with pytest.raises(BoardError, match="no debug probe"):
        flash.flash_pyocd(image(memory.APPLICATION), probe="123")
    assert asked == {
        "blocking": False,
        "return_first": True,
        "unique_id": "123",
        "options": flash.PYOCD_OPTIONS,
    }


@dataclasses.dataclass
class Target:
    """The parts of a pyOCD target that its loader uses, over plain memory."""

    memory_map: Any
    content: bytearray
    spoiled: bool = False
    resets: int = 0
    debug_sequence_delegate: Any = None
    selected_core: Any = dataclasses.field(default_factory=lambda: SimpleNamespace(node_name=None))

    def write_memory_block8(self, address: int, data: bytes) -> None:
        self.content[address : address + len(data)] = bytes(data)

    def read_memory_block8(self, address: int, count: int) -> list[int]:
        data = list(self.content[address : address + count])
        return [data[0] ^ 1, *data[1:]] if self.spoiled else data

    def reset(self) -> None:
        self.resets += 1


def test_pyocds_loader_writes_and_is_verified(
    student: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyOCD's own loader, over a memory that needs no flash algorithm."""
    pytest.importorskip("pyocd")
    from pyocd.core import memory_map
    from pyocd.flash import loader as pyocd_loader

    monkeypatch.setattr(pyocd_loader, "Target", object)  # its type check
    whole = memory_map.RamRegion(name="flash", start=0, length=memory.FLASH_END)
    target = Target(memory_map.MemoryMap(whole), bytearray(b"\xff" * memory.FLASH_END))
    options = {"hide_programming_progress": True}
    session = SimpleNamespace(board=SimpleNamespace(target=target), target=target, options=options)
    firmware = image(memory.APPLICATION)
    parts = {memory.APPLICATION: firmware.flash(), memory.USER_SLOT: student}
    flash.program(session, parts)
    assert target.resets == 1
    assert target.content[0xC000 : 0xC000 + 5_000] == firmware.flash()
    assert target.content[memory.USER_SLOT : memory.USER_SLOT + len(student)] == student
    target.spoiled = True
    with pytest.raises(BoardError, match="doesn't read back"):
        flash.program(session, parts)
    assert target.resets == 1
