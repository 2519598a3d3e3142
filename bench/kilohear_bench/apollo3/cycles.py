"""Cycles of Cortex-M4 code: a cost for each class of instruction, stated to be within 15%.

Source: Arm Cortex-M4 Technical Reference Manual r0p1 (ARM DDI 0439), table 3-1 "Cortex-M4
instruction set summary", section 3.3.3 "Load/store timings" and table 7-1 "FPU instruction set".
Flash: the chip's FLASHCFG register resets to 3 read wait states, and its cache line is 128 bits
(Apollo3 Blue data sheet, CACHECTRL). How often the cache hits is published nowhere: the value
here is an assumption, kept as a parameter. What isn't modelled: bus conflicts with DMA, early
ends of divisions, folded IT instructions, which lines the cache really holds.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from kilohear import extras
from kilohear.errors import ConfigError

FRACTION = 256
"""Costs are whole numbers of 1/256 of a cycle, so that sums are exact and repeatable."""

STATED_ERROR = 0.15
"""Relative error promised for whole stages."""

_LINE_BYTES = 16


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FPU_ARITHMETIC = _names(
    "vabs vadd vcvt vcvtr vcvtb vcvtt vdiv vfma vfms vfnma vfnms vmla vmls vmul vneg vnmla vnmls "
    "vnmul vsqrt vsub"
)
_LOADS = _names("ldr ldrb ldrh ldrsb ldrsh ldrt ldrbt ldrht ldrsbt ldrsht ldrex ldrexb ldrexh vldr")
_STORES = _names("str strb strh strt strbt strht strex strexb strexh vstr")
_MULTIPLE = _names("ldm ldmdb stm stmdb push pop vldm vldmia vldmdb vstm vstmia vstmdb vpush vpop")
_FIXED = {
    **dict.fromkeys(_names("vdiv vsqrt"), 14),
    **dict.fromkeys(_names("vfma vfms vfnma vfnms vmla vmls vnmla vnmls"), 3),
    **dict.fromkeys(_names("ldrd strd"), 3),
    **dict.fromkeys(_names("tbb tbh mrs msr"), 2),
    **dict.fromkeys(_names("dmb dsb isb"), 3),
}
_REGISTERS = re.compile(r"\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class CostModel:
    """Cycles by class of instruction.

    Attributes
    ----------
    refill
        Cycles to refill the pipeline after a jump; the manual says 1 to 3.
    divide
        Cycles of a whole-number division; the manual says 2 to 12, ended early by small values.
    flash_wait
        Cycles that a line takes which the cache doesn't hold.
    cache_hit_rate
        Share of the flash lines executed that the cache holds, 0 to 1. Assumed.
    """

    refill: float = 2.0
    divide: float = 6.0
    flash_wait: float = 4.0
    cache_hit_rate: float = 0.98

    def __post_init__(self) -> None:
        ranges = {"refill": (0, 10), "divide": (2, 12), "flash_wait": (0, 100)}
        for name, (low, high) in {**ranges, "cache_hit_rate": (0, 1)}.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}; it lies between {low} and {high}")

    def decoder(self) -> Decoder:
        """Return what costs code by this model."""
        return Decoder(self)


@dataclasses.dataclass(frozen=True)
class BlockCost:
    """What one run of a basic block costs.

    Attributes
    ----------
    instructions
        In the block.
    units
        1/256 cycles without the jump into it.
    jump_units
        1/256 cycles more where it is entered by a jump.
    """

    instructions: int
    units: int
    jump_units: int


class Decoder:
    """Costs basic blocks of Thumb-2 code."""

    def __init__(self, model: CostModel) -> None:
        self.model = model
        capstone = extras.load("capstone")
        self._capstone: Any = capstone.Cs(
            capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
        )

    def block(self, code: bytes, address: int, in_flash: bool = True) -> BlockCost:
        """Cost the basic block `code` that begins at `address`."""
        cycles, count, done, before = 0.0, 0, 0, ("", "")
        for instruction in self._capstone.disasm(code, address):
            name, operands = instruction.insn_name() or "", instruction.op_str
            cycles += self._instruction(name, operands, before)
            before = (name, operands)
            count, done = count + 1, done + instruction.size
        while done < len(code):  # what the disassembler doesn't know costs one cycle
            done += 4 if code[done + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
            count, cycles = count + 1, cycles + 1
        wide = len(code) > 1 and code[1] >> 3 in (0b11101, 0b11110, 0b11111)
        jump = self.model.refill + (1 if wide and address % 4 else 0)
        if in_flash:
            miss = (1 - self.model.cache_hit_rate) * self.model.flash_wait
            lines = (address + len(code) - 1) // _LINE_BYTES - address // _LINE_BYTES
            cycles, jump = cycles + lines * miss, jump + miss
        return BlockCost(count, max(round(cycles * FRACTION), 1), round(jump * FRACTION))

    def _instruction(self, name: str, operands: str, before: tuple[str, str]) -> float:
        last, last_operands = before
        # An FPU result that the next instruction takes comes a cycle later.
        waits = last in _FPU_ARITHMETIC and last_operands.partition(",")[0] in re.findall(
            r"[sd]\d+", operands
        )
        return self._alone(name, operands, last) + waits

    def _alone(self, name: str, operands: str, last: str) -> float:
        if name in _FIXED:
            return _FIXED[name]
        if name in ("sdiv", "udiv"):
            return self.model.divide
        if name in _LOADS or name in _STORES:
            # Neighbouring single transfers share a cycle; a store to base + constant needs one.
            wide = 1 if name in ("vldr", "vstr") and operands.startswith("d") else 0
            constant = name in _STORES and not re.search(r"\[\w+, \w", operands)
            return (1 if constant or last in _LOADS or last in _STORES else 2) + wide
        if name in _MULTIPLE:
            found = _REGISTERS.search(operands)
            registers = found[1].split(",") if found else [""]
            return 1 + sum(2 if r.strip().startswith("d") else 1 for r in registers)
        return 1
