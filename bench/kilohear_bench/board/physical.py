"""A board on a serial port: what it says of its cycles and times, and what a meter saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kilohear.bundle import Bundle, Kind
from kilohear.errors import BundleError
from kilohear_bench.board.session import Session
from kilohear_bench.clips import Clip
from kilohear_bench.devices.apollo3 import choose_port
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters import Meter, Recording, open_meter, windows_of

GATE_PIN = 0
"""The meter's logic input that the board's window pin is wired to."""


class Physical(Session):
    """A board that hears whatever sounds in the room."""

    kind: Kind = "measured"
    clock = "the board's timer"
    meter: Meter | None = None

    def connect(self) -> str:
        """Find the board's port; open the meter, if one is named."""
        port = choose_port(self.config.device.partition(":")[2] or None)
        if self.config.meter is not None:
            self.meter = self.stack.enter_context(open_meter(self.config.meter))
        return port

    def choose(self, rate_hz: int, bundle: Bundle | None) -> str:
        """Listen at a rate from now on; a bundle must lie in the board's user slot already."""
        name = self.settle(rate_hz)
        student = self.board.version().student
        if student is None:
            raise BundleError(
                f"the board has no student at {rate_hz:,} Hz; flash one: kilohear board flash"
            )
        if bundle is not None and student.card != bundle.card.identity.sha256.hex():
            raise BundleError(
                f"the board's student at {rate_hz:,} Hz is {name}, not {bundle.card.name}; "
                f"flash it: kilohear board flash --bundle {bundle.card.name}"
            )
        return name

    def work(self, rate_hz: int, subject: str) -> list[Measurement]:
        """Time windows, and take the meter's current meanwhile."""
        if self.meter is not None:
            self.meter.start()
        windows = list(self.board.run_windows(self.config.windows))
        recording = self.meter.stop() if self.meter is not None else None
        cycles = {
            stage: [w.cycles[stage] / ((w.end_us - w.start_us) / 1e6) for w in windows]
            for stage in windows[0].cycles
        }
        made = [
            self.measurement(f"cycles_{stage}", subject, per_s, "1/s", "the core's cycle counter")
            for stage, per_s in cycles.items()
        ]
        made.append(self.latency(subject, windows))
        return made + (self._current(subject, recording) if recording is not None else [])

    def worth(
        self, rate_hz: int, bundle: Bundle, unseen: Sequence[Clip], clips: Sequence[Clip]
    ) -> list[Measurement]:
        """Measure nothing: the configuration refuses clips for a physical board."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return what was measured."""
        return {"board": "Apollo3", "firmware": self.firmware}

    def _current(self, subject: str, recording: Recording) -> list[Measurement]:
        step = round(recording.rate_hz)
        whole = len(recording.current_ma) // step * step
        seconds = recording.current_ma[:whole].reshape(-1, step).mean(axis=1)
        energies = [window.energy_uj for window in windows_of(recording, GATE_PIN).active]
        return [
            self.measurement(
                name, subject, samples, unit, recording.device, recording.kind, {"samples_are": of}
            )
            for name, samples, unit, of in (
                ("current", seconds.tolist(), "mA", "means over a second"),
                ("window_energy", energies, "uJ", "windows, while the board's window pin is high"),
            )
        ]
