"""A board on a serial port: what it says of its cycles and times, and what a meter saw."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from kilohear.bundle import Bundle, Kind
from kilohear_bench.board.config import WINDOWS
from kilohear_bench.board.session import GATE_PIN, WINDOW_IS, Session, trace_of
from kilohear_bench.board.students import Student
from kilohear_bench.devices import Outcome, Step
from kilohear_bench.devices.apollo3 import BoardReset, LinkLost, Window, choose_port
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters import Meter, MeterError, Recording, open_meter, windows_of

_ATTEMPTS = 3  # at a window whose link is lost or whose board resets
_RECONNECT_S = 10.0  # for a cable that is plugged in again


class Physical(Session):
    """A board that hears whatever sounds in the room."""

    kind: Kind = "measured"
    clock = "the board's timer"

    def connect(self) -> str:
        """Find the board's port; open the meter, if one is named."""
        port = choose_port(self.spec.partition(":")[2] or None)
        self._meter: Meter | None = None
        self._listens: Student | None = None
        if self.config.meter is not None:
            self._meter = self.stack.enter_context(open_meter(self.config.meter))
        return port

    def describe(self) -> dict[str, Any]:
        """Return what is measured."""
        return {"board": "Apollo3", "firmware": self.firmware}

    def choose(self, rate_hz: int, bundle: Bundle | None) -> Student:
        """Listen at a rate from now on; a bundle must lie in the board's user slot already."""
        self._listens = self.settle(rate_hz, bundle)
        return self._listens

    def steps(self, student: Student) -> list[Step]:
        """Return windows, timed and metered one by one."""
        return [
            Step(f"{student.rate_hz} Hz/window {i}", partial(self._window, student))
            for i in range(self.config.windows or WINDOWS)
        ]

    def _window(self, student: Student) -> Outcome:
        """Time a window; meter it."""
        window, recording = self._survived(student, _ATTEMPTS)
        made = [
            *(
                self.measurement(
                    f"cycles_{stage}", student, [cycles / (window.end_us - window.start_us) * 1e6],
                    "1/s", "the core's cycle counter",
                )
                for stage, cycles in window.cycles.items()
            ),
            self.latency(student, window),
        ]  # fmt: skip
        if recording is None:
            return Outcome(made)
        return Outcome([*made, *self._metered(student, recording)], [trace_of(student, recording)])

    def _survived(self, student: Student, attempts: int) -> tuple[Window, Recording | None]:
        """Listen to a window; again where the link is lost or the board resets meanwhile."""
        try:
            if student != self._listens:
                self.choose(student.rate_hz, student.bundle if student.flashed else None)
            return self._listen()
        except (LinkLost, BoardReset):
            self._listens = None
            if attempts == 1:
                raise
        self.board.reopen(_RECONNECT_S)
        return self._survived(student, attempts - 1)

    def _listen(self) -> tuple[Window, Recording | None]:
        """Return a window and what the meter recorded.

        Metered is from label to label, so that one more is listened to before it.
        """
        if self._meter is None:
            return self._last_of(1), None
        self._meter.start()
        try:
            window = self._last_of(2)
        except BaseException:
            with suppress(MeterError):  # the first error is the one to tell
                self._meter.stop()
            raise
        return window, self._meter.stop()

    def _last_of(self, windows: int) -> Window:
        return [item for item in self.board.listen(windows) if isinstance(item, Window)][-1]

    def _metered(self, student: Student, recording: Recording) -> list[Measurement]:
        cut = windows_of(recording, GATE_PIN)
        if len(cut.active) != 2 or len(cut.idle) != 1:
            raise MeterError(
                f"{recording.device}: {len(cut.active)} labels where the board said 2, damaged: "
                f"{cut.damaged or 'none'}; check the wire from its window pin to logic input "
                f"{GATE_PIN}, then resume the run",
                recording,
            )
        window = cut.idle[0] + cut.active[1]
        return [
            self.measurement(
                name, student, [value], unit, recording.device, recording.kind,
                {"window_is": WINDOW_IS},
            )
            for name, value, unit in (
                ("current", window.current_ma, "mA"),
                ("window_energy", window.energy_uj / 1e3, "mJ"),
                ("window_power", window.power_mw, "mW"),
                ("window_time", window.duration_s, "s"),
            )
        ]  # fmt: skip
