"""Faults on a whole Cortex-M4, MPU included: each resets the board and is told afterwards."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from apollo3.checks.arm import APOLLO3, ARM_CC, CORTEX_M4F, missing_tool

HERE = Path(__file__).parent
QEMU = "qemu-system-arm"
MOVED = {"0x400201B0": "0x20020000", "0x400201B4": "0x20020004", "0x4FFFF000": "0x20020008"}
"""Scratch and reset status registers, which QEMU's machine hasn't: ordinary memory there."""


def cause_after(fault: int, into: Path) -> str:
    """What `board_reset_cause` says after the reset that a fault brings."""
    if reason := missing_tool(ARM_CC, QEMU):
        pytest.skip(reason)
    registers = (APOLLO3 / "board" / "apollo3.h").read_text()
    for old, new in MOVED.items():
        assert old in registers
        registers = registers.replace(old, new)
    (into / "apollo3.h").write_text(registers)
    for name in ("start.c", "board.h"):
        shutil.copy(APOLLO3 / "board" / name, into)
    elf = into / "fault.elf"
    build = [ARM_CC, *CORTEX_M4F, "-std=c11", "-O1", "-ffreestanding", "-nostdlib"]
    build += ["-fno-optimize-sibling-calls", f"-DFAULT={fault}", f"-I{into}"]
    build += [str(into / "start.c"), str(HERE / "fault.c"), "-T", str(HERE / "fault.ld")]
    subprocess.run([*build, "-Wl,--no-warn-rwx-segments", "-o", str(elf)], check=True)
    run = [QEMU, "-M", "mps2-an386", "-nographic", "-kernel", str(elf)]
    run += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fault", "cause"), [(2, "bus-fault at "), (3, "usage-fault at "), (4, "stack-overflow at ")]
)
def test_fault_is_told_after_its_reset(fault: int, cause: str, tmp_path: Path) -> None:
    told = cause_after(fault, tmp_path)
    assert told.startswith(cause)
    assert len(told) == len(cause) + 8
