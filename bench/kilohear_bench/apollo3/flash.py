"""Flashing: firmware or a student, by a debug probe (pyOCD) or by SparkFun's serial boot loader.

Everything is checked before anything is erased: the ELF's addresses and vector table, the
student's magic, size, CRC and shape, and that the image is linked for the way it takes.

SparkFun's loader (SVL), as its open sources describe it: after reset it waits a moment for the
character `U`, from which it takes the baud rate, and answers with its version. Then come packets
in both directions: length (16 bits, big-endian, of what follows), command, data, CRC-16 (0x8005,
not reflected, from 0) over command and data. It asks for each frame of 2,048 bytes, or for the
last one again, and writes them from 0x10000 on.

No board was at hand: the SVL side is tested against a stand-in that speaks its bytes; of pyOCD
what doesn't need a probe (its target, memory map, options).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from kilohear import extras
from kilohear.errors import BundleError
from kilohear.student_image import StudentImage
from kilohear_bench.apollo3 import memory
from kilohear_bench.apollo3.elf import Image
from kilohear_bench.devices.apollo3 import BoardError, LinkLost

PYOCD_TARGET = "ama3b1kk_kbr"
PYOCD_OPTIONS: dict[str, Any] = {
    "target_override": PYOCD_TARGET,
    "frequency": 4_000_000,  # Hz, of SWD
    "chip_erase": "sector",  # keeps the boot loader and the user slot
    "hide_programming_progress": True,
}

SVL_BAUDS = (921_600, 460_800, 230_400, 115_200, 57_600)
SVL_FRAME = 2_048
_SVL_VERSION, _SVL_START, _SVL_NEXT, _SVL_DATA, _SVL_AGAIN, _SVL_DONE = range(1, 7)
_SVL_STARTUP_S = 0.15
_SVL_TRIES, _SVL_RESENDS = 3, 4

Progress = Callable[[int, int], None]
"""Told the bytes written and the bytes in all."""


def check_student(student: bytes) -> StudentImage:
    """Return what a student image holds.

    Raises BundleError where it doesn't fit the user slot, BackendError where it is damaged.
    """
    if len(student) > memory.USER_SLOT_BYTES:
        raise BundleError(
            f"the student has {len(student)} bytes; the board's user slot takes "
            f"{memory.USER_SLOT_BYTES}: export a smaller network"
        )
    return StudentImage.from_bytes(student)


def flash_pyocd(
    image: Image | None, student: bytes | None = None, probe: str | None = None
) -> None:
    """Write a firmware image, a student into the user slot, or both, by a debug probe; verify.

    `probe`: its serial number; the only one connected where None. Raises BoardError where there's
    no probe or the flash reads back otherwise, BundleError or BackendError where something can't
    be flashed.
    """
    parts = _parts(image, student)
    helper = extras.load("pyocd.core.helpers").ConnectHelper
    failures = extras.load("pyocd.core.exceptions").Error
    try:
        session = helper.session_with_chosen_probe(
            blocking=False, return_first=True, unique_id=probe, options=PYOCD_OPTIONS
        )
        if session is None:
            raise BoardError(
                "no debug probe was found; plug in the board's J-Link or another probe, "
                "or flash by the serial port (SVL)"
            )
        with session:
            program(session, parts)
    except failures as error:
        raise BoardError(
            f"pyOCD can't flash the board: {error}; check the probe's cable and the board's power"
        ) from None


def program(session: Any, parts: dict[int, bytes]) -> None:
    """Write `parts` (address to bytes) by an open pyOCD session, verify, and reset the board."""
    loader = extras.load("pyocd.flash.loader").MemoryLoader(session, chip_erase="sector")
    for address, data in parts.items():
        loader.add_data(address, data)
    loader.commit()
    target = session.target
    for address, data in parts.items():
        if bytes(target.read_memory_block8(address, len(data))) != data:
            raise BoardError(f"the flash at {address:#x} doesn't read back as written; flash again")
    target.reset()


def flash_svl(
    port: str,
    image: Image,
    student: bytes | None = None,
    *,
    baud: int = 115_200,
    timeout_s: float = 0.5,
    progress: Progress | None = None,
) -> int:
    """Write a firmware image by SparkFun's serial boot loader; return the loader's version.

    `student` goes into the user slot: everything between is sent as erased flash, which takes
    about 75 s at 115,200 baud. Raises BundleError where the image isn't linked for 0x10000,
    BackendError where the student is damaged, LinkLost where the loader is silent, BoardError
    where it refuses frames.
    """
    if image.vectors != memory.SVL_APPLICATION:
        raise BundleError(
            f"the firmware is linked for {image.vectors:#x}; SparkFun's boot loader starts "
            f"{memory.SVL_APPLICATION:#x}: build it with make -C bench/apollo3 SVL=1"
        )
    if baud not in SVL_BAUDS:
        raise BoardError(f"the boot loader doesn't know {baud} baud; use one of {SVL_BAUDS}")
    parts = _parts(image, student)
    data = bytearray()
    for address, part in sorted(parts.items()):
        data += b"\xff" * (address - memory.SVL_APPLICATION - len(data)) + part
    serial = extras.load("serial")
    version = None
    try:
        for _ in range(_SVL_TRIES):
            # Opening the port resets the board by its DTR line.
            with serial.Serial(port, baud, timeout=timeout_s) as line:
                time.sleep(_SVL_STARTUP_S)
                line.reset_input_buffer()
                line.write(b"U")
                answer = _receive(line)
                if answer is None or answer[0] != _SVL_VERSION:
                    continue
                version = int.from_bytes(answer[1], "big")
                _send_frames(line, bytes(data), progress)
                return version
    except (serial.SerialException, OSError) as error:
        raise LinkLost(
            f"the link to {port} is lost while flashing: {error}; plug the board in and flash again"
        ) from None
    raise LinkLost(
        f"no boot loader answers at {port} with {baud} baud; press the board's reset button and "
        "try again, try 115200 baud, or use a debug probe"
    )


def crc16(data: bytes) -> int:
    """Return the CRC-16 of the boot loader: polynomial 0x8005, not reflected, from 0."""
    crc, table = 0, _crc_table()
    for byte in data:
        crc = crc << 8 & 0xFFFF ^ table[crc >> 8 ^ byte]
    return crc


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(0, 0x1_0000, 0x100):
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
        table.append(crc)
    return tuple(table)


def packet(command: int, data: bytes = b"") -> bytes:
    """Return a packet of the boot loader."""
    body = bytes([command]) + data
    return (len(body) + 2).to_bytes(2, "big") + body + crc16(body).to_bytes(2, "big")


def _parts(image: Image | None, student: bytes | None) -> dict[int, bytes]:
    """Return what goes where, address to bytes."""
    parts = {}
    if image is not None:
        parts[image.vectors] = image.flash()
        if image.vectors < memory.APPLICATION:
            raise BundleError(
                f"the firmware begins at {image.vectors:#x}, over the chip's boot loader; "
                f"link it for {memory.APPLICATION:#x}"
            )
        if image.vectors + len(parts[image.vectors]) > memory.USER_SLOT:
            raise BundleError(
                f"the firmware reaches into the user slot at {memory.USER_SLOT:#x}; "
                "build in fewer students"
            )
    if student is not None:
        check_student(student)
        parts[memory.USER_SLOT] = student
    if not parts:
        raise BundleError("nothing to flash; give a firmware, a student, or both")
    return parts


def _receive(line: Any) -> tuple[int, bytes] | None:
    """Return the next packet's command and data; None where none comes or it is damaged."""
    head = line.read(2)
    if len(head) < 2:
        return None
    length = int.from_bytes(head, "big")
    body = line.read(length) if 3 <= length <= SVL_FRAME + 3 else b""
    if len(body) < length or not body or crc16(body) != 0:
        return None
    return body[0], body[1:-2]


def _send_frames(line: Any, data: bytes, progress: Progress | None) -> None:
    frames = [data[i : i + SVL_FRAME] for i in range(0, len(data), SVL_FRAME)]
    line.write(packet(_SVL_START))
    sent, again = 0, 0
    while True:
        answer = _receive(line)
        if answer is None:
            raise LinkLost(
                f"the boot loader fell silent after {sent} of {len(frames)} frames; the board has "
                "no whole firmware now: flash it again"
            )
        if answer[0] == _SVL_NEXT:
            sent, again = sent + 1, 0
        elif answer[0] == _SVL_AGAIN and sent > 0:
            again += 1
            if again >= _SVL_RESENDS:
                raise BoardError(
                    f"the boot loader refused frame {sent} of {len(frames)} {again} times (its "
                    "CRC didn't match); use a lower baud rate or a shorter cable, and flash again"
                )
        else:
            raise BoardError(
                f"the boot loader sends command {answer[0]} after {sent} frames, which isn't "
                "expected; press the reset button and flash again"
            )
        if sent > len(frames):
            line.write(packet(_SVL_DONE))
            line.flush()
            return
        line.write(packet(_SVL_DATA, frames[sent - 1]))
        if progress is not None:
            progress(min(sent * SVL_FRAME, len(data)), len(data))
