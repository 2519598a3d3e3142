"""The block counter: its machine code does what its Python does, on every processor."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kilohear_bench.apollo3.counter import CODE, BlockCounter
from kilohear_bench.apollo3.cycles import BlockCost

unicorn = pytest.importorskip("unicorn")

CODE_AT, TABLE_AT, STACK = 0x1000, 0x10_0000, 0x8_0000
RETURN, NEW, LATE = 0x2000, 0x2100, 0x2200
TABLE_BYTES = 0x4_0000

BLOCKS = {0x100: (8, 700), 0x108: (20, 5_000), 0x11C: (4, 256), 0x300: (2, 256)}
"""Address to bytes and units."""


class Emulated:
    """The machine code on an emulated processor, called as the hook is."""

    def __init__(self, processor: str) -> None:
        if processor == "x86_64":
            from unicorn import x86_const as const

            self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            names = ("RDI", "RSI", "RDX", "RCX")
            self.registers = [getattr(const, f"UC_X86_REG_{name}") for name in names]
            self.pc, self.stack, self.link = const.UC_X86_REG_RIP, const.UC_X86_REG_RSP, None
        else:
            from unicorn import arm64_const as const

            self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            self.registers = [getattr(const, f"UC_ARM64_REG_X{i}") for i in range(4)]
            self.pc, self.stack = const.UC_ARM64_REG_PC, const.UC_ARM64_REG_SP
            self.link = const.UC_ARM64_REG_LR
        self.uc.mem_map(0, 0x10_0000)
        self.uc.mem_map(TABLE_AT, TABLE_BYTES)
        self.uc.mem_write(CODE_AT, CODE[processor])
        self.ends: list[int] = []
        for at in (RETURN, NEW, LATE):
            self.uc.hook_add(unicorn.UC_HOOK_CODE, self._end, begin=at, end=at)

    def _end(self, uc: Any, address: int, *_: Any) -> None:
        self.ends.append(address)
        uc.emu_stop()

    def call(self, address: int, size: int) -> str:
        self.uc.reg_write(self.stack, STACK)
        self.uc.mem_write(STACK, struct.pack("<Q", RETURN))
        if self.link is not None:
            self.uc.reg_write(self.link, RETURN)
        for register, value in zip(self.registers, (1, address, size, TABLE_AT), strict=True):
            self.uc.reg_write(register, value)
        self.uc.emu_start(CODE_AT, 0xF_FFF0)
        return {RETURN: "", NEW: "new", LATE: "late"}[self.ends.pop()]

    def word(self, at: int) -> int:
        return struct.unpack("<Q", self.uc.mem_read(TABLE_AT + at, 8))[0]

    def set(self, at: int, *values: int) -> None:
        self.uc.mem_write(TABLE_AT + at, struct.pack(f"<{len(values)}Q", *values))


@pytest.mark.parametrize("processor", sorted(CODE))
def test_machine_code_counts_as_python_does(processor: str) -> None:
    emulated = Emulated(processor)
    late: list[int] = []
    counter = BlockCounter(
        lambda address, _size: BlockCost(3, BLOCKS[address][1], 512), late.append, native=False
    )
    deadline = 400_000
    counter.deadline = deadline
    emulated.set(0, 0, 0, deadline, NEW, LATE)
    trace = np.random.default_rng(2).choice(list(BLOCKS), 300).tolist()
    hook = counter._count
    seen = set()
    for address in trace:
        size, units = BLOCKS[address]
        was_late = len(late)
        hook(0, address, size, 0)
        outcome = emulated.call(address, size)
        if address not in seen:
            assert outcome == "new"
            seen.add(address)
            emulated.set(64 + address * 16, 0, 0, units, 512)
            outcome = emulated.call(address, size)
        assert outcome == ("late" if len(late) > was_late else "")
        assert emulated.word(8) == counter.units
        assert emulated.word(0) & 0xFFFF_FFFF == address + size
    assert late
    for address in BLOCKS:
        row = [emulated.word(64 + address * 16 + 8 * i) for i in range(2)]
        assert row == counter._entries[address >> 1, :2].tolist()


@pytest.mark.parametrize("processor", sorted(CODE))
def test_code_outside_flash_goes_to_python(processor: str) -> None:
    emulated = Emulated(processor)
    emulated.set(0, 0, 0, 1 << 62, NEW, LATE)
    assert emulated.call(0x1000_0000, 8) == "new"


def test_taking_a_block_back() -> None:
    counter = BlockCounter(lambda *_: BlockCost(2, 300, 100), lambda _: None, native=False)
    count: Callable[..., None] = counter._count
    for address in (0x100, 0x1000_0000):
        count(0, address, 4, 0)
        before = counter.units, counter.counts().instructions.tolist()
        count(0, address, 4, 0)
        counter.take_back(address)
        count(0, address, 4, 0)  # no second jump into it
        after = counter.units, counter.counts().instructions.tolist()
        assert after[0] - before[0] == 400
        assert sum(after[1]) - sum(before[1]) == 2
    counts = counter.counts()
    assert counts.units.sum() == counter.units
    assert counts.instructions.sum() == 8
