"""Counting every basic block at the speed of machine code.

A Python function called for each of the 400,000 blocks that a second of audio takes would make
the simulator ten times slower. So the hook is a few dozen bytes of machine code of our own, put
into executable memory on Linux (x86-64 and aarch64): it counts the run, whether the block was
entered by a jump, and adds its cost to the cycle counter. It calls Python where a block is new,
and where the counter reaches the deadline. Elsewhere a Python hook does the same, slowly; the
counts are equal.
"""

from __future__ import annotations

import ctypes
import dataclasses
import mmap
import os
import platform
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kilohear_bench.apollo3 import memory
from kilohear_bench.apollo3.cycles import BlockCost

NEVER = (1 << 63) - 1

CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_size_t
)
"""An emulator's block hook: emulator, address, bytes, user data."""

# The first 64 bytes of the table that the code works on, then an entry for each half-word of
# flash: runs, jumps, units of a run, units of a jump, uint64 each.
_NEXT, _UNITS, _DEADLINE, _NEW, _LATE = range(5)
_HEAD = 8  # in uint64
_RUNS, _JUMPS, _COST, _JUMP_COST = range(4)

CODE = {
    # mov eax, esi; cmp eax, 0x100000; jae new; shl rax, 4; lea rax, [rcx + rax + 64]
    # mov r8, [rax + 16]; test r8, r8; je new; inc qword [rax]; cmp [rcx], esi; je follows
    # inc qword [rax + 8]; add r8, [rax + 24]
    # follows: add edx, esi; mov [rcx], edx; add r8, [rcx + 8]; mov [rcx + 8], r8
    # cmp r8, [rcx + 16]; jae late; ret; new: jmp [rcx + 24]; late: jmp [rcx + 32]
    "x86_64": bytes.fromhex(
        "89f03d00001000733448c1e004488d4401404c8b40104d85c0742248ff00"
        "3931740848ff40084c03401801f289114c0341084c8941084c3b41107304"
        "c3ff6118ff6120"
    ),
    # mov w9, w1; lsr w10, w1, 20; cbnz w10, new; lsl x9, x9, 4; add x9, x9, x3
    # ldr x10, [x9, 80]; cbz x10, new; ldr x11, [x9, 64]; add x11, x11, 1; str x11, [x9, 64]
    # ldr w12, [x3]; cmp w12, w1; b.eq follows; ldr x11, [x9, 72]; add x11, x11, 1
    # str x11, [x9, 72]; ldr x11, [x9, 88]; add x10, x10, x11
    # follows: add w12, w1, w2; str w12, [x3]; ldr x11, [x3, 8]; add x11, x11, x10
    # str x11, [x3, 8]; ldr x12, [x3, 16]; cmp x11, x12; b.hs late; ret
    # new: ldr x16, [x3, 24]; br x16; late: ldr x16, [x3, 32]; br x16
    "aarch64": bytes.fromhex(
        "e903012a2a7c14532a03003529ed7cd32901038b2a2940f9aa0200b42b2140f96b0500912b2100f9"
        "6c0040b99f01016bc00000542b2540f96b0500912b2500f92b2d40f94a010b8b2c00020b6c0000b9"
        "6b0440f96b010a8b6b0400f96c0840f97f010ceb82000054c0035fd6700c40f900021fd6701040f9"
        "00021fd6"
    ),
}
"""Machine code of the hook by processor, in the C calling convention of Linux."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """How often each block ran.

    Attributes
    ----------
    addresses
        Of the blocks' first instructions, int64 (blocks,).
    instructions
        Executed in each block, int64 (blocks,).
    units
        1/256 cycles spent in each block, jumps into it included, int64 (blocks,).
    """

    addresses: NDArray[np.int64]
    instructions: NDArray[np.int64]
    units: NDArray[np.int64]


class BlockCounter:
    """Counts blocks and their cost; `address` and `table` go to the emulator's block hook.

    Parameters
    ----------
    cost_of
        Called once for each block with its address and size in bytes.
    on_deadline
        Called after a block was counted that brought `units` to the deadline, with the block's
        address; the block hasn't run yet.
    native
        False uses the Python hook; None takes the native one where there is one.
    """

    def __init__(
        self,
        cost_of: Callable[[int, int], BlockCost],
        on_deadline: Callable[[int], None],
        native: bool | None = None,
    ) -> None:
        self._cost_of, self._on_deadline = cost_of, on_deadline
        half_words = memory.FLASH_END // 2
        # Anonymous memory: pages that no block touches cost nothing.
        self._memory = mmap.mmap(-1, 8 * (_HEAD + 4 * half_words))
        whole = np.frombuffer(self._memory, np.uint64)
        self._head, self._entries = whole[:_HEAD], whole[_HEAD:].reshape(half_words, 4)
        self.table = whole.ctypes.data
        self.total = ctypes.c_uint64.from_address(self.table + 8 * _UNITS)
        """`units`, quick to read: its `value`."""
        self._instructions: dict[int, int] = {}  # by address
        self._elsewhere: dict[int, list[int]] = {}  # blocks outside flash
        self._new, self._late = CALLBACK(self._new_block), CALLBACK(self._late_block)
        self._python = CALLBACK(self._count)
        self._head[_NEW] = ctypes.cast(self._new, ctypes.c_void_p).value or 0
        self._head[_LATE] = ctypes.cast(self._late, ctypes.c_void_p).value or 0
        self.deadline = NEVER
        page = _executable() if native in (None, True) else None
        self.native = page is not None
        self._page = page
        self.address = (
            np.frombuffer(page, np.uint8).ctypes.data
            if page is not None
            else ctypes.cast(self._python, ctypes.c_void_p).value or 0
        )

    @property
    def units(self) -> int:
        """1/256 cycles since the counter was made."""
        return self.total.value

    @property
    def deadline(self) -> int:
        """`units` from which on `on_deadline` is called."""
        return int(self._head[_DEADLINE])

    @deadline.setter
    def deadline(self, units: int) -> None:
        self._head[_DEADLINE] = max(0, min(units, NEVER))

    def take_back(self, address: int) -> None:
        """Undo the count of the block at `address`, which was stopped before it ran."""
        entry = self._elsewhere.get(address)
        if entry is None:
            self._entries[address >> 1, _RUNS] -= np.uint64(1)
            units = self._entries[address >> 1, _COST]
        else:
            entry[_RUNS] -= 1
            units = np.uint64(entry[_COST])
        self._head[_UNITS] -= units
        self._head[_NEXT] = address  # a jump into it is counted already

    def counts(self) -> Counts:
        """Return the counts up to now."""
        addresses = np.fromiter(self._instructions, np.int64)
        lengths = np.fromiter(self._instructions.values(), np.int64)
        rows = np.zeros((len(addresses), 4), np.int64)
        inside = addresses < memory.FLASH_END
        rows[inside] = self._entries[addresses[inside] >> 1]
        for i in np.flatnonzero(~inside):
            rows[i] = self._elsewhere[int(addresses[i])]
        return Counts(
            addresses,
            rows[:, _RUNS] * lengths,
            rows[:, _RUNS] * rows[:, _COST] + rows[:, _JUMPS] * rows[:, _JUMP_COST],
        )

    def _new_block(self, _uc: int, address: int, size: int, _user: int) -> None:
        """Cost a block that the native hook doesn't know, or that lies outside flash; count it."""
        if address not in self._instructions:
            cost = self._cost_of(address, size)
            self._instructions[address] = cost.instructions
            if address < memory.FLASH_END:
                self._entries[address >> 1] = (0, 0, cost.units, cost.jump_units)
            else:
                self._elsewhere[address] = [0, 0, cost.units, cost.jump_units]
        self._count(_uc, address, size, _user)

    def _count(self, _uc: int, address: int, size: int, _user: int) -> None:
        """Do in Python what the native hook does."""
        if address not in self._instructions:
            self._new_block(_uc, address, size, _user)
            return
        entry = self._elsewhere.get(address)
        if entry is None:
            entry = self._entries[address >> 1]
        entry[_RUNS] += 1
        units = int(entry[_COST])
        if int(self._head[_NEXT]) & 0xFFFF_FFFF != address:
            entry[_JUMPS] += 1
            units += int(entry[_JUMP_COST])
        self._head[_NEXT] = address + size
        self._head[_UNITS] += np.uint64(units)
        if self._head[_UNITS] >= self._head[_DEADLINE]:
            self._on_deadline(address)

    def _late_block(self, _uc: int, address: int, _size: int, _user: int) -> None:
        self._on_deadline(address)


def _executable() -> mmap.mmap | None:
    """Return a read-only page of memory that holds the hook; None where that can't be had."""
    code = CODE.get(platform.machine())
    if code is None or not sys.platform.startswith("linux"):
        return None
    # Through a file in memory the page is never writable and executable at once, and the kernel
    # keeps the instruction cache in step.
    file = os.memfd_create("block counter")
    try:
        os.write(file, code)
        return mmap.mmap(file, len(code), prot=mmap.PROT_READ | mmap.PROT_EXEC)
    except OSError:  # a system that forbids it
        return None
    finally:
        os.close(file)
