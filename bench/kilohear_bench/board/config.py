"""What a board can measure of what a run asks for."""

from __future__ import annotations

from collections.abc import Sequence

from kilohear.bundle import Bundle
from kilohear.errors import ConfigError
from kilohear_bench.apollo3.rates import RATES, rate_of
from kilohear_bench.board.students import load_student
from kilohear_bench.config import BenchConfig

SIMULATOR = "apollo3-simulator"
BOARD = "apollo3"

WINDOWS = 3
"""Windows that are counted or metered at each rate, where the run names no number."""

CLIPS = 120
"""Clips that are compared with the reference at each rate, where the run names no number."""


def require_possible(config: BenchConfig) -> None:
    """Raise ConfigError where a run asks for what none of its devices can do.

    A board hears only what sounds in the room, and a simulator draws no current: with other
    devices beside them, a data set or a meter may be theirs.
    """
    kinds = {spec.partition(":")[0] for spec in config.devices}
    if config.dataset is not None and kinds == {BOARD}:
        raise ConfigError(
            f"board: clips of {config.dataset} can't be played into a board's microphone from "
            f"here; score them on --device {SIMULATOR}, whose labels are the board's"
        )
    if config.meter is not None and BOARD not in kinds:
        raise ConfigError(
            f"board: a simulator draws no current that {config.meter} could measure; leave "
            "--meter out, its current is modelled"
        )


def bundles_by_rate(config: BenchConfig) -> dict[int, Bundle | None]:
    """Return the rates to measure, and of each the bundle that was named; None: none was.

    Raises
    ------
    RateError
        Where the board doesn't listen at a rate.
    ConfigError
        Where two bundles have one rate, or one isn't of the run's.
    BundleError
        Where a bundle can't be used, or has no student for the board.
    """
    bundles = _one_a_rate([load_student(name) for name in config.bundles])
    rates_hz = config.rates_hz or tuple(sorted(bundles, reverse=True)) or tuple(RATES)
    for rate_hz in rates_hz:
        rate_of(rate_hz)
    for rate_hz, bundle in bundles.items():
        bundle.export("c", "int8")  # refuses one without a student for the board
        if rate_hz not in rates_hz:
            raise ConfigError(
                f"board: {bundle.card.name} is for {rate_hz:,} Hz, and the run has no such rate; "
                "leave it out, or add --rate"
            )
    return {rate_hz: bundles.get(rate_hz) for rate_hz in rates_hz}


def _one_a_rate(bundles: Sequence[Bundle]) -> dict[int, Bundle]:
    found: dict[int, Bundle] = {}
    for bundle in bundles:
        there = found.setdefault(bundle.card.rate_hz, bundle)
        if there is not bundle:
            raise ConfigError(
                f"board: {bundle.card.name} is for {bundle.card.rate_hz:,} Hz, and another bundle "
                f"has that rate, {there.card.name}; give each rate one bundle at most"
            )
    return found
