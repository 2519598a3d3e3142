"""What to measure, for all devices of a run."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kilohear.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """What to measure; what doesn't concern a device is ignored by it.

    Attributes
    ----------
    devices
        Each as `kilohear_bench.devices.choose.open_device` takes it, measured in this order.
    bundles
        Names or paths; empty: all that ship, on a board the firmware's own students.
    runtimes
        Host, phone: empty for all that the device has.
    rates_hz
        Nominal rates; empty: all that the device and the bundles have.
    dataset
        A named data set or a CSV to score on; None: the cards' fold scores.
    clips
        How many clips of it each subject hears, at most; None: all that it never saw.
    windows, warm_up
        Windows that are timed or counted for each subject, and untimed ones before them; None: as
        many as the device needs.
    memory
        Host: whether to measure peak memory, in a fresh process a subject.
    cpu
        Host: the core to stay on; None: the last one that is allowed.
    arithmetic
        Board: of log-mel and FFT.
    meter
        Board: what measures its current, as in `kilohear_bench.meters.open_meter`.
    power
        Phone: where its energy comes from; `auto` takes the best that it has. iPhone:
        `current-now` samples its battery over Wi-Fi.
    cool_down_s, max_celsius
        Phone: the rest between subjects, and the temperature above which it waits.
    max_drop
        How far macro accuracy may lie below the card's score before the run has failed; None: as
        far as chance explains, see `kilohear_bench.verdict`.
    """

    devices: tuple[str, ...] = ("host",)
    bundles: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    rates_hz: tuple[int, ...] = ()
    dataset: str | None = None
    clips: int | None = None
    windows: int | None = None
    warm_up: int | None = None
    memory: bool = True
    cpu: int | None = None
    arithmetic: Literal["float32", "q15"] = "float32"
    meter: str | None = None
    power: Literal["auto", "rails", "charge-counter", "current-now", "batterystats", "none"] = (
        "auto"
    )
    cool_down_s: float = 10.0
    max_celsius: float = 38.0
    max_drop: float | None = None

    def __post_init__(self) -> None:
        twice = [spec for spec in self.devices if self.devices.count(spec) > 1]
        if not self.devices or twice:
            raise ConfigError(
                f"bench: device {twice[0]} is named twice; name each once"
                if twice
                else "bench: no device; name one, for example --device host"
            )
        for name in ("clips", "windows", "warm_up"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"bench: {name} is {value}; give 1 at least")
        for rate_hz in self.rates_hz:
            if rate_hz < 1:
                raise ConfigError(f"bench: a rate of {rate_hz} Hz; give one above 0")
        if self.cool_down_s < 0 or not 0 < self.max_celsius < 100:
            raise ConfigError(
                f"bench: cool_down_s is {self.cool_down_s}, max_celsius {self.max_celsius}; give a "
                "time of 0 or more and a temperature between 0 and 100"
            )
        if self.max_drop is not None and not 0 <= self.max_drop < 1:
            raise ConfigError(f"bench: max_drop is {self.max_drop}; give a fraction from 0 to 1")
