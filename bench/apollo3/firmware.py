"""What the Makefile needs beside the compiler: generated sources, the sizes and their gate.

Plain Python, standard library only, so that a build needs nothing but the toolchain.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import struct
import sys
from pathlib import Path

FLASH_MAX = 512 * 1024
SRAM_MAX = 256 * 1024
STAGES = ("capture", "decimator", "fft", "logmel", "student", "events", "protocol", "board", "main")


def version_of(files: list[Path]) -> str:
    """Return the first 12 hex digits of the SHA-256 over the files, in the order of their names.

    A file counts with its name and its folder's, so that the hash doesn't depend on where the
    repository lies.
    """
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def built_in(students: list[Path]) -> str:
    """Return a C file that includes the students' headers and lists their images."""
    lines = ["#include <stddef.h>", "#include <stdint.h>", ""]
    names = []
    for path in students:
        found = re.search(r"\b(\w+_student)\[\]", path.read_text())
        if found is None:
            raise SystemExit(f"{path}: no array NAME_student[] in it; make it with kilohear export")
        names.append(found.group(1))
        lines.append(f'#include "{path.resolve()}"')
    images = ", ".join([*names, "NULL"])
    sizes = ", ".join([*(f"sizeof {name}" for name in names), "0"])
    lines += [
        "",
        "extern const uint32_t *const built_in[];",
        "extern const uint32_t built_in_bytes[];",
        f"const uint32_t *const built_in[] = {{{images}}};",
        f"const uint32_t built_in_bytes[] = {{{sizes}}};",
    ]
    return "\n".join(lines) + "\n"


def generate(build: Path, sources: list[Path], students: list[Path]) -> None:
    """Write version.h and built_in.c into the build folder."""
    version = version_of([*sources, *students])
    (build / "version.h").write_text(f'#define FIRMWARE_HASH "{version}"\n')
    (build / "built_in.c").write_text(built_in(students))


def symbols_of(elf: bytes) -> dict[str, int]:
    """Return the addresses of an ELF32 little-endian file's symbols, by name."""
    (offset,) = struct.unpack_from("<I", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 46)
    sections = [struct.unpack_from("<10I", elf, offset + i * size) for i in range(count)]
    symbols = {}
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 16):
            name, value = struct.unpack_from("<II", elf, at)
            end = elf.index(b"\0", strings + name)
            symbols[elf[strings + name : end].decode()] = value
    return symbols


def span(symbols: dict[str, int], prefix: str) -> int:
    """Return the bytes from PREFIX_start to PREFIX_end, 0 where the image has none."""
    if f"{prefix}_start" not in symbols:
        return 0
    return symbols[f"{prefix}_end"] - symbols[f"{prefix}_start"]


def sizes_of(elf: bytes) -> dict[str, tuple[int, int]]:
    """Return (flash, SRAM) bytes by stage, with `weights`, `stack` and `data`."""
    symbols = symbols_of(elf)
    table = {
        stage: (
            span(symbols, f"__stage_{stage}"),
            span(symbols, f"__ram_{stage}") + span(symbols, f"__sram_{stage}"),
        )
        for stage in STAGES
    }
    data = span(symbols, "__data")
    table["weights"] = (span(symbols, "__stage_weights"), 0)
    table["stack"] = (0, symbols["__fault_stack_end"] - symbols["__stack_start"])
    table["data"] = (data + 64, data)  # with the vectors
    return table


def size(elf: Path) -> None:
    """Print flash and SRAM by stage; exit with an error beyond the gate."""
    table = sizes_of(elf.read_bytes())
    print(f"{'stage':10} {'flash':>8} {'SRAM':>8}  bytes")
    for stage, (flash, sram) in table.items():
        print(f"{stage:10} {flash:8} {sram:8}")
    flash = sum(row[0] for row in table.values())
    sram = sum(row[1] for row in table.values())
    print(f"{'all':10} {flash:8} {sram:8}  of {FLASH_MAX} and {SRAM_MAX} allowed")
    if flash > FLASH_MAX or sram > SRAM_MAX:
        sys.exit(f"{elf}: {flash} bytes of flash and {sram} of SRAM; make it smaller")


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("generate")
    make.add_argument("build", type=Path)
    make.add_argument("--sources", type=Path, nargs="+", required=True)
    make.add_argument("--students", type=Path, nargs="*", default=[])
    report = commands.add_parser("size")
    report.add_argument("elf", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "generate":
        generate(arguments.build, arguments.sources, arguments.students)
    else:
        size(arguments.elf)


if __name__ == "__main__":
    main()
