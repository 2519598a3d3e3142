"""Clocks, power, resets, watchdog and the core's own registers; see `block` for the sources."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import ClassVar

from kilohear_bench.apollo3.block import (
    UNITS_PER_S,
    Block,
    Chip,
    Interrupts,
)
from kilohear_bench.apollo3.converters import Adc
from kilohear_bench.apollo3.counter import NEVER


class ClockGenerator(Block):
    """Clocks: the core's divider behind its key, burst, oscillators as stored."""

    NAME, BASE = "CLKGEN", 0x4000_4000
    STORED: ClassVar[dict[int, int]] = {
        0x0: 0,
        0x4: 0,
        0x8: 0,
        0xC: 0,
        0x10: 0,
        0x18: 1,
        0x20: 0x25B800,
        0x34: 0,
        0x3C: 0,
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self._key = False
        self._interrupts = Interrupts(0x100, 7)

    @property
    def core_divider(self) -> Fraction:
        """Cycles at 48 MHz that a core cycle takes."""
        divider = Fraction(2 if self.stored[0x18] & 1 else 1)
        return divider / 2 if self.stored[0x34] & 1 else divider

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if self._interrupts.covers(offset):
            return self._interrupts.read(offset)
        match offset:
            case 0x14:
                return int(self._key)
            case 0x1C:
                return self.stored[0xC] >> 7 & 1
            case 0x28 | 0x2C:
                return 0xFFFF_FFFF
            case 0x30:
                return 0x0300_0000
            case 0x34:
                return 7 if self.stored[0x34] & 1 else 0
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if self._interrupts.covers(offset):
            self._interrupts.write(offset, value)
            return
        if offset == 0x14:
            self._key = value == 0x47
            return
        if offset == 0x18 and not self._key:
            return
        super().write(offset, value)
        if offset in (0x18, 0x34):
            self.chip.clocks_changed()


class PowerControl(Block):
    """Power domains: enabled at once; memory that is off keeps its contents here."""

    NAME, BASE, USES_POWER = "PWRCTRL", 0x4002_1000, True
    STORED: ClassVar[dict[int, int]] = {
        0x0: 0,
        0x8: 0,
        0xC: 0x6000,
        0x10: 0xC000_7FFF,
        0x1C: 0,
        0x24: 0,
        0x28: 0,
        0x2C: 0,
    }

    def read(self, offset: int) -> int:
        """Return a register's value."""
        devices = self.stored[8]
        match offset:
            case 0x4:
                return 1 | (self.stored[0] & 1) << 1
            case 0x14:
                enabled = self.stored[0x10]
                return enabled & 0x7FFF | (enabled >> 30 & 3) << 15
            case 0x18:
                groups = (
                    (2, 0x0581),
                    (3, 0x000E),
                    (4, 0x0070),
                    (5, 0x200),
                    (6, 0x800),
                    (7, 0x1000),
                    (8, 0x2000),
                )
                return 3 | sum(1 << bit for bit, mask in groups if devices & mask)
            case 0x20:
                return 0 if devices & Adc.POWER else 0x3F
        return super().read(offset)


class CacheControl(Block):
    """The flash cache: stored, always ready."""

    NAME, BASE = "CACHECTRL", 0x4001_8000
    STORED: ClassVar[dict[int, int]] = {
        0x0: 0x10_0C50,
        0x4: 0x873,
        0x10: 0,
        0x14: 0,
        0x18: 0,
        0x1C: 0,
        **dict.fromkeys(range(64, 96, 4), 0),
    }

    def read(self, offset: int) -> int:
        """Return a register's value."""
        return 4 if offset == 0x8 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset != 0x8:
            super().write(offset, value)


class McuControl(Block):
    """Chip identity, supervisors and miscellany: stored."""

    NAME, BASE = "MCUCTRL", 0x4002_0000
    STORED: ClassVar[dict[int, int]] = {
        0x0: 0x0672_2018,
        0x4: 0,
        0x8: 0,
        0xC: 0x11,
        0x10: 0x414D_4251,
        0x14: 1,
        0x18: 1,
        0x20: 0,
        0x100: 0,
        0x104: 0,
        0x10C: 1,
        0x110: 0,
        0x118: 0x200,
        0x11C: 0,
        0x120: 0x158,
        0x124: 0x100,
        0x198: 0,
        0x1A0: 7,
        0x1A4: 7,
        0x1B0: 0,
        0x1B4: 0,
        0x1C0: 0,
        0x1C4: 0,
        0x1C8: 0,
        0x1CC: 0,
        0x1D0: 0,
        0x200: 0x1234_5678,
        0x204: 0xC001_C0DE,
        0x220: 1,
        0x250: 0,
        0x264: 0,
        0x280: 0x203,
        0x284: 0,
        0x348: 0,
        0x350: 0x3820_8200,
        0x354: 0xAA_0010,
        0x358: 0x5000_AAAA,
        0x35C: 0x3C8D_80AA,
        0x368: 0x4E,
        0x3A0: 0,
        0x3A4: 0,
        0x3B0: 0,
        0x3B4: 0,
    }


class ResetGenerator(Block):
    """Resets by software, and what the last one's cause was."""

    NAME, BASE = "RSTGEN", 0x4000_0000
    STORED: ClassVar[dict[int, int]] = {0x0: 0, 0x14: 0}
    CAUSES: ClassVar[dict[str, int]] = {
        "pin": 1,
        "power-on": 2,
        "brown-out": 4,
        "software": 8,
        "poi": 16,
        "debugger": 32,
        "watchdog": 64,
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self.status = 0
        self._interrupts = Interrupts(0x200, 1)

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if self._interrupts.covers(offset):
            return self._interrupts.read(offset)
        return 0 if offset in (4, 8) else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if self._interrupts.covers(offset):
            self._interrupts.write(offset, value)
        elif offset == 4:
            if value & 0xFF == 0x1B:
                self.chip.request_reset("poi")
        elif offset == 8:
            if value & 0xFF == 0xD4:
                self.chip.request_reset("software")
        else:
            super().write(offset, value)


class ResetStatus(Block):
    """RSTGEN's status register, which lies far from the others."""

    NAME, BASE = "RSTGEN", 0x4FFF_F000

    def __init__(self, chip: Chip, generator: ResetGenerator) -> None:
        super().__init__(chip)
        self._generator = generator

    def read(self, offset: int) -> int:
        """Return the causes."""
        return self._generator.status if offset == 0 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write the causes, which every bit allows."""
        if offset != 0:
            raise self.unknown("write", offset)
        self._generator.status = value


class Watchdog(Block):
    """The watchdog: counts its clock, interrupts, and resets the chip."""

    NAME, BASE, ALIVE = "WDT", 0x4002_4000, True
    STORED: ClassVar[dict[int, int]] = {}
    _PERIODS: ClassVar[dict[int, int]] = {
        1: UNITS_PER_S // 128,
        2: UNITS_PER_S // 16,
        3: UNITS_PER_S,
        4: 16 * UNITS_PER_S,
    }

    def __init__(self, chip: Chip, resets: Callable[[], bool]) -> None:
        super().__init__(chip)
        self._resets = resets
        self._config, self._locked, self._since = 0x00FF_FF00, False, 0
        self._interrupts = Interrupts(0x200, 1)

    @property
    def _period(self) -> int:
        return self._PERIODS.get(self._config >> 24 & 7, 0) if self._config & 1 else 0

    def _at(self, count: int) -> int:
        return self._since + count * self._period

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if self._interrupts.covers(offset):
            return self._interrupts.read(offset)
        match offset:
            case 0x0:
                return self._config
            case 0x4 | 0x8:
                return 0
            case 0xC:
                count = (self.chip.now - self._since) // self._period if self._period else 0
                return min(count, 255)
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if self._interrupts.covers(offset):
            self._interrupts.write(offset, value)
            return
        match offset:
            case 0x0:
                if not self._locked:
                    if (value ^ self._config) & 0x0700_0001:
                        self._since = self.chip.now
                    self._config = value
            case 0x4:
                if value & 0xFF == 0xB2:
                    self._since = self.chip.now
            case 0x8:
                self._locked = self._locked or value & 0xFF == 0x3A
            case _:
                super().write(offset, value)

    def advance(self, now: int) -> None:
        """Interrupt or reset where the count has reached its values."""
        if not self._period:
            return
        if self._config & 2 and self._at(self._config >> 16 & 0xFF) <= now:
            self._interrupts.status |= 1
        if self._config & 4 and self._resets() and self._at(self._config >> 8 & 0xFF) <= now:
            self.chip.request_reset("watchdog")

    def next_event(self) -> int:
        """Return when it interrupts or resets."""
        if not self._period:
            return NEVER
        times = []
        if self._config & 2 and not self._interrupts.status & 1:
            times.append(self._at(self._config >> 16 & 0xFF))
        if self._config & 4 and self._resets():
            times.append(self._at(self._config >> 8 & 0xFF))
        return min(times, default=NEVER)

    def lines(self) -> int:
        """Return the watchdog's line."""
        return 2 if self._interrupts.level else 0


class SystemControl(Block):
    """The core's own registers: NVIC, SCB, MPU, FPU, cycle counter, as far as polling needs them.

    The MPU's regions are stored but not enforced. Interrupts are pending or not; none is taken,
    as the firmware masks them all (PRIMASK).
    """

    NAME, BASE = "SCS", 0xE000_E000
    STORED: ClassVar[dict[int, int]] = {
        0xD08: 0,
        0xD14: 0x200,
        0xD18: 0,
        0xD1C: 0,
        0xD20: 0,
        0xD24: 0,
        0xD28: 0,
        0xD2C: 0,
        0xD30: 0,
        0xD34: 0,
        0xD38: 0,
        0xD3C: 0,
        0xD88: 0,
        0xD94: 0,
        0xD98: 0,
        0xD9C: 0,
        0xDA0: 0,
        0xDA4: 0,
        0xDA8: 0,
        0xDAC: 0,
        0xDB0: 0,
        0xDB4: 0,
        0xDB8: 0,
        0xDFC: 0,
        0xF34: 0xC000_0000,
        0xF38: 0,
        0xF3C: 0,
        0x8: 0,
        0x10: 0,
        0x14: 0,
        0x18: 0,
        **dict.fromkeys(range(1024, 1024 + 64, 4), 0),
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self.enabled = self.pending = 0
        self.cleared = False  # pending bits have been cleared by a write
        self.deep = False

    @property
    def wakes(self) -> bool:
        """Whether an enabled interrupt is pending."""
        return bool(self.enabled & self.pending)

    def read(self, offset: int) -> int:
        """Return a register's value."""
        index = (offset & 0x7F) // 4
        match offset:
            case 0x4:
                return 1
            case _ if 0x100 <= offset < 0x200:
                return self.enabled >> 32 * index & 0xFFFF_FFFF
            case _ if 0x200 <= offset < 0x300:
                return self.pending >> 32 * index & 0xFFFF_FFFF
            case _ if 0x300 <= offset < 0x380:
                return 0
            case 0xD00:
                return 0x410F_C241
            case 0xD04:
                return 0x40_0000 if self.wakes else 0
            case 0xD0C:
                return 0xFA05_0000
            case 0xD10:
                return 4 if self.deep else 0
            case 0xD90:
                return 0x800
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        bits = value << 32 * ((offset & 0x7F) // 4)
        match offset:
            case _ if 0x100 <= offset < 0x180:
                self.enabled |= bits
            case _ if 0x180 <= offset < 0x200:
                self.enabled &= ~bits
            case _ if 0x200 <= offset < 0x280:
                self.pending |= bits
            case _ if 0x280 <= offset < 0x300:
                self.pending &= ~bits
                self.cleared = True
            case 0xD04:
                pass
            case 0xD0C:
                if value >> 16 == 0x05FA and value & 4:
                    self.chip.request_reset("software")
            case 0xD10:
                self.deep = bool(value & 4)
            case 0xD28 | 0xD2C | 0xD30:  # write one to clear
                self.stored[offset] &= ~value
            case 0x10:
                if value & 1:
                    raise self.unknown("start of SysTick by a write", offset)
            case _:
                super().write(offset, value)


class CycleCounter(Block):
    """DWT: the cycle counter, which stands still while the core sleeps."""

    NAME, BASE = "DWT", 0xE000_1000
    STORED: ClassVar[dict[int, int]] = {0x0: 0x4000_0000}

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self._offset = 0

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if offset == 4:
            return (self.chip.core_cycles - self._offset) & 0xFFFF_FFFF
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == 4:
            self._offset = self.chip.core_cycles - value
        else:
            super().write(offset, value)
