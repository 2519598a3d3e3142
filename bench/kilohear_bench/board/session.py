"""A board at hand: opened, set to a student's rate, its measurements named by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

import kilohear
from kilohear.bundle import Bundle, Kind
from kilohear.errors import BundleError, ConfigError
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.board.students import Student, bundle_of
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Step, Trace, name_of
from kilohear_bench.devices.apollo3 import Board, Window
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.meters import Recording

GATE_PIN = 0
"""The meter's logic input that the board's window pin is wired to."""

WINDOW_IS = "from label to label: listening all along, the student once"
"""What a window's energy, power and time are of, on a board and in its model."""


class Session:
    """A board at hand, with what measures it.

    Attributes
    ----------
    kind
        Of what it measures.
    clock
        What takes its times.
    """

    kind: Kind
    clock: str

    def __init__(self, spec: str, config: BenchConfig) -> None:
        self.spec, self.name, self.config = spec, name_of(spec), config
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.board = self.stack.enter_context(Board(self.connect(), timeout_s=60.0))
            self.firmware = self.board.version().firmware
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def connect(self) -> str:
        """Make what is measured ready; return its serial port."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return what is measured; see `kilohear_bench.devices.Device`."""
        raise NotImplementedError

    def choose(self, rate_hz: int, bundle: Bundle | None) -> Student:
        """Listen at a rate from now on, by a bundle's student or the firmware's own."""
        raise NotImplementedError

    def steps(self, student: Student) -> list[Step]:
        """Return what is measured of a student's work, time and current."""
        raise NotImplementedError

    def settle(self, rate_hz: int, bundle: Bundle | None) -> Student:
        """Set rate and arithmetic; return the student that is there.

        Raises
        ------
        BundleError
            Where there is none, or another one than `bundle`'s.
        ConfigError
            Where the board's rates aren't this program's.
        """
        effective_hz = self.board.set_rate(rate_hz).effective_hz
        if effective_hz != rate_of(rate_hz).effective_hz:
            raise ConfigError(
                f"the board listens at {effective_hz} Hz for {rate_hz} Hz, this program expects "
                f"{rate_of(rate_hz).effective_hz} Hz; flash its firmware: kilohear board flash"
            )
        self.board.use(self.config.arithmetic)
        self.board.line(powered=False)
        there = self.board.version().student
        if there is None:
            raise BundleError(
                f"the board has no student at {rate_hz:,} Hz; flash one: kilohear board flash"
            )
        expected = bundle if bundle is not None else bundle_of(there.name, rate_hz)
        if there.card != expected.card.identity.sha256.hex():
            raise BundleError(
                f"the board's student at {rate_hz:,} Hz is {there.name} {there.version}, not "
                f"{expected.card.name} {expected.card.version} as it is here; flash it: "
                f"kilohear board flash --bundle {expected.card.name}"
            )
        return Student(expected, bundle is not None)

    def measurement(
        self,
        name: str,
        student: Student,
        samples: Sequence[float],
        unit: str,
        meter: str | None = None,
        kind: Kind | None = None,
        conditions: dict[str, Any] | None = None,
    ) -> Measurement:
        """Return a measurement of a student; by default of this session's kind and clock."""
        return Measurement(
            name=name,
            subject=student.name,
            samples=tuple(float(value) for value in samples),
            unit=unit,
            kind=kind or self.kind,
            device=self.name,
            meter=meter or self.clock,
            versions=self.versions(),
            started_at=now(),
            conditions={
                "rate_hz": student.rate_hz,
                "effective_hz": rate_of(student.rate_hz).effective_hz,
                "arithmetic": self.config.arithmetic,
                **(conditions or {}),
            },
        )

    def latency(self, student: Student, window: Window) -> Measurement:
        """Return the time from the end of a window's last block of samples to its label."""
        return self.measurement("latency", student, [(window.done_us - window.end_us) / 1e3], "ms")

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part."""
        return {"kilohear": kilohear.__version__, "firmware": self.firmware}


def trace_of(student: Student, recording: Recording) -> Trace:
    """Return what a meter recorded, or a model; the voltage only where it was measured."""
    voltage = {} if recording.voltage_v is None else {"voltage_v": recording.voltage_v}
    return Trace(
        name="current",
        subject=student.name,
        rate_hz=student.rate_hz,
        kind=recording.kind,
        meter=recording.device,
        columns={
            "time_s": recording.time_s,
            "current_ma": recording.current_ma,
            **voltage,
            "power_mw": recording.power_mw,
            "window": recording.pin(GATE_PIN).astype(np.uint8),
        },
    )
