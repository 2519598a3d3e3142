"""The firmware image: an ELF's segments, its stages' address ranges, its version."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

from kilohear import extras
from kilohear.errors import BundleError
from kilohear_bench.apollo3 import memory

FIRMWARE = Path(__file__).with_name("firmware.elf")
"""The committed image that ships with the package."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """Bytes that the image puts into flash.

    Attributes
    ----------
    address
        Of the first byte in flash.
    data
        Its bytes.
    """

    address: int
    data: bytes


@dataclasses.dataclass(frozen=True)
class Stage:
    """One firmware stage's code: addresses `start <= a < end`."""

    name: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Image:
    """A firmware image.

    Attributes
    ----------
    segments
        What goes into flash, in order of address; they don't overlap.
    stages
        From the symbols `__stage_NAME_start` and `__stage_NAME_end`, in order of address.
    symbols
        Name to address of every global symbol.
    vectors
        Address of the vector table: the lowest address in flash.
    """

    segments: tuple[Segment, ...]
    stages: tuple[Stage, ...]
    symbols: dict[str, int]
    vectors: int

    def flash(self) -> bytes:
        """Return the image as one run of bytes from `vectors` on, gaps erased (0xFF)."""
        last = self.segments[-1]
        image = bytearray(b"\xff" * (last.address + len(last.data) - self.vectors))
        for segment in self.segments:
            start = segment.address - self.vectors
            image[start : start + len(segment.data)] = segment.data
        return bytes(image)


def load_image(path: Path | str | None = None) -> Image:
    """Read and check a firmware ELF; the one that ships where `path` is None.

    Raises BundleError where it isn't a 32-bit little-endian Arm executable for this chip's flash,
    or where its vector table is no such thing.
    """
    path = FIRMWARE if path is None else Path(path)
    if not path.is_file():
        raise BundleError(f"firmware {path} is missing; build it: make -C bench/apollo3")
    return parse_image(path.read_bytes(), str(path))


def parse_image(data: bytes, name: str = "the firmware") -> Image:
    """Parse a firmware ELF from memory; see `load_image`."""
    elffile = extras.load("elftools.elf.elffile")
    failures = extras.load("elftools.common.exceptions").ELFError
    try:
        elf = elffile.ELFFile(io.BytesIO(data))
        if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
            raise BundleError(f"{name} is no 32-bit little-endian Arm ELF; build it for Cortex-M4")
        segments = tuple(
            sorted(
                (
                    Segment(segment["p_paddr"], segment.data())
                    for segment in elf.iter_segments("PT_LOAD")
                    if segment["p_filesz"]
                ),
                key=lambda segment: segment.address,
            )
        )
        table = elf.get_section_by_name(".symtab")
        symbols = {s.name: s["st_value"] for s in table.iter_symbols() if s.name} if table else {}
    except (failures, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BundleError(f"{name} isn't a readable ELF: {error}; build or copy it again") from None
    _check_segments(segments, name)
    stages = tuple(
        sorted(
            (
                Stage(symbol[8:-6], start, symbols.get(f"{symbol[:-6]}_end", start))
                for symbol, start in symbols.items()
                if symbol.startswith("__stage_") and symbol.endswith("_start")
            ),
            key=lambda stage: stage.start,
        )
    )
    return Image(segments, stages, symbols, segments[0].address)


def _check_segments(segments: tuple[Segment, ...], name: str) -> None:
    if not segments:
        raise BundleError(f"{name} puts nothing into flash; link it with the board's script")
    end = memory.FLASH_START
    for segment in segments:
        if segment.address < end or segment.address + len(segment.data) > memory.FLASH_END:
            raise BundleError(
                f"{name} has a segment at {segment.address:#x}..."
                f"{segment.address + len(segment.data):#x} outside the chip's flash "
                f"(0...{memory.FLASH_END:#x}) or over another; link it with the board's script"
            )
        end = segment.address + len(segment.data)
    first = segments[0]
    stack, reset = (int.from_bytes(first.data[i : i + 4], "little") for i in (0, 4))
    if not (
        memory.SRAM_START < stack <= memory.SRAM_END
        and reset & 1
        and any(s.address <= reset - 1 < s.address + len(s.data) for s in segments)
    ):
        raise BundleError(
            f"{name} doesn't begin with a vector table: stack {stack:#x}, reset {reset:#x}; "
            "link it with the board's script"
        )
