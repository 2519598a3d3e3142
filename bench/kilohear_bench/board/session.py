"""A board at hand: opened, set to a rate, its measurements named by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import kilohear
from kilohear.bundle import Kind
from kilohear.errors import ConfigError
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.board.config import BoardConfig
from kilohear_bench.devices.apollo3 import Board, Window
from kilohear_bench.measurement import Measurement, now


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

    def __init__(self, config: BoardConfig) -> None:
        self.config = config
        self.stack = ExitStack()
        self._rate_hz = 0
        self._started_at = now()

    def __enter__(self) -> Self:
        try:
            self.board = self.stack.enter_context(Board(self.connect(), timeout_s=60.0))
            self.firmware = self.board.version().firmware
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.__exit__(kind, error, trace)

    def connect(self) -> str:
        """Make what is measured ready; return its serial port."""
        raise NotImplementedError

    def settle(self, rate_hz: int) -> str:
        """Set rate and arithmetic; return the name of the student, or the rate without one."""
        self._rate_hz, self._started_at = rate_hz, now()
        effective_hz = self.board.set_rate(rate_hz).effective_hz
        if effective_hz != rate_of(rate_hz).effective_hz:
            raise ConfigError(
                f"the board listens at {effective_hz} Hz for {rate_hz} Hz, this program expects "
                f"{rate_of(rate_hz).effective_hz} Hz; flash its firmware: kilohear board flash"
            )
        self.board.use(self.config.arithmetic)
        self.board.line(powered=False)
        student = self.board.version().student
        return student.name if student else f"{rate_hz} Hz"

    def measurement(
        self,
        name: str,
        subject: str,
        samples: Sequence[float],
        unit: str,
        meter: str | None = None,
        kind: Kind | None = None,
        conditions: dict[str, Any] | None = None,
    ) -> Measurement:
        """Return a measurement at the rate that is set; by default of this session's kind."""
        rate = rate_of(self._rate_hz)
        return Measurement(
            name=name,
            subject=subject,
            samples=tuple(float(value) for value in samples),
            unit=unit,
            kind=kind or self.kind,
            device=self.config.device.partition(":")[0],
            meter=meter or self.clock,
            versions=self.versions(),
            started_at=self._started_at,
            conditions={
                "rate_hz": rate.nominal_hz,
                "effective_hz": rate.effective_hz,
                "arithmetic": self.config.arithmetic,
                **(conditions or {}),
            },
        )

    def latency(self, subject: str, windows: Sequence[Window]) -> Measurement:
        """Return the time from the end of a window's last block of samples to its label."""
        samples = [(window.done_us - window.end_us) / 1e3 for window in windows]
        return self.measurement("latency", subject, samples, "ms")

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part."""
        return {"kilohear": kilohear.__version__, "firmware": self.firmware}
