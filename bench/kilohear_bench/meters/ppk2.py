"""Nordic's Power Profiler Kit II over its serial port: the default meter."""

from __future__ import annotations

import dataclasses
import errno
import threading
import time
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.bundle import Kind
from kilohear.errors import ConfigError
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

SAMPLE_HZ = 100_000
_BYTES = 4
_COUNTER_SHIFT, _COUNTER_MASK = 18, 0x3F
"""A 6-bit sample counter between the range and the logic inputs; ppk2-api passes it over."""
_DECODED_AT_ONCE = 100_000
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)


class Ppk2(Context):
    """A PPK2; its logic inputs 0 to 7 gate the windows.

    The library computes the currents, with the calibration that the instrument holds. It measures
    no voltage: a brown-out shows as the board's silence, not here.

    Parameters
    ----------
    port
        The serial port; None: the one PPK2 there is.
    supply_v
        The voltage to supply (`source`) or that the board is supplied with (`ampere`), 0.8 to 5 V.
    mode
        `source`: the PPK2 powers the board. `ampere`: it sits in the board's supply line.
    limits
        What ends a measurement.
    stall_s
        Without samples for that long it has stopped.
    clock_tolerance
        How much shorter than the host's clock a recording may be. The counter sees losses but
        for multiples of 64 samples; this sees those. None: no check.
    """

    name: ClassVar[str] = "ppk2"
    kind: ClassVar[Kind] = "measured"

    def __init__(
        self,
        port: str | None = None,
        *,
        supply_v: float = 3.3,
        mode: Literal["source", "ampere"] = "source",
        limits: Limits | None = None,
        stall_s: float = 1.0,
        clock_tolerance: float | None = 0.02,
    ) -> None:
        if not 0.8 <= supply_v <= 5.0:
            raise ConfigError(f"ppk2: {supply_v} V; it supplies 0.8 to 5 V")
        if mode not in ("source", "ampere"):
            raise ConfigError(f"ppk2: there is no mode {mode!r}; choose source or ampere")
        self._port = port
        self._supply_v = supply_v
        self._mode = mode
        self._limits = limits or Limits()
        self._stall_s = stall_s
        self._clock_tolerance = clock_tolerance
        self._api: Any = None
        self._reader: _Reader | None = None
        self._started_at = ""

    def open(self) -> None:
        """Connect, read the calibration, set the mode and voltage, power the board."""
        library = extras.load("ppk2_api.ppk2_api")
        serial = extras.load("serial")
        port = self._port or self._only(library.PPK2_API.list_devices())
        try:
            self._api = library.PPK2_API(port, timeout=1, write_timeout=1, exclusive=True)
        except serial.SerialException as error:
            raise _unopened(port, error) from None
        self._port = port
        self._calibrate()
        if self._mode == "source":
            self._api.use_source_meter()
        else:
            self._api.use_ampere_meter()
        # In ampere mode too: the calibration depends on the voltage.
        self._api.set_source_voltage(round(1000 * self._supply_v))
        self._api.toggle_DUT_power("ON")

    def start(self) -> None:
        """Start sampling, 100,000 a second."""
        if self._api is None:
            raise MeterError("ppk2: not open; use it in a `with` statement")
        self._drain()
        # The library's spike filter starts afresh, so that a recording doesn't depend on the last.
        self._api.rolling_avg = self._api.rolling_avg4 = self._api.prev_range = None
        self._api.after_spike = self._api.consecutive_range_samples = 0
        self._started_at = now()
        self._reader = _Reader(self._api, self._stall_s)
        self._api.start_measuring()
        self._reader.start()

    def stop(self) -> Recording:
        """Stop and return the samples; see `Meter.stop`."""
        if self._reader is None:
            raise MeterError("ppk2: not started")
        reader, self._reader = self._reader, None
        elapsed_s = time.monotonic() - reader.started
        self._api.stop_measuring()
        reader.finish()
        recording = self._decode(b"".join(reader.chunks), reader.fault)
        if recording.fault is None:
            fault = shortfall(recording.duration_s, elapsed_s, self._clock_tolerance)
            recording = dataclasses.replace(recording, fault=fault)
        return finished(recording, self._limits)

    def close(self) -> None:
        """Stop, take the board's power away and let the port go."""
        if self._reader is not None:
            self._reader.finish()
            self._reader = None
        if self._api is not None:
            self._api.stop_measuring()
            self._api.toggle_DUT_power("OFF")
            self._api.ser.close()
            self._api = None

    def _only(self, ports: list[str]) -> str:
        if len(ports) == 1:
            return ports[0]
        found = f"{len(ports)} are connected ({', '.join(ports)})" if ports else "none is connected"
        raise MeterError(f"ppk2: {found}; plug one in or name its port: ppk2:PORT")

    def _calibrate(self) -> None:
        """Read the instrument's calibration; what doesn't send one is no PPK2."""
        for _ in range(3):
            # One that a killed run left sampling would send samples in place of text.
            self._api.stop_measuring()
            self._drain()
            try:
                self._api.get_modifiers()
            except (UnicodeDecodeError, OSError):
                continue
            if self._api.modifiers["Calibrated"] is not None:
                return
        raise MeterError(
            f"{self._port}: answers, but not as a PPK2 (no calibration came); name the PPK2's port"
        )

    def _drain(self) -> None:
        quiet_at = time.monotonic() + 0.5
        while self._api.get_data() and time.monotonic() < quiet_at:
            time.sleep(0.01)

    def _decode(self, raw: bytes, fault: str | None) -> Recording:
        whole = len(raw) // _BYTES
        words = np.frombuffer(raw[: whole * _BYTES], "<u4")
        gaps = _gaps(words)
        if fault is None and len(gaps) > max(10, whole // 100):
            fault = "the samples are out of step with their counter: bytes were lost"
            gaps = ()
        current, logic = [np.zeros(0)], [np.zeros(0, np.uint8)]
        for first in range(0, whole, _DECODED_AT_ONCE):
            part = words[first : first + _DECODED_AT_ONCE].tobytes()
            microamperes, bits = self._api.get_samples(part)
            current.append(np.array(microamperes, np.float64) / 1000)
            logic.append(np.array(bits, np.uint8))
        modifiers = self._api.modifiers
        return Recording(
            meter=self.name,
            device=f"PPK2 at {self._port}, {self._mode} mode",
            firmware=f"hardware {modifiers['HW']}, calibrated {modifiers['Calibrated']}",
            kind=self.kind,
            started_at=self._started_at,
            rate_hz=SAMPLE_HZ,
            current_ma=np.concatenate(current),
            voltage_v=None,
            supply_v=self._supply_v,
            logic=np.concatenate(logic),
            gaps=gaps,
            fault=fault,
        )


class _Reader(threading.Thread):
    """Takes the samples from the port as they come; they are decoded when it has stopped."""

    def __init__(self, api: Any, stall_s: float) -> None:
        super().__init__(name="ppk2", daemon=True)
        self._api = api
        self._stall_s = stall_s
        self._ending = threading.Event()
        self.started = time.monotonic()
        self.chunks: list[bytes] = []
        self.fault: str | None = None

    def run(self) -> None:
        last = time.monotonic()
        while True:
            ending = self._ending.is_set()
            try:
                data = self._api.get_data()
            except OSError as error:  # pyserial's error is one
                self.fault = f"the port is gone ({error})"
                return
            if data:
                self.chunks.append(data)
                last = time.monotonic()
                continue
            # Samples under way when it was told to stop still belong to the recording.
            if ending and time.monotonic() - last > 0.05:
                return
            if not ending and time.monotonic() - last > self._stall_s:
                self.fault = f"it stopped sampling: nothing came for {self._stall_s:g} s"
                return
            time.sleep(0.002)

    def finish(self) -> None:
        """Wait for what is under way, two seconds at most."""
        self._ending.set()
        self.join(2.0)


def _gaps(words: NDArray[np.uint32]) -> tuple[Gap, ...]:
    counter = (words >> _COUNTER_SHIFT & _COUNTER_MASK).astype(np.int64)
    missing = (np.diff(counter) - 1) & _COUNTER_MASK
    return tuple(Gap(int(index), int(missing[index])) for index in np.flatnonzero(missing))


def _unopened(port: str, error: Any) -> MeterError:
    number, text = getattr(error, "errno", None), str(error)
    if number in _BUSY or "exclusively lock" in text:
        return MeterError(f"ppk2: {port} is in use; close the program that holds it")
    if number == errno.ENOENT:
        return MeterError(f"ppk2: there is no {port}; plug the PPK2 in or name its port")
    if number == errno.EACCES:
        return MeterError(f"ppk2: {port} may not be opened; join the port's group (dialout)")
    return MeterError(f"ppk2: {port} can't be opened ({text})")
