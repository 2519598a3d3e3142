"""What a profile measures, and how long it takes for it."""

from __future__ import annotations

import dataclasses

from kilohear.errors import ConfigError

LEAST_WINDOWS = 30
"""Fewer say nothing of a median: the bench refuses them, too."""


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    """What to measure.

    Attributes
    ----------
    bundles
        Names of shipped bundles, or paths.
    runtimes
        Empty: the first of this system that each bundle has a file for.
    windows, warm_up
        Windows that are timed for each subject, and untimed ones before each batch of them.
    rounds
        Stretches of each state of each subject; even, since every second round is the first in
        reverse: A B B A.
    stretch_s, settle_s, period_s
        How long a stretch is, how long a state has settled before it, and how far two readings of
        the battery lie apart.
    latency, energy
        Which steps: windows that are timed; stretches of idling, microphone, inference and
        listening.
    max_celsius, cool_s
        The battery's temperature above which it waits, and for how long at most.
    least_level
        Of the battery, 0 to 1: below it nothing is measured.
    """

    bundles: tuple[str, ...] = ("esc10-1khz", "esc10-2khz", "esc10-16khz")
    runtimes: tuple[str, ...] = ()
    windows: int = LEAST_WINDOWS
    warm_up: int = 5
    rounds: int = 2
    stretch_s: float = 10.0
    settle_s: float = 2.0
    period_s: float = 0.5
    latency: bool = True
    energy: bool = True
    max_celsius: float = 38.0
    cool_s: float = 900.0
    least_level: float = 0.15

    def __post_init__(self) -> None:
        if not self.bundles or len(set(self.bundles)) < len(self.bundles):
            raise ConfigError(f"profile: bundles are {self.bundles}; choose one or more, each once")
        if not (self.latency or self.energy):
            raise ConfigError("profile: neither latency nor energy is measured; choose one")
        if self.windows < LEAST_WINDOWS or self.warm_up < 1:
            raise ConfigError(
                f"profile: windows is {self.windows} and warm_up is {self.warm_up}; give "
                f"{LEAST_WINDOWS} and 1 at least"
            )
        if self.rounds < 2 or self.rounds % 2:
            raise ConfigError(f"profile: rounds is {self.rounds}; give an even number, 2 or more")
        if not 0 < 4 * self.period_s <= self.stretch_s:
            raise ConfigError(
                f"profile: stretch_s is {self.stretch_s} and period_s is {self.period_s}; a "
                "stretch needs four periods at least"
            )
        if self.settle_s < 0 or self.cool_s < 0:
            raise ConfigError(
                f"profile: settle_s is {self.settle_s} and cool_s is {self.cool_s}; give 0 or more"
            )
        if not 0 < self.max_celsius < 100 or not 0 <= self.least_level < 1:
            raise ConfigError(
                f"profile: max_celsius is {self.max_celsius} and least_level is "
                f"{self.least_level}; give 0 to 100 and 0 to 1"
            )


QUICK = ProfileConfig()
"""A few minutes."""
FULL = ProfileConfig(windows=60, rounds=4, stretch_s=30.0)
"""About half an hour: what to report."""
