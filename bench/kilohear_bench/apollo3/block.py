"""What the chip's simulated blocks are made of: registers, interrupts, virtual time.

Sources of the blocks: the vendor's register description (SVD file apollo3.svd) and the Apollo3
Blue data sheet (DS-A3-0p9p1). A register that isn't modelled or listed as plain storage is refused
with its address, never read as 0. Time is counted in whole units of 1/256 cycle at 48 MHz, in
which every clock of the chip has a whole period.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from kilohear.errors import KilohearError
from kilohear_bench.apollo3.counter import NEVER
from kilohear_bench.apollo3.microphone import Microphone

HFRC_HZ = 48_000_000
UNITS_PER_S = HFRC_HZ * 256
XTAL_UNITS = UNITS_PER_S // 32_768
LFRC_UNITS = UNITS_PER_S // 1_024


class SimulatorError(KilohearError):
    """The firmware does what the simulator doesn't model, or what the chip forbids."""


class Chip(Protocol):
    """What the blocks see of the rest."""

    microphone: Microphone

    @property
    def now(self) -> int:
        """Virtual time, units."""
        ...

    @property
    def core_cycles(self) -> int:
        """Cycles that the core has run."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Write as a DMA does."""
        ...

    def request_reset(self, cause: str) -> None:
        """Reset the chip as soon as the instruction is over."""
        ...

    def clocks_changed(self) -> None:
        """Take the core's clock from the registers again."""
        ...

    def edge(self, pin: int, level: bool) -> None:
        """Note that an output pin changed."""
        ...


class Block:
    """A peripheral block.

    `STORED` are registers that only keep what is written, offset to reset value.
    """

    NAME = ""
    BASE = 0
    POWER = 0  # the bit of PWRCTRL.DEVPWREN without which an access hangs the chip
    STORED: ClassVar[dict[int, int]] = {}
    ALIVE = False  # something happens in it by itself
    READS_CHANGE = False  # a read can bring an event nearer
    USES_POWER = False  # a write can change what draws current

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.stored = dict(self.STORED)
        self.due = 0  # before that time, `advance` has nothing to do
        self.event = NEVER  # the latest answer of `next_event`

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if offset in self.stored:
            return self.stored[offset]
        raise self.unknown("read", offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset not in self.stored:
            raise self.unknown("write", offset)
        self.stored[offset] = value

    def unknown(self, what: str, offset: int) -> SimulatorError:
        """Return the error for a register that isn't modelled."""
        return SimulatorError(
            f"{what} of {self.NAME} register {self.BASE + offset:#010x}, which isn't modelled"
        )

    def advance(self, now: int) -> None:
        """Do what happens up to the time `now`."""

    def next_event(self) -> int:
        """Return when something happens next by itself, in units; NEVER for nothing."""
        return NEVER

    def lines(self) -> int:
        """Return the interrupt lines that are high, a bit each."""
        return 0


class Interrupts:
    """The four registers INTEN, INTSTAT, INTCLR, INTSET of a block."""

    def __init__(self, base: int, mask: int) -> None:
        self._base, self._mask = base, mask
        self.enabled = self.status = 0

    def covers(self, offset: int) -> bool:
        """Tell whether `offset` is one of the four."""
        return 0 <= offset - self._base < 16

    def read(self, offset: int) -> int:
        """Return INTEN or INTSTAT; the write-only two read as 0."""
        return (self.enabled, self.status, 0, 0)[(offset - self._base) // 4]

    def write(self, offset: int, value: int) -> None:
        """Enable, clear or set."""
        value &= self._mask
        match (offset - self._base) // 4:
            case 0:
                self.enabled = value
            case 2:
                self.status &= ~value
            case 3:
                self.status |= value

    @property
    def level(self) -> bool:
        """The interrupt line."""
        return bool(self.enabled & self.status)
