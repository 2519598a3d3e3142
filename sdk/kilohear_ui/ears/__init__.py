"""Ears: who listens for the screens. One protocol: in this process, or in a service of its own.

What ears say is labels, times and levels, never sound: it is all that crosses the border between
a service's process and the screens'.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from kilohear.capture.feed import Duty
from kilohear.events import Detection, Event, Fault, Gap
from kilohear.monitor import Level, Spectrum
from kilohear_ui.problems import Problem

__all__ = ["Cost", "Ears", "Ended", "Heard", "Level", "Said", "Started", "Trouble", "Wish"]

DEMO = "demo"
"""The source that plays a scene, see `kilohear_ui.scene`; every other is an address of
`kilohear.open_source`."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to be listened to, and how."""

    bundle: str = "esc10-1khz"
    source: str = "microphone"
    detection: Detection = dataclasses.field(default_factory=Detection)
    duty: Duty | None = None
    gate_db: float | None = None


@dataclasses.dataclass(frozen=True)
class Started:
    """Listening began; the three rates are never the same thing."""

    bundle: str
    runtime: str
    labels: tuple[str, ...]
    source: str
    requested_hz: int
    granted_hz: int
    effective_hz: int
    window_s: float
    hop_s: float


@dataclasses.dataclass(frozen=True)
class Heard:
    """One window: its probabilities in the order of `Started.labels`, and what it took.

    `latency_ms` is None where the gate skipped the inference.
    """

    start_s: float
    end_s: float
    probabilities: tuple[float, ...]
    lost_s: float
    skipped: bool
    latency_ms: float | None


@dataclasses.dataclass(frozen=True)
class Cost:
    """What listening cost since the last one; measured.

    Attributes
    ----------
    cpu_share
        CPU time of whoever listens over time gone by; screens not counted. None: can't be told
        apart here.
    memory_bytes
        Resident, of the process that listens.
    windows, skipped
        Heard since the start, and those of them that the gate spared an inference.
    """

    cpu_share: float | None
    memory_bytes: int | None
    windows: int
    skipped: int


@dataclasses.dataclass(frozen=True)
class Ended:
    """Listening is over: by `stop`, because the recording ended, or by a problem."""

    problem: Problem | None = None


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Something went wrong, and listening goes on: no space for the event log, for one."""

    problem: Problem


Said = Started | Heard | Level | Cost | Event | Gap | Fault | Trouble | Ended


class Ears(Protocol):
    """Whoever listens.

    `start` returns at once; what goes wrong is said by `Ended`. Starting anew while listening is
    how rate and bundle are changed: what was heard before is told first.
    """

    @property
    def has_spectrum(self) -> bool:
        """Whether `spectrum` can give something: these ears are in this process."""
        ...

    @property
    def is_listening(self) -> bool:
        """Whether `start` was called and `Ended` not yet said."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether the microphone is let go of for now."""
        ...

    def start(self, wish: Wish) -> None:
        """Listen as wished, from now on."""
        ...

    def pause(self) -> None:
        """Let go of the microphone until `resume`."""
        ...

    def resume(self) -> None:
        """Go on after `pause`."""
        ...

    def stop(self) -> None:
        """End listening; `Ended` is said once nothing runs any more."""
        ...

    def take(self) -> list[Said]:
        """Return what was said since the last call; never waits."""
        ...

    def spectrum(self) -> Spectrum | None:
        """Return the last seconds' bands before and after the decimator; None: not watched.

        Bands are watched between `watch_spectrum(True)` and `watch_spectrum(False)` only. Ears in
        another process never give any.
        """
        ...

    def watch_spectrum(self, wanted: bool) -> None:
        """Begin to watch the bands, or end it and overwrite them."""
        ...

    def close(self) -> None:
        """Stop, and wait until no thread of these ears is left; a service goes on listening."""
        ...
