"""How the board captures at each rate: the firmware's table, bench/apollo3/stages/capture.c."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from kilohear.errors import RateError


@dataclasses.dataclass(frozen=True)
class Rate:
    """A nominal rate and what the chip makes of it.

    Attributes
    ----------
    nominal_hz
        What students and the command `rate` call it.
    clock_hz
        The digital microphone's clock.
    by
        The decimator's factor after the PDM block: 1 or 2.
    """

    nominal_hz: int
    clock_hz: int
    by: int

    @property
    def sampled_hz(self) -> Fraction:
        """Rate of the PDM block's samples: clock / (2 SINC_RATE), 96 (data sheet p. 359)."""
        return Fraction(self.clock_hz, 96)

    @property
    def effective_hz(self) -> float:
        """What the student hears: 2.3% below the nominal rate, as clocks come from 48 MHz."""
        return float(self.sampled_hz / self.by)


RATES = {
    rate.nominal_hz: rate
    for rate in (
        Rate(16_000, 1_500_000, 1),
        Rate(8_000, 750_000, 1),
        Rate(4_000, 750_000, 2),
        Rate(2_000, 375_000, 2),
        Rate(1_000, 187_500, 2),
    )
}
"""By nominal rate, highest first."""


def rate_of(nominal_hz: int) -> Rate:
    """Return how a nominal rate is captured; raises RateError naming those that there are."""
    if nominal_hz not in RATES:
        there = ", ".join(f"{hz:,}" for hz in RATES)
        raise RateError(f"the board doesn't listen at {nominal_hz:,} Hz; it does at {there} Hz")
    return RATES[nominal_hz]
