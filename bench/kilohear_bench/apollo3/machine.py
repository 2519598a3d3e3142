"""The chip in software: Unicorn runs the unmodified firmware, the blocks around it are modelled.

Virtual time is the core's cycles (a cost model, within 15%) while it is awake, and jumps to the
next event while it sleeps. The same image, microphone and bytes give the same instructions,
times and answers, run for run. Cycles are added block by block: what an instruction sees of the
time is ahead by the rest of its basic block at most.

Not modelled: interrupt handlers (the firmware masks interrupts and polls), returning from a fault,
the MPU, memory banks without power, the chip's boot ROM and its time, flash programming by the
firmware, and what the blocks' own texts say (`peripherals`, `converters`, `system`).

Unicorn is licensed GPL-2. It is an optional package that runs as a tool of its own: nothing of
the SDK or of the apps imports this module.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from kilohear import extras
from kilohear_bench.apollo3 import memory
from kilohear_bench.apollo3.block import HFRC_HZ, UNITS_PER_S, Block, SimulatorError
from kilohear_bench.apollo3.converters import Adc, Pdm
from kilohear_bench.apollo3.counter import NEVER, BlockCounter
from kilohear_bench.apollo3.cycles import FRACTION, BlockCost, CostModel
from kilohear_bench.apollo3.elf import Image
from kilohear_bench.apollo3.microphone import Microphone
from kilohear_bench.apollo3.peripherals import Gpio, Timers, Uart
from kilohear_bench.apollo3.system import (
    CacheControl,
    ClockGenerator,
    CycleCounter,
    McuControl,
    PowerControl,
    ResetGenerator,
    ResetStatus,
    SystemControl,
    Watchdog,
)

OTHER = "other"
"""What code outside every stage's address range is counted under."""

_WFI = b"\x30\xbf"
_NOWHERE = 0xFFFF_FFFE
_REGIONS = ((0x4000_0000, 0x10_0000), (0x4FFF_F000, 0x2_1000), (0xE000_0000, 0x10_0000))
_LATEST_EDGES = 100_000
_READ = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint, ctypes.c_size_t
)
_WRITE = ctypes.CFUNCTYPE(
    None, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_size_t
)


@dataclasses.dataclass(frozen=True)
class StageCount:
    """What a stage has executed: instructions are exact, cycles modelled."""

    instructions: int
    cycles: float


@dataclasses.dataclass(frozen=True)
class Edge:
    """A pin's change.

    Attributes
    ----------
    time_s
        Virtual time.
    pin, level
        Which pin, and what it became.
    cycles
        That the core had run.
    """

    time_s: float
    pin: int
    level: bool
    cycles: float


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault that the firmware ran into: its kind, where, and the address that it touched."""

    kind: str
    pc: int
    address: int | None


@dataclasses.dataclass(frozen=True)
class Usage:
    """What has been used since the simulator's start; subtract two to get what lies between.

    Attributes
    ----------
    elapsed_s, awake_s, sleep_s, deep_sleep_s
        Virtual seconds, in all and by the core's state.
    pdm_s
        Seconds that the microphone's clock ran, by its frequency in Hz.
    adc_s, uart_s
        Seconds that the ADC sampled and that UART0 was powered.
    deep_sleeps
        Entries into deep sleep.
    stages
        Stage name, or "other", to its count.
    pdm_words_lost, uart_bytes_lost
        What found the FIFO full.
    """

    elapsed_s: float
    awake_s: float
    sleep_s: float
    deep_sleep_s: float
    pdm_s: dict[float, float]
    adc_s: float
    uart_s: float
    deep_sleeps: int
    stages: dict[str, StageCount]
    pdm_words_lost: int
    uart_bytes_lost: int

    @property
    def instructions(self) -> int:
        """Executed in all."""
        return sum(stage.instructions for stage in self.stages.values())

    @property
    def cycles(self) -> float:
        """Spent in all, modelled."""
        return sum(stage.cycles for stage in self.stages.values())

    def __sub__(self, earlier: Usage) -> Usage:
        none = StageCount(0, 0.0)
        values = {
            field.name: getattr(self, field.name) - getattr(earlier, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("pdm_s", "stages")
        }
        return Usage(
            **values,
            pdm_s={hz: s - earlier.pdm_s.get(hz, 0.0) for hz, s in self.pdm_s.items()},
            stages={
                name: StageCount(
                    count.instructions - earlier.stages.get(name, none).instructions,
                    count.cycles - earlier.stages.get(name, none).cycles,
                )
                for name, count in self.stages.items()
            },
        )


class Machine:
    """The simulated chip.

    Parameters
    ----------
    image
        The firmware.
    microphone
        What it hears; silence where None.
    transmit
        Called with the bytes that UART0 has sent.
    cost
        The cost model of instructions.
    core_hz
        The core's clock before its divider; slower than the chip's 48 MHz to see what happens
        when processing is too slow.
    user_slot
        A student image in the user slot.
    native
        False counts blocks by a Python function, which is slower and needs no executable memory.
    """

    def __init__(
        self,
        image: Image,
        microphone: Microphone | None = None,
        transmit: Callable[[bytes], None] | None = None,
        *,
        cost: CostModel | None = None,
        core_hz: int = HFRC_HZ,
        user_slot: bytes | None = None,
        native: bool | None = None,
    ) -> None:
        self.image = image
        self.microphone = microphone or Microphone()
        self.output = bytearray()
        """What UART0 has sent, where nobody takes it by `transmit`."""
        self.edges: collections.deque[Edge] = collections.deque(maxlen=_LATEST_EDGES)
        self.faults: list[Fault] = []
        self._transmit = transmit or self.output.extend
        self._core_hz = core_hz
        self._decoder = (cost or CostModel()).decoder()
        self._arm: Any = extras.load("unicorn.arm_const")
        self._unicorn: Any = extras.load("unicorn")
        self._base_time = self._base_units = 0
        self._faster = self._slower = 1  # time units for a unit of core cycles, as a ratio
        self._deadline = NEVER
        self._failure: BaseException | None = None
        self._stopped = self._asleep = self._over = False
        self._reset_cause: str | None = None
        self._spent: collections.Counter[str] = collections.Counter()  # units by state
        self._pdm_units: collections.Counter[float] = collections.Counter()
        self._accounted = 0
        self._deep_sleeps = 0
        self._after_wfi: set[int] = set()  # addresses behind a WFI that was met
        self._counter = BlockCounter(self._cost_of, self._late, native)
        self._total = self._counter.total
        self._uc = self._make_emulator()
        self._flash(user_slot)
        self._reset("power-on")

    # What the blocks see.

    @property
    def now(self) -> int:
        """Virtual time in units of 1/256 cycle at 48 MHz."""
        elapsed = self._total.value - self._base_units
        return self._base_time + elapsed * self._faster // self._slower

    @property
    def core_cycles(self) -> int:
        """Cycles that the core has run."""
        return self._counter.units // FRACTION

    def write_memory(self, address: int, data: bytes) -> None:
        """Write as a DMA does."""
        self._uc.mem_write(address, data)

    def request_reset(self, cause: str) -> None:
        """Reset the chip as soon as the instruction is over."""
        self._reset_cause = cause
        self._stop()

    def clocks_changed(self) -> None:
        """Take the core's clock from the registers again."""
        self._rebase(self.now)
        ratio = Fraction(HFRC_HZ, self._core_hz) * self.clocks.core_divider
        self._faster, self._slower = ratio.numerator, ratio.denominator

    def edge(self, pin: int, level: bool) -> None:
        """Note that an output pin changed."""
        cycles = self._counter.units / FRACTION
        self.edges.append(Edge(self.now / UNITS_PER_S, pin, level, cycles))

    # What the world does.

    @property
    def time_s(self) -> float:
        """Virtual time since the simulator's start."""
        return self.now / UNITS_PER_S

    @property
    def waits_for_host(self) -> bool:
        """Whether the firmware sleeps until a byte comes from the host."""
        return (
            self._asleep
            and not self.system.wakes
            and bool(self.system.enabled >> Uart.IRQ & 1)
            and self.uart.listens
            and not (self.uart.busy or self.pdm.running or self.adc.running)
        )

    @property
    def native(self) -> bool:
        """Whether blocks are counted by machine code; a Python function does it elsewhere."""
        return self._counter.native

    def feed(self, data: bytes) -> None:
        """Put bytes from the host on UART0's line."""
        self.uart.feed(data)
        self._changed(self.uart)

    def reset(self, cause: str = "pin") -> None:
        """Reset the chip, as a button, a brown-out or a debugger does.

        `cause`: `power-on`, `pin`, `brown-out`, `software`, `debugger` or `watchdog`.
        """
        self._reset(cause)

    def write_user_slot(self, student: bytes | None) -> None:
        """Flash a student into the user slot, None erases it; the chip is reset."""
        self._flash(student)
        self._reset("debugger")

    def run(self, until_s: float | None = None, *, stop_when_waiting: bool = False) -> None:
        """Run until the virtual time, or until the firmware waits for the host.

        Raises SimulatorError where the firmware does what isn't modelled, naming address and
        program counter, or sleeps for ever.
        """
        until = NEVER if until_s is None else round(until_s * UNITS_PER_S)
        self._over = self.now >= until
        while not self._over:
            if self._asleep:
                self._sleep(until, stop_when_waiting)
                if self._asleep:
                    break
            self._emulate(until)
        self.uart.advance(self.now)  # the bytes that have left by now
        self._note(self.uart)

    def command(self, text: str, limit_s: float = 3600.0) -> str:
        """Send a command without a serial port; return all that was answered, waiting included.

        Only where `transmit` wasn't given. Raises SimulatorError after `limit_s` virtual seconds.
        """
        if not self.waits_for_host:
            self.run(self.time_s + limit_s, stop_when_waiting=True)
        self.output.clear()
        self.feed(text.encode())
        self.run(self.time_s + limit_s, stop_when_waiting=True)
        if not self.waits_for_host:
            raise SimulatorError(f"no end of {text!r} within {limit_s} s; got {self.output[-200:]}")
        return self.output.decode("ascii", "replace")

    def usage(self) -> Usage:
        """Return what has been used up to now."""
        self._account(self.now)
        spent = {name: units / UNITS_PER_S for name, units in self._spent.items()}
        return Usage(
            elapsed_s=self.time_s,
            awake_s=spent.get("awake", 0.0),
            sleep_s=spent.get("sleep", 0.0),
            deep_sleep_s=spent.get("deep sleep", 0.0),
            pdm_s={hz: units / UNITS_PER_S for hz, units in sorted(self._pdm_units.items())},
            adc_s=spent.get("adc", 0.0),
            uart_s=spent.get("uart", 0.0),
            deep_sleeps=self._deep_sleeps,
            stages=self.stages(),
            pdm_words_lost=self._lost[0] + self.pdm.lost,
            uart_bytes_lost=self._lost[1] + self.uart.overruns,
        )

    def stages(self) -> dict[str, StageCount]:
        """Return what each stage has executed, by address; the rest is `other`."""
        counts = self._counter.counts()
        found = {}
        rest = np.ones(len(counts.addresses), bool)
        for stage in self.image.stages:
            inside = (counts.addresses >= stage.start) & (counts.addresses < stage.end)
            rest &= ~inside
            found[stage.name] = inside
        return {
            name: StageCount(
                int(counts.instructions[inside].sum()), int(counts.units[inside].sum()) / FRACTION
            )
            for name, inside in {**found, OTHER: rest}.items()
        }

    # How it is done.

    def _make_emulator(self) -> Any:
        unicorn, arm = self._unicorn, self._arm
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        uc.mem_map(
            memory.FLASH_START,
            memory.FLASH_END - memory.FLASH_START,
            unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC,
        )
        uc.mem_map(memory.SRAM_START, memory.SRAM_END - memory.SRAM_START)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid_access)
        # Past Unicorn's Python layer, which would call Python for every block and be slower for
        # every register.
        library = extras.load("unicorn.unicorn_py3.unicorn").uclib
        self._read_register, self._value = library.uc_reg_read, ctypes.c_uint32()
        self._hook = ctypes.c_size_t()
        statuses = [
            library.uc_hook_add(
                uc._uch,
                ctypes.byref(self._hook),
                unicorn.UC_HOOK_BLOCK,
                ctypes.c_void_p(self._counter.address),
                ctypes.c_void_p(self._counter.table),
                ctypes.c_uint64(1),
                ctypes.c_uint64(0),
            )
        ]
        self._on_read, self._on_write = _READ(self._read), _WRITE(self._write)
        for base, size in _REGIONS:
            user = ctypes.c_void_p(base)
            region = ctypes.c_uint64(base), ctypes.c_size_t(size)
            statuses.append(
                library.uc_mmio_map(uc._uch, *region, self._on_read, user, self._on_write, user)
            )
        if any(status != unicorn.UC_ERR_OK for status in statuses):
            raise SimulatorError(f"Unicorn refuses the simulator's hooks (errors {statuses})")
        return uc

    def _flash(self, user_slot: bytes | None) -> None:
        if user_slot is not None and len(user_slot) > memory.USER_SLOT_BYTES:
            raise SimulatorError(
                f"a student of {len(user_slot)} bytes doesn't fit the user slot of "
                f"{memory.USER_SLOT_BYTES}; take a smaller one"
            )
        flash = bytearray(b"\xff" * memory.FLASH_END)
        for segment in self.image.segments:
            flash[segment.address : segment.address + len(segment.data)] = segment.data
        if user_slot is not None:
            flash[memory.USER_SLOT : memory.USER_SLOT + len(user_slot)] = user_slot
        self._uc.mem_write(memory.FLASH_START, bytes(flash))

    def _reset(self, cause: str) -> None:
        now = self.now
        old = getattr(self, "_blocks", None)
        if old is not None:
            self._account(now)
            self._lost = (self._lost[0] + self.pdm.lost, self._lost[1] + self.uart.overruns)
            kept = self.uart.line, self.mcu.stored, self.resets.status
            self.uart.advance(now)
        else:
            self._lost = (0, 0)
            kept = None
        self._make_blocks()
        if kept is not None and cause != "power-on":
            self.uart.feed(bytes(kept[0]))
            for offset in (0x1B0, 0x1B4):  # the scratch registers outlive every reset but power
                self.mcu.stored[offset] = kept[1][offset]
        if cause == "power-on":
            self._uc.mem_write(memory.SRAM_START, bytes(memory.SRAM_END - memory.SRAM_START))
        self.resets.status = ResetGenerator.CAUSES[cause]
        self.clocks_changed()
        arm = self._arm
        for register in (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_IPSR):
            self._uc.reg_write(register, 0)
        vectors = self._uc.mem_read(self.image.vectors, 8)
        self._uc.reg_write(arm.UC_ARM_REG_SP, int.from_bytes(vectors[:4], "little"))
        self._uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self._pc = int.from_bytes(vectors[4:], "little") & ~1
        self.system.stored[0xD08] = self.image.vectors
        self._reset_cause = None
        self._asleep = False

    def _make_blocks(self) -> None:
        self.uart = Uart(self, lambda data: self._transmit(data))
        self.timers, self.pdm = Timers(self), Pdm(self)
        self.adc = Adc(self, self.timers.trigger_units)
        self.timers.on_timer_change = self.adc.timer_changed
        self.gpio, self.clocks, self.power = Gpio(self), ClockGenerator(self), PowerControl(self)
        self.mcu, self.resets = McuControl(self), ResetGenerator(self)
        self.watchdog = Watchdog(self, lambda: bool(self.resets.stored[0] & 2))
        self.system = SystemControl(self)
        blocks: list[Block] = [
            self.uart, self.timers, self.pdm, self.adc, self.gpio, self.clocks, self.power,
            self.mcu, self.resets, ResetStatus(self, self.resets), self.watchdog, self.system,
            CycleCounter(self), CacheControl(self),
        ]  # fmt: skip
        self._blocks = {block.BASE >> 12: block for block in blocks}
        self._alive: list[Block] = [self.uart, self.timers, self.pdm, self.adc, self.watchdog]
        self._next = NEVER
        self._powered = 0

    def _rebase(self, now: int) -> None:
        """Let the time be `now` at the cycles run so far."""
        self._base_time, self._base_units = now, self._counter.units

    def _units_at(self, time: int) -> int:
        """Return the counter's value at a time that the core runs up to."""
        if time >= NEVER:
            return NEVER
        ahead = max(time - self._base_time, 0)
        return self._base_units - (-ahead * self._slower // self._faster)

    def _cost_of(self, address: int, size: int) -> BlockCost:
        try:
            code = bytes(self._uc.mem_read(address, size))
            return self._decoder.block(code, address, address < memory.FLASH_END)
        except BaseException as error:
            self._fail(error)
            return BlockCost(1, FRACTION, 0)

    def _late(self, address: int) -> None:
        """Do what is due; stop before the block where the run is over."""
        try:
            now = self.now
            if now >= self._next:
                self._advance(now)
            if self._reset_cause is not None or now >= self._until:
                self._over = now >= self._until
                self._counter.take_back(address)
                self._stop()
            self._set_deadline()
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop()

    def _stop(self) -> None:
        self._stopped = True
        self._uc.emu_stop()

    def _set_deadline(self) -> None:
        self._counter.deadline = self._units_at(min(self._next, self._until))

    _until = NEVER

    def _advance(self, now: int) -> None:
        """Let the blocks do what is due by `now`."""
        for block in self._alive:
            if block.event <= now:
                block.advance(now)
                self._note(block)

    def _note(self, block: Block) -> None:
        """Take a block's next event and its interrupt lines again."""
        block.event = block.next_event()
        self.system.pending |= block.lines()
        self._next = min([each.event for each in self._alive])

    def _changed(self, block: Block) -> None:
        """Take again what an access may have changed."""
        if block is self.system:
            if self.system.cleared:
                self.system.cleared = False
                for each in self._alive:  # a line that is still high is pending again
                    self.system.pending |= each.lines()
        elif block.ALIVE:
            before = self._next
            self._note(block)
            if block is self.timers:
                self._note(self.adc)
            if self._next != before:
                self._set_deadline()

    def _refused(self, what: str, address: int) -> SimulatorError:
        block = self._blocks.get(address >> 12)
        if block is None:
            return SimulatorError(f"{what} of {address:#010x}, where nothing is modelled")
        return SimulatorError(
            f"{what} of {block.NAME} register {address:#010x} without power; "
            "set it in PWRCTRL.DEVPWREN first"
        )

    def _read(self, _uc: int, offset: int, size: int, base: int) -> int:
        # Called a million times in a long test: no more Python than it needs.
        try:
            address = base + offset
            block = self._blocks.get(address >> 12)
            if block is None or block.POWER & ~self._powered:
                raise self._refused("read", address)
            elapsed = self._total.value - self._base_units
            now = self._base_time + elapsed * self._faster // self._slower
            if now >= block.due:
                block.advance(now)
            value = block.read(address & 0xFFC)
            if block.READS_CHANGE:
                self._changed(block)
            return value if size == 4 else value >> 8 * (address & 3) & ((1 << 8 * size) - 1)
        except BaseException as error:
            self._fail(self._located(error))
            return 0

    def _write(self, _uc: int, offset: int, size: int, value: int, base: int) -> None:
        try:
            address = base + offset
            block = self._blocks.get(address >> 12)
            if block is None or block.POWER & ~self._powered:
                raise self._refused("write", address)
            if size != 4 and block not in (self.uart, self.system):
                raise SimulatorError(f"write of {size} bytes to {address:#010x}; use 4")
            elapsed = self._total.value - self._base_units
            now = self._base_time + elapsed * self._faster // self._slower
            if block.USES_POWER:
                self._account(now)
            if now >= block.due:
                block.advance(now)
            block.write(address & 0xFFC, value << 8 * (address & 3))
            if block.USES_POWER:
                self._powered = self.power.stored[8]
            self._changed(block)
        except BaseException as error:
            self._fail(self._located(error))

    def _located(self, error: BaseException) -> BaseException:
        if not isinstance(error, SimulatorError):
            return error
        pc = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
        return SimulatorError(f"{error} (near pc {pc:#010x}, at {self.time_s:.6f} s)")

    def _invalid_access(self, _uc: Any, _access: int, address: int, *_rest: Any) -> bool:
        self._touched = address
        return False

    def _emulate(self, until: int) -> None:
        """Let the core run until it sleeps, faults or is stopped."""
        self._until, self._stopped, self._touched = until, False, None
        self._set_deadline()
        try:
            self._uc.emu_start(self._pc | 1, _NOWHERE)
        except self._unicorn.UcError as error:
            if self._failure is None:
                self._pc = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
                self._enter_fault(error)
                return
        finally:
            self._until = NEVER
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._reset_cause is not None:
            self._reset(self._reset_cause)
            return
        self._pc = self._register(self._arm.UC_ARM_REG_PC)
        if not self._stopped:
            if self._pc not in self._after_wfi:
                if bytes(self._uc.mem_read(self._pc - 2, 2)) != _WFI:
                    raise SimulatorError(f"the core stopped at {self._pc:#010x}, where no WFI is")
                self._after_wfi.add(self._pc)
            self._fall_asleep()

    def _register(self, register: int) -> int:
        """Return a register as `reg_read` does, which is slower."""
        self._read_register(self._uc._uch, register, ctypes.byref(self._value))
        return self._value.value

    def _fall_asleep(self) -> None:
        if not self._register(self._arm.UC_ARM_REG_PRIMASK):
            raise SimulatorError(
                f"WFI at {self._pc - 2:#010x} with PRIMASK clear: interrupt handlers aren't "
                "modelled; mask them"
            )
        now = self.now
        if now >= self._next:
            self._advance(now)
        if not self.system.wakes:
            self._account(now)
            self._asleep = True
            self._deep_sleeps += self.system.deep

    def _sleep(self, until: int, stop_when_waiting: bool) -> None:
        """Jump from event to event until one wakes the core, or to `until`."""
        while not self.system.wakes:
            if stop_when_waiting and self.waits_for_host:
                return
            now = min(self._next, until)
            if now >= NEVER:
                if self.waits_for_host:
                    return
                raise SimulatorError(
                    f"the firmware sleeps at {self._pc:#010x} and nothing will wake it"
                )
            self._account(now)
            self._rebase(now)
            if self._next > until:
                return
            self._advance(now)
            if self._reset_cause is not None:
                self._reset(self._reset_cause)
                return
        self._account(self.now)
        self._asleep = False

    def _account(self, now: int) -> None:
        """Book the time up to `now` on the state that the chip has been in."""
        elapsed = now - self._accounted
        if elapsed <= 0:
            return
        self._accounted = now
        state = "awake" if not self._asleep else "deep sleep" if self.system.deep else "sleep"
        self._spent[state] += elapsed
        if self.pdm.clock_hz:
            self._pdm_units[self.pdm.clock_hz] += elapsed
        if self.adc.running:
            self._spent["adc"] += elapsed
        if self.power.stored[8] & Uart.POWER:
            self._spent["uart"] += elapsed

    def _enter_fault(self, error: Any) -> None:
        """Enter the firmware's fault handler, as the core does; see the exception model, Armv7-M.

        Returning from it isn't modelled. Without a handler the core locks up: that is an error.
        """
        arm, uc, address = self._arm, self._uc, self._touched
        memory_fault = error.errno in (
            self._unicorn.UC_ERR_READ_UNMAPPED,
            self._unicorn.UC_ERR_WRITE_UNMAPPED,
            self._unicorn.UC_ERR_WRITE_PROT,
            self._unicorn.UC_ERR_READ_PROT,
        )
        fetch = error.errno in (
            self._unicorn.UC_ERR_FETCH_UNMAPPED,
            self._unicorn.UC_ERR_FETCH_PROT,
        )
        kind, number, status = (
            ("bus-fault", 5, 0x8200) if memory_fault else
            ("bus-fault", 5, 0x100) if fetch else ("usage-fault", 6, 0x1_0000)
        )  # fmt: skip
        system = self.system.stored
        system[0xD28] |= status
        if memory_fault and address is not None:
            system[0xD38] = address
        if not system[0xD24] >> (13 + number - 1) & 1:
            kind, number = "hard-fault", 3
            system[0xD2C] |= 1 << 30
        self.faults.append(Fault(kind, self._pc, address))
        handler = int.from_bytes(uc.mem_read(system[0xD08] + 4 * number, 4), "little")
        stack = uc.reg_read(arm.UC_ARM_REG_SP) - 32 & ~7
        if uc.reg_read(arm.UC_ARM_REG_IPSR) or not handler & 1 or handler >= memory.FLASH_END:
            raise SimulatorError(
                f"the core locks up: {kind} at pc {self._pc:#010x}"
                + ("" if address is None else f", touching {address:#010x}")
                + f" ({error})"
            )
        registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3,
                     arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR)  # fmt: skip
        frame = [uc.reg_read(r) for r in registers]
        frame += [self._pc, uc.reg_read(arm.UC_ARM_REG_XPSR) | 1 << 24]
        if memory.SRAM_START <= stack <= memory.SRAM_END - 32:
            self.write_memory(stack, np.array(frame, "<u4").tobytes())
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFF9)
        uc.reg_write(arm.UC_ARM_REG_IPSR, number)
        self._pc = handler & ~1
