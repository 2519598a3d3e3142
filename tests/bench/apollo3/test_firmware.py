"""The firmware's image: what ships is what the source gives, where it lies, and how large it is."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import kilohear_bench
from apollo3 import firmware
from apollo3.checks.arm import ARM_CC, missing_tool

SOURCE = Path(firmware.__file__).parent
ROOT = SOURCE.parents[1]
SHIPPED = Path(kilohear_bench.__file__).parent / "apollo3" / "firmware.elf"
USER_SLOT, TCM, TCM_END = 0xE0000, 0x1000_0000, 0x1001_0000
STAGES = ("capture", "decimator", "logmel", "student", "events")


def loaded(elf: bytes) -> dict[int, bytes]:
    """What an ELF puts into flash, by physical address."""
    (offset,) = struct.unpack_from("<I", elf, 28)
    size, count = struct.unpack_from("<HH", elf, 42)
    parts = {}
    for i in range(count):
        kind, start, _, physical, length = struct.unpack_from("<5I", elf, offset + i * size)
        if kind == 1 and length:
            parts[physical] = elf[start : start + length]
    return parts


def make(build: Path, *arguments: str, source: Path = SOURCE) -> bytes:
    """Build into a folder; return the ELF."""
    if reason := missing_tool(ARM_CC) or missing_tool("make"):
        pytest.skip(reason)
    command = ["make", "-C", str(source), f"BUILD={build}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (build / "firmware.elf").read_bytes()


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return SHIPPED.read_bytes()


@pytest.fixture(scope="module")
def symbols(shipped: bytes) -> dict[str, int]:
    return firmware.symbols_of(shipped)


def students() -> list[Path]:
    """The headers that the Makefile builds in, those that exist."""
    bundles = [ROOT / f"sdk/kilohear/bundles/esc10-{k}khz/student.h" for k in (1, 2, 16)]
    others = [SHIPPED.parent / f"students/esc10-{k}khz/student.h" for k in (4, 8)]
    return [path for path in bundles + others if path.is_file()]


def test_shipped_image_is_of_this_source(shipped: bytes) -> None:
    """It holds the hash of the sources; this needs no compiler."""
    sources = [path for kind in "ch" for path in SOURCE.glob(f"*.{kind}")]
    for folder in ("board", "stages"):
        sources += [path for kind in "ch" for path in (SOURCE / folder).glob(f"*.{kind}")]
    sources += [SOURCE / "apollo3.ld", SOURCE / "Makefile", *students()]
    version = firmware.version_of(sources)
    assert f"m-version-[{version}]".encode() in shipped, "make -C bench/apollo3 install"


def test_rebuild_is_the_shipped_image_byte_for_byte(shipped: bytes, tmp_path: Path) -> None:
    assert make(tmp_path / "build") == shipped, "make -C bench/apollo3 install"


def test_image_does_not_depend_on_where_the_source_lies(shipped: bytes, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "bench" / "apollo3"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build", "__pycache__"))
    for path in students():
        target = tmp_path / "elsewhere" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(path, target)
    assert make(tmp_path / "build", source=copy) == shipped


def test_sizes_pass_the_gate(shipped: bytes) -> None:
    sizes = firmware.sizes_of(shipped)
    flash, sram = (sum(row[i] for row in sizes.values()) for i in (0, 1))
    gaps = sum(len(part) for part in loaded(shipped).values()) - flash
    assert 0 <= gaps < 64  # of sections that begin on multiples of 8
    assert flash <= firmware.FLASH_MAX
    assert sram <= firmware.SRAM_MAX
    assert all(sizes[stage][0] > 0 for stage in STAGES)


def test_size_report_refuses_what_is_too_large(
    shipped: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "firmware.elf").write_bytes(shipped)
    firmware.size(tmp_path / "firmware.elf")
    monkeypatch.setattr(firmware, "FLASH_MAX", 1_000)
    with pytest.raises(SystemExit, match="make it smaller"):
        firmware.size(tmp_path / "firmware.elf")


@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_told_by_address(symbols: dict[str, int], stage: str) -> None:
    entry = {"capture": "capture_next", "decimator": "decimator_push", "logmel": "window_push"}
    entry |= {"student": "student_run", "events": "events_push"}
    begin, end = symbols[f"__stage_{stage}_start"], symbols[f"__stage_{stage}_end"]
    assert begin <= symbols[entry[stage]] < end


def test_vectors(shipped: bytes, symbols: dict[str, int]) -> None:
    image = loaded(shipped)[0xC000]
    stack, reset, *faults = struct.unpack_from("<16I", image)
    assert TCM < stack <= TCM_END
    assert stack % 8 == 0
    assert reset == symbols["reset"] | 1
    assert set(faults) == {symbols["fault"] | 1}


def test_image_ends_below_the_user_slot(shipped: bytes) -> None:
    parts = loaded(shipped)
    assert min(parts) == 0xC000
    assert max(start + len(part) for start, part in parts.items()) <= USER_SLOT


def test_stack_is_guarded(symbols: dict[str, int]) -> None:
    """The guard is a region that the MPU can have: 256 bytes, aligned to its size."""
    assert symbols["__guard_end"] - symbols["__stack_start"] == 256
    assert symbols["__stack_start"] % 256 == 0
    assert symbols["__stack_end"] - symbols["__guard_end"] >= 4_096


def test_no_heap_and_no_c_library(symbols: dict[str, int]) -> None:
    library = "malloc free calloc realloc _sbrk printf sprintf puts exit abort __errno expf logf"
    assert not set(library.split()) & symbols.keys()


def test_serial_boot_loader_build_begins_at_0x10000(tmp_path: Path) -> None:
    elf = make(tmp_path / "build", "SVL=1")
    parts = loaded(elf)
    assert min(parts) == 0x10000
    _, reset = struct.unpack_from("<2I", parts[0x10000])
    assert 0x10000 < reset < USER_SLOT


def test_evaluation_board_builds(tmp_path: Path) -> None:
    assert loaded(make(tmp_path / "build", "BOARD=evb"))


def test_header_without_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "student.h").write_text("int nothing;\n")
    with pytest.raises(SystemExit, match="no array NAME_student"):
        firmware.built_in([tmp_path / "student.h"])
