"""The blocks that take samples, modelled at their registers: PDM and ADC, FIFO and DMA."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilohear_bench.apollo3 import memory
from kilohear_bench.apollo3.block import (
    UNITS_PER_S,
    Block,
    Chip,
    Interrupts,
)
from kilohear_bench.apollo3.counter import NEVER


class Converter(Block):
    """What PDM and ADC share: samples into a FIFO at a fixed pace, and a DMA out of it."""

    DEPTH = IRQ = 0
    ALIVE = READS_CHANGE = USES_POWER = True
    _COMPLETE, _ERROR = 0, 0  # bits of INTSTAT

    def __init__(self, chip: Chip, mask: int) -> None:
        super().__init__(chip)
        self._interrupts = Interrupts(0x200, mask)
        self._heard: NDArray[np.int16] = np.zeros(0, np.int16)
        self._started = 0
        self._units = 0  # of a FIFO word; 0 while it stands still
        self._produced = 0  # words since the start
        self._fifo: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._left = 0  # bytes that the DMA still has to move
        self._target = 0
        self._moving = False
        self._dma_status = 0
        self.lost = 0
        """Words that found the FIFO full, since the simulator's start."""
        self.taken = 0
        """Words produced since the simulator's start."""

    @property
    def running(self) -> bool:
        """Whether samples are being taken."""
        return self._units > 0

    def _trigger(self) -> int:
        """Return the words at which the DMA moves the FIFO; 0 where it has no trigger."""
        raise NotImplementedError

    def _words(self, first: int, count: int) -> NDArray[np.uint32]:
        """Return the FIFO words `first` to `first + count` since the start."""
        raise NotImplementedError

    def _levels(self) -> None:
        """Set the status bits that follow the FIFO's level."""

    def _overflow(self) -> None:
        """Set the status bit of a full FIFO."""
        raise NotImplementedError

    def _begin(self, units: int, heard: NDArray[np.int16]) -> None:
        self._started, self._produced, self._units = self.chip.now, 0, units
        self._heard = heard

    def _end(self) -> None:
        self._units = 0

    def _samples(self, first: int, count: int) -> NDArray[np.int16]:
        samples = np.zeros(count, np.int16)
        heard = self._heard[first : first + count]
        samples[: len(heard)] = heard
        return samples

    def _until_complete(self) -> int:
        trigger = self._trigger()
        if not self._moving or trigger == 0:
            return -1
        bursts = -(-(self._left // 4) // trigger)
        return max(bursts * trigger - len(self._fifo), 0)

    def advance(self, now: int) -> None:
        """Take the samples up to `now`, let the DMA move them, drop what finds no room."""
        if self._units:
            while (new := (now - self._started) // self._units - self._produced) > 0:
                self._step(new)
        self._move()
        self._levels()

    def _step(self, new: int) -> None:
        until = self._until_complete()
        room = self.DEPTH - len(self._fifo)
        if until > 0:
            count = min(new, until)
        elif room > 0:
            count = min(new, room)
        else:
            self.lost += new
            self.taken += new
            self._produced += new
            self._overflow()
            return
        words = self._words(self._produced, count)
        self._produced += count
        self.taken += count
        self._fifo = np.concatenate([self._fifo, words])
        self._move()

    def _move(self) -> None:
        trigger = self._trigger()
        if not self._moving or trigger == 0 or len(self._fifo) < trigger:
            return
        count = min(len(self._fifo) // trigger * trigger, self._left // 4)
        if len(self._fifo) < self.DEPTH:
            data = self._fifo[:count]
        else:  # it had waited for the DMA, which empties it
            count = min(len(self._fifo), self._left // 4)
            data = self._fifo[:count]
        end = self._target + 4 * count
        if self._target >= memory.SRAM_START and end <= memory.SRAM_END:
            self.chip.write_memory(self._target, data.astype("<u4").tobytes())
        else:
            self._interrupts.status |= self._ERROR
            self._dma_status |= 4
            self._moving = False
            return
        self._fifo = self._fifo[count:]
        self._target, self._left = end, self._left - 4 * count
        if self._left < 4:
            self._moving, self._dma_status = False, 2
            self._interrupts.status |= self._COMPLETE

    def next_event(self) -> int:
        """Return when the DMA is complete, or the FIFO reaches its trigger or its end."""
        if not self._units:
            return NEVER
        until = self._until_complete()
        if until < 0:
            level = len(self._fifo)
            marks = [mark for mark in self._marks() if mark > level]
            if not marks:
                return NEVER
            until = min(marks) - level
        return self._started + (self._produced + max(until, 1)) * self._units

    def _marks(self) -> Iterable[int]:
        """Return the FIFO levels at which a status bit changes."""
        raise NotImplementedError

    def _read_dma(self, offset: int) -> int:
        match offset:
            case 0x288:
                return self._left
            case 0x28C:
                return self._target
            case 0x290:
                return self._dma_status | (1 if self._moving else 0)
        return super().read(offset)

    def _write_dma(self, offset: int, value: int) -> None:
        match offset:
            case 0x280:
                self.stored[0x280] = value
                if value & 4:
                    raise self.unknown("a DMA from memory by a write", offset)
                if value & 1 and self._left >= 4:
                    self._moving = True
                    self._dma_status = 0
                if not value & 1:
                    self._moving = False
                self.advance(self.chip.now)
            case 0x288:
                self._left = value & 0xF_FFFF
            case 0x28C:
                self._target = value
            case 0x290:
                self._dma_status = value & 6
            case _:
                super().write(offset, value)

    def lines(self) -> int:
        """Return the block's line."""
        return 1 << self.IRQ if self._interrupts.level else 0


class Pdm(Converter):
    """The PDM block: clock, rate, gain, packing, FIFO of 32 words, threshold, DMA, overflow.

    The microphone is on the left channel; the right one hears nothing. The samples come from the
    `Microphone` without the block's own filter responses and their settling.
    """

    NAME, BASE, POWER = "PDM", 0x5001_1000, 1 << 12
    STORED: ClassVar[dict[int, int]] = {
        0x0: 0xC365,
        0x4: 8,
        0x14: 0x10,
        0x240: 0,
        0x244: 0,
        0x280: 0,
    }
    DEPTH, IRQ = 32, 19
    _COMPLETE, _ERROR = 1 << 3, 1 << 4
    CLOCKS_HZ: ClassVar[dict[int, int]] = {
        1: 12_000_000,
        2: 6_000_000,
        3: 3_000_000,
        4: 1_500_000,
        5: 750_000,
        6: 375_000,
        7: 187_500,
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip, 0x1F)

    @property
    def clock_hz(self) -> float:
        """The microphone's clock; 0 where it stands."""
        voice, config = self.stored[4], self.stored[0]
        if not (voice & 0x8000_0000 and voice & 0x0400_0000 and config & 1):
            return 0.0
        return self.CLOCKS_HZ.get(voice >> 27 & 7, 0) / ((config >> 17 & 3) + 1)

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if self._interrupts.covers(offset):
            return self._interrupts.read(offset)
        match offset:
            case 0x8:
                return len(self._fifo)
            case 0xC:
                if not len(self._fifo):
                    self._interrupts.status |= 4
                    return 0
                value, self._fifo = int(self._fifo[0]), self._fifo[1:]
                return value
            case 0x10:
                return 0
        return self._read_dma(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if self._interrupts.covers(offset):
            self._interrupts.write(offset, value)
            return
        if offset == 0x10:
            self._fifo = self._fifo[:0]
            return
        self._write_dma(offset, value)
        if offset in (0, 4):
            self._clock_changed()

    def _clock_changed(self) -> None:
        config, voice = self.stored[0], self.stored[4]
        channels, sinc = voice >> 3 & 3, config >> 10 & 0x7F
        clock_hz = self.CLOCKS_HZ.get(voice >> 27 & 7, 0)
        on = self.clock_hz and voice & 0x4000_0000 and channels and sinc
        if not on:
            self._end()
            return
        divided = 2 * sinc * ((config >> 17 & 3) + 1)
        units = UNITS_PER_S // clock_hz * divided
        if channels != 3 and voice & 0x100:
            units *= 2  # two samples of a channel share a word
        if units == self._units:
            return
        gain_db = -6.0 + 1.5 * (config >> (26 if channels == 2 else 21) & 31)
        rate_hz = Fraction(clock_hz, divided)
        muted = config & 2 or channels == 2
        heard = np.zeros(0, np.int16) if muted else self.chip.microphone.start(rate_hz, gain_db)
        self._begin(units, heard)

    def _words(self, first: int, count: int) -> NDArray[np.uint32]:
        voice = self.stored[4]
        packed, stereo = voice & 0x100, (voice >> 3 & 3) == 3
        if packed and not stereo:
            return self._samples(2 * first, 2 * count).view("<u4")
        samples = self._samples(first, count)
        if stereo:  # left in the low half, right (silent) in the high one
            return samples.view(np.uint16).astype(np.uint32)
        return samples.astype(np.int32).view(np.uint32)

    def _trigger(self) -> int:
        enabled = self.stored[0x240]
        if enabled & 1:
            return max(self.stored[0x14] & 31, 1)
        return self.DEPTH * 9 // 10 if enabled & 2 else 0

    def _levels(self) -> None:
        if len(self._fifo) >= max(self.stored[0x14] & 31, 1):
            self._interrupts.status |= 1

    def _overflow(self) -> None:
        self._interrupts.status |= 2

    def _marks(self) -> Iterable[int]:
        return max(self.stored[0x14] & 31, 1), self.DEPTH + 1


class Adc(Converter):
    """The ADC: software trigger or timer 3A, single slots, FIFO of 16 words, DMA.

    The analogue microphone is taken to swing around half the reference, full scale 1.0 at its
    ends. Window compare and the differential channels aren't modelled; averaging repeats a value.
    """

    NAME, BASE, POWER = "ADC", 0x5001_0000, 1 << 9
    STORED: ClassVar[dict[int, int]] = {**dict.fromkeys((0, *range(12, 56, 4), 576, 580, 640), 0)}
    DEPTH, IRQ = 16, 18
    _COMPLETE, _ERROR = 1 << 6, 1 << 7
    _BATTERY, _TEMPERATURE = 9_011, 5_500  # 3.3 V / 3 at a 2 V reference; about 25 degrees

    def __init__(self, chip: Chip, trigger_units: Callable[[], int]) -> None:
        super().__init__(chip, 0xFF)
        self._trigger_units = trigger_units
        self._triggered = False

    def read(self, offset: int) -> int:
        """Return a register's value."""
        if self._interrupts.covers(offset):
            return self._interrupts.read(offset)
        match offset:
            case 0x4:
                return 0 if self.stored[0] & 1 else 1
            case 0x8:
                return 0
            case 0x38 | 0x3C:
                value = int(self._fifo[0]) if len(self._fifo) else 0
                count = len(self._fifo)
                if offset == 0x3C:
                    self._fifo = self._fifo[1:]
                return value | count << 20
        return self._read_dma(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if self._interrupts.covers(offset):
            self._interrupts.write(offset, value)
        elif offset == 0x8:
            if value & 0xFF == 0x37 and self.stored[0] & 1:
                self._trigger_now()
        elif offset == 0x38:
            self._fifo = self._fifo[1:]
        else:
            self._write_dma(offset, value)
            if offset == 0 and not value & 1:
                self._triggered = False
                self._end()

    def _slots(self) -> list[tuple[int, int]]:
        slots = [(i, self.stored[0xC + 4 * i]) for i in range(8)]
        return [(i, config >> 8 & 15) for i, config in slots if config & 1]

    def _trigger_now(self) -> None:
        if self.stored[0] & 4:  # repeating: timer 3A takes over
            self._triggered = True
            self.timer_changed()
            return
        words = self._scan(self._samples(self._produced, 1))
        self._fifo = np.concatenate([self._fifo, words])[: self.DEPTH]
        self._interrupts.status |= 3
        self._levels()

    def timer_changed(self) -> None:
        """Take the trigger's period from timer 3A again."""
        units = self._trigger_units() if self._triggered and self._slots() else 0
        if units == 0:
            self._end()
            return
        per_word = units // len(self._slots())
        if per_word != self._units:
            rate_hz = Fraction(UNITS_PER_S, units)
            self._begin(per_word, self.chip.microphone.start(rate_hz, 0.0))

    def _scan(self, samples: NDArray[np.int16]) -> NDArray[np.uint32]:
        slots = self._slots()
        words = np.empty((len(samples), len(slots)), np.uint32)
        for column, (slot, channel) in enumerate(slots):
            fixed = {12: self._TEMPERATURE, 13: self._BATTERY, 14: 0}.get(channel)
            value = (samples.astype(np.int32) + 32_768) >> 2 if fixed is None else fixed
            words[:, column] = np.asarray(value, np.uint32) << 6 | slot << 28
        return words.reshape(-1)

    def _words(self, first: int, count: int) -> NDArray[np.uint32]:
        slots = len(self._slots())
        begin, end = first // slots, -(-(first + count) // slots)
        scans = self._scan(self._samples(begin, end - begin))
        return scans[first - begin * slots :][:count]

    def _trigger(self) -> int:
        enabled = self.stored[0x240]
        return 12 if enabled & 1 else self.DEPTH if enabled & 2 else 0

    def _levels(self) -> None:
        if len(self._fifo) >= 12:
            self._interrupts.status |= 4

    def _overflow(self) -> None:
        self._interrupts.status |= 8

    def _marks(self) -> Iterable[int]:
        return 12, self.DEPTH + 1
