"""The feed: a source's blocks, decimated at once to the students' rates, every loss marked."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from kilohear.capture import Source
from kilohear.decimator import Decimator
from kilohear.errors import ConfigError, MicrophoneBusy, PermissionRefused, SourceLost
from kilohear.events import Cause, Fault, Gap
from kilohear.monitor import Monitor

SILENT_S = 2.0
"""A microphone that gives exact zeros for longer isn't in a silent room: it is muted or gone."""

FILL_S = 1.0
"""Samples lost up to this length are replaced by zeros, so that windows keep their times."""

RETRY_S = 0.5
BACKLOG_S = 10.0


@dataclasses.dataclass(frozen=True)
class Duty:
    """Listen for `listen_s` at the start of every `every_s`, and let the microphone rest between.

    Each stretch is windowed by itself; give at least one window's length.
    """

    listen_s: float
    every_s: float

    def __post_init__(self) -> None:
        if not 0 < self.listen_s <= self.every_s:
            raise ConfigError(
                f"duty: listen_s is {self.listen_s} and every_s is {self.every_s}; "
                "give 0 < listen_s <= every_s"
            )

    def rest_s(self, at_s: float) -> float:
        """Return how long to rest from a time of the stream on; 0 while it is to be heard."""
        phase_s = at_s % self.every_s
        return 0.0 if phase_s < self.listen_s - 1e-6 else self.every_s - phase_s


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of sound at each student's rate; outputs lag by the decimator's delay."""

    start_s: float
    duration_s: float
    samples: dict[int, NDArray[np.float32]]  # by rate, (samples,)


@dataclasses.dataclass(frozen=True)
class Restart:
    """What follows doesn't join what was: windows begin anew at `at_s`."""

    at_s: float


Item = Part | Restart | Gap | Fault


class Switch:
    """Pause, resume and stop, from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.is_paused = False
        self.is_stopped = False

    def set(self, *, paused: bool | None = None, stopped: bool | None = None) -> None:
        """Change what is given and wake whoever waits."""
        with self._changed:
            self.is_paused = self.is_paused if paused is None else paused
            self.is_stopped = self.is_stopped if stopped is None else stopped
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or once stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopped, seconds)

    def wait_while_paused(self) -> None:
        """Return once resumed or stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopped or not self.is_paused)


class Feed:
    """Reads a source; no sample above the students' rates outlives the block it came in.

    A live source (`source.live` is true) is opened again when it is lost, is closed while it is
    paused or at rest, and has its times from a clock; a recording is read through.

    Parameters
    ----------
    source
        Where the sound comes from.
    rates_hz
        The students' rates.
    switch
        Pauses and stops it.
    duty
        When to listen; always, where there is none.
    clock
        Seconds, for live sources.
    monitor
        Told each block before it is decimated and each part after.
    """

    def __init__(
        self,
        source: Source,
        rates_hz: frozenset[int],
        switch: Switch,
        duty: Duty | None = None,
        clock: Callable[[], float] = time.monotonic,
        monitor: Monitor | None = None,
    ) -> None:
        self._source, self._rates_hz = source, sorted(rates_hz)
        self._switch, self._duty, self._clock = switch, duty, clock
        self._monitor = monitor
        self._live = bool(getattr(source, "live", False))
        self._lost = source.lost_samples
        self._silent_s = 0.0
        self._gone = False
        self._rested = False
        self._restart_at(0.0)

    def items(self) -> Iterator[Item]:
        """Yield parts, and between them what was lost or went wrong; ends with the source."""
        try:
            yield from self._items()
        finally:
            if self._monitor is not None:
                self._monitor.end()

    def _items(self) -> Iterator[Item]:
        opened = self._clock()
        while not self._switch.is_stopped:
            try:
                with closing(_as_generator(self._source.blocks())) as blocks:
                    for block in blocks:
                        if self._gone or (self._live and self._rested):
                            yield from self._come_back(self._clock() - opened, len(block))
                        yield from self._take(block)
                        if self._switch.is_stopped or (self._live and self._is_off()):
                            break
                        self._switch.wait_while_paused()
                    else:
                        break
            except SourceLost as error:
                if not self._live:
                    raise
                yield from self._lose(error)
                self._switch.wait(RETRY_S)
                continue
            yield from self._flush()
            yield from self._end_silence()
            self._rest()
        yield from self._flush()
        yield from self._end_silence()
        if self._gone:
            yield self._outage(self._clock() - opened)

    @property
    def _now_s(self) -> float:
        return self._base_s + self._taken / self._source.rate_hz

    def _take(self, block: NDArray[np.float32]) -> Iterator[Item]:
        yield from self._mark_losses()
        if not self._live and self._duty and self._duty.rest_s(self._now_s):
            if not self._rested:
                yield from self._flush()
            self._rested = True
            self._taken += len(block)
            block.fill(0)
            return
        if self._rested:
            self._rested = False
            yield self._restart_at(self._now_s)
        yield from self._hear(block)

    def _decimate(self, block: NDArray[np.float32]) -> Part:
        start_s, duration_s = self._now_s, len(block) / self._source.rate_hz
        if self._monitor is not None:
            self._monitor.before(block)
        *others, last = self._decimators.items()
        samples = {rate_hz: decimator.push(block.copy()) for rate_hz, decimator in others}
        samples[last[0]] = last[1].push(block)  # zeroes the block; the copies are zeroed too
        self._taken += len(block)
        return self._watched(Part(start_s, duration_s, samples))

    def _watched(self, part: Part) -> Part:
        if self._monitor is not None:
            lowest = part.samples[self._rates_hz[0]]
            self._monitor.after(part.start_s + part.duration_s, lowest)
        return part

    def _mark_losses(self) -> Iterator[Item]:
        lost = self._source.lost_samples - self._lost
        if lost <= 0:
            return
        self._lost += lost
        lost_s = lost / self._source.rate_hz
        gap = Gap(self._now_s, lost_s, "capture")
        if lost_s <= FILL_S:
            yield gap
            yield self._decimate(np.zeros(lost, np.float32))
        else:
            yield from self._flush()
            yield gap
            yield self._restart_at(gap.start_s + lost_s)

    @property
    def _is_silent(self) -> bool:
        return self._silent_s >= SILENT_S

    def _hear(self, block: NDArray[np.float32]) -> Iterator[Item]:
        """Yield the block's part, unless a live source has given nothing but zeros for too long.

        An audio server gives zeros, and no error, when the microphone is unplugged.
        """
        is_zero = self._live and not block.any()
        block_s = len(block) / self._source.rate_hz
        if self._is_silent:
            if is_zero:
                self._silent_s += block_s
                self._taken += len(block)
                return
            yield from self._end_silence()
            yield self._restart_at(self._now_s)
        yield self._decimate(block)
        self._silent_s = self._silent_s + block_s if is_zero else 0.0
        if self._is_silent:
            yield from self._flush()
            yield Fault(
                self._now_s,
                f"{self._source.name} gives exact zeros for {SILENT_S:g} s; it is muted, blocked, "
                "unplugged or used by another app: check its switch and the permission",
                "silent",
            )

    def _end_silence(self) -> Iterator[Item]:
        """Say how long nothing but zeros came, where that was too long."""
        if self._is_silent:
            yield Gap(self._now_s - self._silent_s, self._silent_s, "outage")
        self._silent_s = 0.0

    def _lose(self, error: SourceLost) -> Iterator[Item]:
        if not self._gone:
            yield from self._flush()
            yield from self._end_silence()
            yield Fault(self._now_s, str(error), _cause(error))
        self._gone = True

    def _come_back(self, elapsed_s: float, block: int) -> Iterator[Item]:
        """Go on at the time by the clock, less the block that has just been heard."""
        at_s = max(self._now_s, elapsed_s - block / self._source.rate_hz)
        if self._gone:
            yield self._outage(at_s)
            self._lost = self._source.lost_samples
        self._gone = self._rested = False
        yield self._restart_at(at_s)

    def _outage(self, until_s: float) -> Gap:
        return Gap(self._now_s, max(0.0, until_s - self._now_s), "outage")

    def _is_off(self) -> bool:
        return self._switch.is_paused or bool(self._duty and self._duty.rest_s(self._now_s))

    def _rest(self) -> None:
        """Wait, with the source closed, until it is to be heard again."""
        self._rested = True
        if self._duty:
            self._switch.wait(self._duty.rest_s(self._now_s))
        self._switch.wait_while_paused()

    def _restart_at(self, at_s: float) -> Restart:
        self._base_s, self._taken = at_s, 0
        self._decimators = {
            rate_hz: Decimator(self._source.rate_hz, rate_hz) for rate_hz in self._rates_hz
        }
        if self._monitor is not None:
            self._monitor.begin(self._source.rate_hz, self._rates_hz[0])
        return Restart(at_s)

    def _flush(self) -> Iterator[Item]:
        """End the decimators' streams; what follows begins with a Restart."""
        rest = {rate_hz: decimator.flush() for rate_hz, decimator in self._decimators.items()}
        if any(len(samples) for samples in rest.values()):
            yield self._watched(Part(self._now_s, 0.0, rest))


class Backlog:
    """What a thread has heard and the students haven't yet: a few seconds at most.

    Where they are too slow, sound is dropped from the newest on until they have caught up, and the
    gap is marked.

    Parameters
    ----------
    items
        Read in a thread of its own.
    limit_s
        How much may wait.
    """

    def __init__(self, items: Iterator[Item], switch: Switch, limit_s: float = BACKLOG_S) -> None:
        self._items, self._switch, self._limit_s = items, switch, limit_s
        self._waiting: deque[Item] = deque()
        self._waiting_s = 0.0
        self._dropping: Gap | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[Item]:
        """Yield items as they come; raises what the thread raised; stops it when closed."""
        thread = threading.Thread(target=self._read, name="kilohear capture", daemon=True)
        thread.start()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._ended)
                    if not self._waiting:
                        break
                    item = self._waiting.popleft()
                    self._waiting_s -= item.duration_s if isinstance(item, Part) else 0.0
                yield item
            if self._error:
                raise self._error
        finally:
            self._switch.set(stopped=True)
            thread.join(timeout=5)

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self._put(item)
                    self._changed.notify()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._end_drop()
                self._ended = True
                self._changed.notify()

    def _put(self, item: Item) -> None:
        if not isinstance(item, Part):
            if self._dropping is None or isinstance(item, Fault):
                self._waiting.append(item)
            return
        if self._dropping is not None and not self._waiting:
            self._end_drop()
        if self._dropping is None and self._waiting_s < self._limit_s:
            self._waiting.append(item)
            self._waiting_s += item.duration_s
            return
        start_s = item.start_s if self._dropping is None else self._dropping.start_s
        end_s = item.start_s + item.duration_s
        self._dropping = Gap(start_s, end_s - start_s, "student")

    def _end_drop(self) -> None:
        gap, self._dropping = self._dropping, None
        if gap is not None:
            self._waiting += [gap, Restart(gap.start_s + gap.lost_s)]


def _cause(error: SourceLost) -> Cause:
    if isinstance(error, PermissionRefused):
        return "permission"
    return "busy" if isinstance(error, MicrophoneBusy) else "lost"


def _as_generator(
    blocks: Iterator[NDArray[np.float32]],
) -> Generator[NDArray[np.float32], None, None]:
    """Yield from any iterator, closed where it can be."""
    try:
        yield from blocks
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
