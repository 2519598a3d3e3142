"""UART0, timers and pins, modelled at their registers; see `block` for the sources."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import ClassVar

from kilohear_bench.apollo3.block import (
    LFRC_UNITS,
    UNITS_PER_S,
    XTAL_UNITS,
    Block,
    Chip,
    Interrupts,
    SimulatorError,
)
from kilohear_bench.apollo3.counter import NEVER


class Uart(Block):
    """UART0: FIFOs of 32 bytes, bytes at the baud rate's pace, receive overruns counted.

    What the host sends waits on the line and comes a byte time apart. Break, parity and framing
    errors and the modem lines aren't modelled.
    """

    NAME, BASE, POWER = "UART0", 0x4001_C000, 1 << 7
    STORED: ClassVar[dict[int, int]] = {0x20: 0, 0x24: 0, 0x28: 0, 0x2C: 0, 0x30: 0x300, 0x34: 0x12}
    ALIVE, IRQ, FIFO = True, 15, 32
    _DR, _RSR, _FR, _IBRD, _FBRD, _LCRH, _CR, _IFLS = 0, 4, 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34
    _IER, _IES, _MIS, _IEC = 0x38, 0x3C, 0x40, 0x44
    _OVERRUN, _TIMEOUT, _TX, _RX, _COMPLETE = 1 << 10, 1 << 6, 1 << 5, 1 << 4, 1 << 0

    def __init__(self, chip: Chip, transmit: Callable[[bytes], None]) -> None:
        super().__init__(chip)
        self._transmit = transmit
        self.line: collections.deque[int] = collections.deque()  # from the host, not arrived
        self._arrives = NEVER  # when the first byte of `line` has come
        self._received: collections.deque[int] = collections.deque()
        self._sending: collections.deque[tuple[int, int]] = collections.deque()  # byte, end
        self._silent_at = NEVER  # when the receive time-out comes
        self.due = NEVER
        self._mark_overrun = False
        self.raw = self.enabled = 0
        self.overruns = 0
        self._configure()

    def _configure(self) -> None:
        """Take the pace of a byte and the FIFOs' levels from the registers."""
        clocks = {1: 24_000_000, 2: 12_000_000, 3: 6_000_000, 4: 3_000_000}
        control, line = self.stored[self._CR], self.stored[self._LCRH]
        clock = clocks.get(control >> 4 & 7) if control & 8 else None
        divisor = self.stored[self._IBRD] * 64 + self.stored[self._FBRD]  # 1/64 of 16 clocks
        bits = 1 + 5 + (line >> 5 & 3) + (line >> 1 & 1) + 1 + (line >> 3 & 1)
        self.byte_units = bits * divisor * (UNITS_PER_S // clock) // 4 if clock else 0
        """Time of a byte on the line; 0 where the block isn't set up."""
        self._fifo = self.FIFO if line & 0x10 else 1
        self._send_level, self._receive_level = (
            max(self._fifo * (1, 2, 4, 6, 7)[min(self.stored[self._IFLS] >> shift & 7, 4)] // 8, 1)
            for shift in (0, 3)
        )
        self._receives = control & 0x201 == 0x201
        self._sends = control & 0x101 == 0x101 and self.byte_units > 0

    @property
    def listens(self) -> bool:
        """Whether a received byte would raise the interrupt."""
        return self._receives and bool(self.enabled & (self._RX | self._TIMEOUT))

    @property
    def busy(self) -> bool:
        """Whether bytes are on their way in either direction."""
        return bool(self._sending or self.line or self._received)

    def feed(self, data: bytes) -> None:
        """Put bytes from the host on the line."""
        if not self.line and data:
            self._arrives = self.chip.now + self.byte_units
            self.due = min(self.due, self._arrives)
        self.line.extend(data)

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if offset == self._FR:  # polled most of all
            received, waiting = len(self._received), max(len(self._sending) - 1, 0)
            return (
                (0x100 | 8 if self._sending else 0)
                | (0x80 if waiting == 0 else 0)
                | (0x40 if received >= self._fifo else 0)
                | (0x20 if waiting >= self._fifo else 0)
                | (0x10 if received == 0 else 0)
            )
        match offset:
            case self._DR:
                if not self._received:
                    return 0
                value = self._received.popleft()
                if len(self._received) < self._receive_level:
                    self.raw &= ~self._RX
                if not self._received:
                    self.raw &= ~self._TIMEOUT
                    self._silent_at = NEVER
                return value
            case self._RSR:
                return 8 if self.raw & self._OVERRUN else 0
            case self._IER:
                return self.enabled
            case self._IES:
                return self.raw
            case self._MIS:
                return self.raw & self.enabled
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        match offset:
            case self._DR:
                self._send(value & 0xFF)
            case self._RSR:
                self.raw &= ~self._OVERRUN
            case self._IER:
                self.enabled = value & 0x7FF
            case self._IEC:
                self.raw &= ~value
            case _:
                super().write(offset, value)
                self._configure()

    def _send(self, byte: int) -> None:
        if not self._sends or len(self._sending) > self._fifo:
            return  # off, or the FIFO is full: the byte is lost
        begin = self._sending[-1][1] if self._sending else self.chip.now
        self._sending.append((byte, begin + self.byte_units))
        self.due = min(self.due, begin + self.byte_units)
        self.raw &= ~self._COMPLETE
        if len(self._sending) - 1 > self._send_level:
            self.raw &= ~self._TX

    def advance(self, now: int) -> None:
        """Finish the bytes that are sent by `now`; take those that have come."""
        if self._sending and self._sending[0][1] <= now:
            out = bytearray()
            while self._sending and self._sending[0][1] <= now:
                out.append(self._sending.popleft()[0])
            if len(self._sending) - 1 <= self._send_level:
                self.raw |= self._TX
            if not self._sending:
                self.raw |= self._COMPLETE
            self._transmit(bytes(out))
        # On a block that isn't set up nothing arrives; bytes pass it at a usual pace.
        units = self.byte_units or UNITS_PER_S // 11_520
        while self.line and self._arrives <= now:
            self._receive(self.line.popleft())
            self._arrives += units
        if self._silent_at <= now:
            self.raw |= self._TIMEOUT
            self._silent_at = NEVER
        self.due = min(
            self._silent_at,
            self._arrives if self.line else NEVER,
            self._sending[0][1] if self._sending else NEVER,
        )

    def _receive(self, byte: int) -> None:
        if not self._receives:
            return
        if len(self._received) >= self._fifo:
            self.overruns += 1
            self.raw |= self._OVERRUN
            self._mark_overrun = True
            return
        self._received.append(byte | (0x800 if self._mark_overrun else 0))
        self._mark_overrun = False
        if len(self._received) >= self._receive_level:
            self.raw |= self._RX
        self._silent_at = self._arrives + 32 * self.byte_units // 10  # 32 bit times

    def next_event(self) -> int:
        """Return when the interrupt may change, or when the line falls silent."""
        event = self._silent_at
        if self._sending:
            # The byte at whose end the FIFO falls to its level; else the last one.
            level = max(len(self._sending) - 2 - self._send_level, 0)
            watched = level if self.enabled & self._TX else -1
            event = min(event, self._sending[watched][1])
        if self.line:  # until the FIFO's level, or to the end of what is coming
            missing = max(self._receive_level - len(self._received), 1)
            more = min(missing, len(self.line)) if self.enabled & self._RX else len(self.line)
            coming = self._arrives + (more - 1) * (self.byte_units or UNITS_PER_S // 11_520)
            # While more is coming there is no time-out in between.
            event = coming if event == self._silent_at else min(event, coming)
        return event

    def lines(self) -> int:
        """Return the UART's line."""
        return 1 << self.IRQ if self.raw & self.enabled else 0


class Timers(Block):
    """STIMER with its eight compares, and timer 3A as the ADC's trigger.

    A value written to a compare register is added to the counter, as the hardware does. Not
    modelled: capture, the other timers.
    """

    NAME, BASE, ALIVE = "CTIMER", 0x4000_8000, True
    STORED: ClassVar[dict[int, int]] = {
        0x64: 0,
        0x68: 0,
        0x6C: 0,
        0x74: 0,
        0x78: 0,
        0x7C: 0,
        0x100: 0xFFFF,
        0x104: 0,
        0x108: 0,
        0x148: 0,
        0x1F0: 0,
        0x1F4: 0,
        0x1F8: 0,
        0x1FC: 0,
    }
    _STCFG, _STTMR, _COMPARE = 0x140, 0x144, 0x150
    _PERIODS: ClassVar[dict[int, int]] = {
        1: 4096,
        2: 65_536,
        3: XTAL_UNITS,
        4: 2 * XTAL_UNITS,
        5: 32 * XTAL_UNITS,
        6: LFRC_UNITS,
    }
    _TIMER_PERIODS: ClassVar[dict[int, int]] = {
        1: 4 * 256,
        2: 16 * 256,
        3: 65_536,
        4: 1024 * 256,
        5: 4096 * 256,
        6: XTAL_UNITS,
        7: 2 * XTAL_UNITS,
        8: 16 * XTAL_UNITS,
        9: 128 * XTAL_UNITS,
        10: 2 * LFRC_UNITS,
        11: 32 * LFRC_UNITS,
        12: 1024 * LFRC_UNITS,
        13: LFRC_UNITS,
        15: 256,
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self._config = 0x8000_0000
        self._period = 0  # of the counter; 0 while it stands still
        self._count, self._since = 0, 0  # the counter's value at a time
        self._compares: list[int] = [2**32] * 8  # not wrapped: always ahead of the counter
        self._armed: list[int] = []  # the compares that are enabled
        self._interrupts = Interrupts(0x300, 0x1FFF)
        self._timer_interrupts = Interrupts(0x200, 0xFFFF_FFFF)
        self.on_timer_change: Callable[[], None] = lambda: None

    def _counter(self, now: int) -> int:
        return self._count + ((now - self._since) // self._period if self._period else 0)

    def _arm(self, i: int, compare: int) -> None:
        """Let a compare match when the counter next comes to it, after going round if need be."""
        behind = self._counter(self.chip.now) - compare
        self._compares[i] = compare + max(behind // 2**32 + 1, 0) * 2**32

    def trigger_units(self) -> int:
        """Return the period of timer 3A's repeated count, which triggers the ADC; 0 where off."""
        control, compare = self.stored[0x6C], self.stored[0x64] & 0xFFFF
        period = self._TIMER_PERIODS.get(control >> 1 & 31, 0)
        runs = control & 1 and not control & 0x800 and control & 0x8000
        return period * (compare + 1) if runs and self.stored[0x100] >> 6 & 1 else 0

    def read(self, offset: int) -> int:
        """Return a register's value."""
        for interrupts in (self._interrupts, self._timer_interrupts):
            if interrupts.covers(offset):
                return interrupts.read(offset)
        if offset == self._STCFG:
            return self._config
        if offset == self._STTMR:
            return self._counter(self.chip.now) & 0xFFFF_FFFF
        if 0 <= offset - self._COMPARE < 32:
            return self._compares[(offset - self._COMPARE) // 4] & 0xFFFF_FFFF
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        for interrupts in (self._interrupts, self._timer_interrupts):
            if interrupts.covers(offset):
                interrupts.write(offset, value)
                return
        now = self.chip.now
        if offset == self._STCFG:
            elapsed = self._counter(now)
            changed = (self._config ^ value) & 0x8000_000F
            if changed or value & 0x4000_0000:
                self._count, self._since = (0 if value & 0x4000_0000 else elapsed), now
            self._config = value & ~0x4000_0000
            frozen = value & 0x8000_0000
            self._period = 0 if frozen else self._PERIODS.get(value & 15, 0)
            self._armed = [i for i in range(8) if value >> (8 + i) & 1]
            for i, compare in enumerate(self._compares):
                self._arm(i, compare % 2**32)
        elif 0 <= offset - self._COMPARE < 32:
            self._arm((offset - self._COMPARE) // 4, self._counter(now) + value)
        else:
            super().write(offset, value)
            self.on_timer_change()

    def advance(self, now: int) -> None:
        """Set the status of the compares that the counter has reached."""
        if not self._period:
            return
        counter = self._counter(now)
        for i in self._armed:
            if self._compares[i] <= counter:
                self._interrupts.status |= 1 << i
                self._arm(i, self._compares[i])

    def next_event(self) -> int:
        """Return when the next enabled compare matches."""
        if not self._period:
            return NEVER
        nearest = min([self._compares[i] for i in self._armed], default=NEVER)
        return NEVER if nearest >= NEVER else self._since + (nearest - self._count) * self._period

    def lines(self) -> int:
        """Return the overflow line, number 22, and the compares' from 23 on."""
        active = self._interrupts.enabled & self._interrupts.status
        return (active >> 8 & 1) << 22 | (active & 0xFF) << 23


class Gpio(Block):
    """Pins: outputs with their edges in virtual time, the key that locks the pads."""

    NAME, BASE = "GPIO", 0x4001_0000
    STORED: ClassVar[dict[int, int]] = {
        **dict.fromkeys(range(0, 52, 4), 404232216),
        **dict.fromkeys(range(64, 92, 4), 0),
        **dict.fromkeys(range(224, 276, 4), 0),
        0xBC: 0x3F3F_3F3F,
        0x118: 0xFFFF_FFFF,
        0x11C: 0xFFFF_FFFF,
        0xDC: 0,
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self._unlocked = False
        self.outputs = 0  # 50 bits
        self._enabled = [0, 0]
        self._interrupts = (Interrupts(0x200, 0xFFFF_FFFF), Interrupts(0x210, 0x3FFFF))

    def read(self, offset: int) -> int:
        """Return a register's value."""
        for interrupts in self._interrupts:
            if interrupts.covers(offset):
                return interrupts.read(offset)
        high = offset >> 2 & 1
        match offset:
            case 0x60:
                return int(self._unlocked)
            case 0x80 | 0x84 | 0x88 | 0x8C:  # an output reads back what it drives
                return self.outputs >> 32 * high & 0xFFFF_FFFF
            case 0x90 | 0x94 | 0x98 | 0x9C:
                return 0
            case 0xA0 | 0xA4:
                return self._enabled[high]
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        for interrupts in self._interrupts:
            if interrupts.covers(offset):
                interrupts.write(offset, value)
                return
        high = offset >> 2 & 1
        shift = 32 * high
        match offset:
            case 0x60:
                self._unlocked = value == 0x73
            case 0x88 | 0x8C:
                self._drive(self.outputs & ~(0xFFFF_FFFF << shift) | value << shift)
            case 0x90 | 0x94:
                self._drive(self.outputs | value << shift)
            case 0x98 | 0x9C:
                self._drive(self.outputs & ~(value << shift))
            case 0xA0 | 0xA4:
                self._enabled[high] = value
            case 0xA8 | 0xAC:
                self._enabled[high] |= value
            case 0xB4 | 0xB8:
                self._enabled[(offset - 0xB4) // 4] &= ~value
            case _:
                if not self._unlocked and (offset < 0x60 or 0xE0 <= offset < 0x114):
                    raise SimulatorError(
                        f"write of locked pad register {self.BASE + offset:#010x}; "
                        "write 0x73 to PADKEY first"
                    )
                super().write(offset, value)

    def _drive(self, outputs: int) -> None:
        outputs &= (1 << 50) - 1
        changed, self.outputs = outputs ^ self.outputs, outputs
        for pin in range(50):
            if changed >> pin & 1:
                self.chip.edge(pin, bool(outputs >> pin & 1))
