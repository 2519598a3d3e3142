"""Build C for this machine or for the board's processor; call single functions and count.

The counts are simulated: Unicorn runs the machine code instruction by instruction.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

APOLLO3 = Path(__file__).parents[1]
STAGES = APOLLO3 / "stages"
CHECKS = APOLLO3 / "checks"

HOST_CC = "gcc"
ARM_CC = "arm-none-eabi-gcc"
CORTEX_M4F = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
COMMON = (
    *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"),
    # A loop over a few numbers is no call of memset, which is slower where it is small.
    "-fno-tree-loop-distribute-patterns",
)

_FLASH = (0, 0x10_0000)
APOLLO3_SRAM = (0x1000_0000, 384 * 1024)
_RETURN = 0x8000
"""Where a called function returns to, below all code: the simulator stops there."""


def missing_tool(*tools: str) -> str | None:
    """Return why these programs can't be run, or None where all are there."""
    for tool in tools:
        if not shutil.which(tool):
            return f"{tool} isn't installed"
    return None


def build_host(sources: Sequence[Path], into: Path, flags: Sequence[str] = ()) -> ctypes.CDLL:
    """Build C sources as a shared library for this machine, in the folder `into`, and load it.

    Floating point is kept as on the board: no fused operations, float32 throughout.
    """
    library = into / "host.so"
    _run(HOST_CC, *COMMON, "-fPIC", "-shared", *flags, *map(str, sources), "-o", str(library))
    return ctypes.CDLL(str(library))


def build_arm(
    sources: Sequence[Path],
    into: Path,
    flags: Sequence[str] = (),
    script: Path = CHECKS / "kernel.ld",
) -> Path:
    """Build C sources for the Cortex-M4F in the folder `into`; return the ELF for `ArmKernel`."""
    elf = into / "kernel.elf"
    link = ("-nostdlib", "-nostartfiles", "-ffreestanding", "-T", str(script))
    files = [str(source) for source in (*sources, CHECKS / "memory.c")]
    _run(ARM_CC, *COMMON, *CORTEX_M4F, *link, *flags, *files, "-lgcc", "-o", str(elf))
    return elf


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


@dataclasses.dataclass(frozen=True)
class Call:
    """What one call gave.

    Attributes
    ----------
    result, result_f32
        What r0 and s0 held at its end.
    instructions
        How many were executed, those whose condition failed among them.
    by_symbol
        The same per function; what was inlined counts where it stands.
    """

    result: int
    result_f32: float
    instructions: int
    by_symbol: dict[str, int]


class ArmKernel:
    """The functions of an ELF file for the Cortex-M4F, called one at a time.

    Parameters
    ----------
    elf
        Its code lies in the first megabyte; `__heap_start` names the first free byte of its SRAM.
    sram
        First address and size in bytes; the stack is at its end.
    """

    def __init__(self, elf: Path, sram: tuple[int, int] = APOLLO3_SRAM) -> None:
        self._elf = elf
        self._sram = sram
        self._blocks: collections.Counter[tuple[int, int]] = collections.Counter()
        self._heap = self.symbols["__heap_start"][0]

    @cached_property
    def symbols(self) -> dict[str, tuple[int, int]]:
        """Address and size in bytes of each named function or object."""
        from elftools.elf.elffile import ELFFile

        with self._elf.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            return {
                s.name: (s["st_value"] & ~1, s["st_size"])
                for s in table.iter_symbols()  # type: ignore[union-attr]
                if s.name and not s.name.startswith("$")
            }

    @cached_property
    def _machine(self) -> Any:
        import unicorn
        from elftools.elf.elffile import ELFFile
        from unicorn import arm_const

        mode = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        machine: Any = unicorn.Uc(  # pyright: ignore[reportPrivateImportUsage]
            unicorn.UC_ARCH_ARM, mode
        )
        machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        for start, size in (_FLASH, self._sram):
            machine.mem_map(start, size)
        with self._elf.open("rb") as file:
            for segment in ELFFile(file).iter_segments("PT_LOAD"):
                machine.mem_write(segment["p_paddr"], segment.data())
        machine.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)
        return machine

    def _on_block(self, _machine: object, address: int, size: int, _data: object) -> None:
        self._blocks[address, size] += 1

    def place(self, values: NDArray[np.generic] | bytes) -> int:
        """Put values into SRAM, 8-byte aligned; return their address."""
        data = values if isinstance(values, bytes) else values.tobytes()
        address = (self._heap + 7) & ~7
        self._heap = address + len(data)
        if self._heap > sum(self._sram) - 16 * 1024:
            raise MemoryError(f"{len(data)} bytes more leave no room for the stack in SRAM")
        self._machine.mem_write(address, data)
        return address

    def read(self, address: int, dtype: type[np.generic], count: int) -> NDArray:
        """Return `count` values from memory, shape (count,)."""
        data = self._machine.mem_read(address, np.dtype(dtype).itemsize * count)
        return np.frombuffer(bytes(data), dtype)

    def call(self, symbol: str, *arguments: int) -> Call:
        """Call a function with whole numbers or addresses; it has to return."""
        from unicorn import arm_const

        machine = self._machine
        stack = sum(self._sram) - 8 * max(0, len(arguments) - 4)  # stays 8-byte aligned
        registers = (
            arm_const.UC_ARM_REG_R0,
            arm_const.UC_ARM_REG_R1,
            arm_const.UC_ARM_REG_R2,
            arm_const.UC_ARM_REG_R3,
        )
        for register, value in zip(registers, arguments, strict=False):
            machine.reg_write(register, value & 0xFFFF_FFFF)
        for i, value in enumerate(arguments[4:]):
            machine.mem_write(stack + 4 * i, (value & 0xFFFF_FFFF).to_bytes(4, "little"))
        machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        machine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        self._blocks.clear()
        machine.emu_start(self.symbols[symbol][0] | 1, _RETURN)
        single = np.uint32(machine.reg_read(arm_const.UC_ARM_REG_S0)).view(np.float32)
        by_symbol = self._count()
        total = sum(by_symbol.values())
        return Call(machine.reg_read(arm_const.UC_ARM_REG_R0), float(single), total, by_symbol)

    def _count(self) -> dict[str, int]:
        functions = sorted((start, start + size, n) for n, (start, size) in self.symbols.items())
        counts: collections.Counter[str] = collections.Counter()
        for (address, size), times in self._blocks.items():
            code = self.read(address, np.uint16, size // 2)
            name = next((n for start, end, n in functions if start <= address < end), "?")
            counts[name] += times * thumb_instructions(code)
        return dict(counts.most_common())


def thumb_instructions(code: NDArray[np.uint16]) -> int:
    """Return how many instructions half words (n,) of Thumb-2 code hold.

    A first half word from 0xE800 up announces a second (ARMv7-M Architecture Reference Manual,
    A5.1).
    """
    count = i = 0
    while i < len(code):
        i += 2 if code[i] >= 0xE800 else 1
        count += 1
    return count
