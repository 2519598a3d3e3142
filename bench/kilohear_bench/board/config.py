"""What to measure on a board."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kilohear.errors import ConfigError
from kilohear_bench.apollo3.rates import RATES, rate_of

SIMULATOR = "apollo3-simulator"
BOARD = "apollo3"


@dataclasses.dataclass(frozen=True)
class BoardConfig:
    """What to measure.

    Attributes
    ----------
    device
        `apollo3-simulator`, `apollo3`, or `apollo3:PORT`.
    rates_hz
        Nominal rates.
    bundles
        Names or paths of bundles to flash into the user slot; empty: the firmware's own students.
    dataset
        A named data set or a CSV, played into the simulated microphone; None: nothing is scored.
    clips
        How many clips a rate are compared with the reference, at most.
    windows
        Windows that are counted a rate.
    arithmetic
        Of log-mel and FFT: `float32` or `q15`.
    meter
        What measures a physical board's current, as in `kilohear_bench.meters.open_meter`; None:
        nothing does. A simulator's current is modelled.
    """

    device: str = SIMULATOR
    rates_hz: tuple[int, ...] = tuple(RATES)
    bundles: tuple[str, ...] = ()
    dataset: str | None = None
    clips: int = 120
    windows: int = 3
    arithmetic: Literal["float32", "q15"] = "float32"
    meter: str | None = None

    def __post_init__(self) -> None:
        for rate_hz in self.rates_hz:
            rate_of(rate_hz)
        if not self.rates_hz or self.windows < 1 or self.clips < 1:
            raise ConfigError(
                f"board: {len(self.rates_hz)} rates, {self.windows} windows, {self.clips} clips; "
                "give one of each at least"
            )
        if self.arithmetic not in ("float32", "q15"):
            raise ConfigError(f"board: arithmetic {self.arithmetic!r}; use float32 or q15")
        if self.dataset is not None and self.device != SIMULATOR:
            raise ConfigError(
                f"board: clips of {self.dataset} can't be played into a board's microphone from "
                f"here; score them on --device {SIMULATOR}, whose labels are the board's"
            )
        if self.meter is not None and self.device == SIMULATOR:
            raise ConfigError(
                f"board: a simulator draws no current that {self.meter} could measure; leave "
                "--meter out, its current is modelled"
            )
