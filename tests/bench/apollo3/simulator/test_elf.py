"""Firmware images: what is read from an ELF, and what is refused before it gets anywhere."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from kilohear.errors import BundleError
from kilohear_bench.apollo3.elf import Image, load_image, parse_image

pytest.importorskip("elftools")


def test_reads_segments_stages_and_symbols(board: Image) -> None:
    assert board.vectors == 0xC000
    assert [stage.name for stage in board.stages] == ["work"]
    assert board.stages[0].start < board.stages[0].end
    assert board.symbols["stack_end"] == 0x1006_0000
    flash = board.flash()
    assert flash[: len(board.segments[0].data)] == board.segments[0].data


def test_missing_file_says_how_to_build() -> None:
    with pytest.raises(BundleError, match="make -C bench/apollo3"):
        load_image("/nowhere/firmware.elf")


def test_refuses_what_isnt_an_image(board_elf: Path) -> None:
    good = board_elf.read_bytes()
    for bad in (b"", b"\x7fELF", good[:40], good[: len(good) // 2], b"x" * 1_000):
        with pytest.raises(BundleError):
            parse_image(bad)


def test_refuses_other_machines_and_broken_vectors(board_elf: Path) -> None:
    good = bytearray(board_elf.read_bytes())
    other = good.copy()
    other[18] = 3  # e_machine: 386
    with pytest.raises(BundleError, match="Cortex-M4"):
        parse_image(bytes(other))
    image = parse_image(bytes(good))
    at = bytes(good).index(image.segments[0].data[:32])
    broken = good.copy()
    broken[at : at + 4] = bytes(4)
    with pytest.raises(BundleError, match="vector table"):
        parse_image(bytes(broken))


def test_any_changed_header_byte_is_refused_or_read(board_elf: Path) -> None:
    good = board_elf.read_bytes()
    for at in range(0, 116):
        changed = bytearray(good)
        changed[at] ^= 0xFF
        with contextlib.suppress(BundleError):
            parse_image(bytes(changed))
