"""Joulescope JS110 and JS220 over USB."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.bundle import Kind
from kilohear_bench.measurement import now
from kilohear_bench.meters import (
    Context,
    Gap,
    Limits,
    MeterError,
    Recording,
    finished,
    shortfall,
)

_FIELDS = ("current", "voltage", "current_lsb", "voltage_lsb")
"""The last two carry logic inputs 0 and 1."""


class Joulescope(Context):
    """A Joulescope in the board's supply line; its inputs 0 and 1 gate the windows.

    Parameters
    ----------
    serial_number
        Which one; None: the only one.
    rate_hz
        Samples a second, one of the instrument's.
    supply_v
        Nominal, V; the voltage is measured.
    limits, stall_s, clock_tolerance
        As for the PPK2.
    """

    name: ClassVar[str] = "joulescope"
    kind: ClassVar[Kind] = "measured"

    def __init__(
        self,
        serial_number: str | None = None,
        *,
        rate_hz: int = 100_000,
        supply_v: float = 3.3,
        limits: Limits | None = None,
        stall_s: float = 1.0,
        clock_tolerance: float | None = 0.02,
    ) -> None:
        self._serial_number = serial_number
        self._rate_hz = rate_hz
        self._supply_v = supply_v
        self._limits = limits or Limits()
        self._stall_s = stall_s
        self._clock_tolerance = clock_tolerance
        self._device: Any = None
        self._collector: _Collector | None = None
        self._started_at = ""

    def open(self) -> None:
        """Connect and let the instrument choose its current range."""
        library = extras.load("joulescope")
        device = self._choose(library.scan())
        try:
            device.open()
        except Exception as error:  # the library raises whatever its native driver gives
            raise MeterError(
                f"joulescope: {device} can't be opened ({error}); close the program that holds it"
            ) from None
        self._device = device
        try:
            device.parameter_set("sampling_frequency", self._rate_hz)
            device.parameter_set("i_range", "auto")
        except (KeyError, ValueError) as error:
            raise MeterError(f"joulescope: {device} refuses its settings ({error})") from None

    def start(self) -> None:
        """Start streaming."""
        if self._device is None:
            raise MeterError("joulescope: not open; use it in a `with` statement")
        self._started_at = now()
        self._collector = _Collector()
        self._device.stream_process_register(self._collector)
        self._device.start(stop_fn=self._collector.on_stop)

    def stop(self) -> Recording:
        """Stop and return the samples; see `Meter.stop`."""
        if self._collector is None:
            raise MeterError("joulescope: not started")
        collector, self._collector = self._collector, None
        at = time.monotonic()
        elapsed_s, silent_s = at - collector.started, at - collector.last
        fault = None
        if not self._device.is_streaming:
            fault = f"it stopped by itself ({collector.stopped or 'no reason given'})"
        elif silent_s > self._stall_s:
            fault = f"it stopped sampling: nothing came for {silent_s:.3g} s"
        self._device.stop()
        self._device.stream_process_unregister(collector)
        recording = self._recording(collector, fault)
        if fault is None:
            fault = shortfall(recording.duration_s, elapsed_s, self._clock_tolerance)
            recording = dataclasses.replace(recording, fault=fault)
        return finished(recording, self._limits)

    def close(self) -> None:
        """Stop and disconnect."""
        if self._device is not None:
            self._device.close()
            self._device = None
        self._collector = None

    def _choose(self, devices: list[Any]) -> Any:
        named = [
            device
            for device in devices
            if self._serial_number is None or str(device).endswith(self._serial_number)
        ]
        if len(named) == 1:
            return named[0]
        found = ", ".join(str(device) for device in devices) or "none"
        wanted = self._serial_number or "exactly one"
        raise MeterError(
            f"joulescope: {wanted} wanted, found: {found}; plug it in or name its serial number: "
            "joulescope:SERIAL"
        )

    def _recording(self, collector: _Collector, fault: str | None) -> Recording:
        current, voltage, first, second = (collector.joined(field) for field in _FIELDS)
        # The library fills what USB lost with NaN; the time base counts it as lost.
        there = np.isfinite(current) & np.isfinite(voltage)
        return Recording(
            meter=self.name,
            device=str(self._device),
            firmware=self._firmware(),
            kind=self.kind,
            started_at=self._started_at,
            rate_hz=self._rate_hz,
            current_ma=1e3 * current[there],
            voltage_v=voltage[there],
            supply_v=self._supply_v,
            logic=((first > 0) | (second > 0).astype(np.uint8) << 1).astype(np.uint8)[there],
            gaps=_gaps(there),
            fault=fault,
        )

    def _firmware(self) -> str:
        try:
            return str(self._device.info()["ctl"]["fw"]["ver"])
        except (KeyError, TypeError, NotImplementedError, RuntimeError):
            return "unknown"


class _Collector:
    """What the library calls from its thread with each new stretch of samples."""

    driver_active = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, list[NDArray[Any]]] = {field: [] for field in _FIELDS}
        self._next: int | None = None
        self.started = self.last = time.monotonic()
        self.stopped = ""

    def stream_notify(self, stream_buffer: Any) -> bool:
        first, end = stream_buffer.sample_id_range
        known = first if self._next is None else self._next
        if end <= known:
            return False
        lost = max(0, first - known)  # overwritten before it was read
        signals = stream_buffer.samples_get(known + lost, end, fields=list(_FIELDS))["signals"]
        with self._lock:
            for field, parts in self._parts.items():
                values = np.array(signals[field]["value"], np.float64)
                parts.append(np.concatenate([np.full(lost, np.nan), values]))
            self._next = end
            self.last = time.monotonic()
        return False

    def on_stop(self, status: int, message: str) -> None:
        self.stopped = message or f"status {status}"

    def joined(self, field: str) -> NDArray[np.float64]:
        with self._lock:
            parts = self._parts[field]
            return np.concatenate(parts) if parts else np.zeros(0)


def _gaps(there: NDArray[np.bool_]) -> tuple[Gap, ...]:
    """Return the gaps between the samples that are there; lost ones at either end end nothing."""
    kept = np.flatnonzero(there)
    missing = np.diff(kept) - 1
    return tuple(Gap(int(index), int(missing[index])) for index in np.flatnonzero(missing))
