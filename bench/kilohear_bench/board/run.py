"""A board's part of a run, as its own report and Table 3 read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kilohear.errors import ConfigError
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import Run
from kilohear_bench.subject import Tested


@dataclasses.dataclass(frozen=True)
class BoardRun:
    """What was measured on a board.

    Attributes
    ----------
    started_at
        UTC, ISO 8601.
    simulated
        Whether it is the simulator.
    arithmetic
        Of log-mel and FFT.
    machine
        As the board describes itself.
    students
        Whose work was measured, one a rate.
    measurements
        All of the board's; an accuracy's subject may be another student, which kept a fold.
    """

    started_at: str
    simulated: bool
    arithmetic: str
    machine: dict[str, Any]
    students: tuple[Tested, ...]
    measurements: tuple[Measurement, ...]

    @property
    def rates_hz(self) -> tuple[int, ...]:
        """Nominal rates, in the order in which they were measured."""
        return tuple(student.rate_hz for student in self.students)

    def all(self, name: str, rate_hz: int) -> list[Measurement]:
        """Return what was measured at a nominal rate, of every student."""
        return [
            measurement
            for measurement in self.measurements
            if (measurement.name, measurement.conditions["rate_hz"]) == (name, rate_hz)
        ]

    def find(self, name: str, rate_hz: int) -> Measurement | None:
        """Return what was measured at a nominal rate; None where it wasn't."""
        return next(iter(self.all(name, rate_hz)), None)

    def total(self, rate_hz: int, what: str, stages: Sequence[str]) -> float:
        """Return `instructions` or `cycles` per second of sound, summed over stages."""
        found = [self.find(f"{what}_{stage}", rate_hz) for stage in stages]
        return sum(measurement.mean for measurement in found if measurement is not None)


def board_view(run: Run, device: str) -> BoardRun:
    """Return a board's part of a run; rates without a window yet aren't in it.

    Parameters
    ----------
    run
        A run, finished or not.
    device
        The board's name in it.

    Raises
    ------
    ConfigError
        Where the run has no such device.
    """
    described = next((there for there in run.devices if there.name == device), None)
    if described is None:
        raise ConfigError(
            f"the run has no device {device}; it has {', '.join(d.name for d in run.devices)}"
        )
    part = run.of(device)
    timed = {m.subject for m in part.measurements if m.name == "latency"}
    return BoardRun(
        started_at=run.started_at,
        simulated=described.spec == SIMULATOR,
        arithmetic=run.configuration.arithmetic,
        machine=described.what,
        students=tuple(student for student in part.subjects if student.name in timed),
        measurements=part.measurements,
    )


def interval_ma(current: Measurement) -> tuple[float, float]:
    """Return the 95% interval of a modelled current, mA; each window was modelled by itself."""
    conditions = current.conditions
    return float(np.mean(conditions["low_ma"])), float(np.mean(conditions["high_ma"]))


def counts_of(run: BoardRun) -> dict[str, Any]:
    """Return a simulator's run as `kilohear board explain` reads it; see `explain.load_counts`."""
    rates = {}
    for rate_hz in run.rates_hz:
        found = {m.name: m.mean for m in run.measurements if m.conditions["rate_hz"] == rate_hz}
        cycles = {
            name.removeprefix("cycles_"): mean
            for name, mean in found.items()
            if name.startswith("cycles_")
        }
        if "paper_workload" not in cycles:
            continue  # the run was stopped before
        rates[str(rate_hz)] = {
            "effective_hz": rate_of(rate_hz).effective_hz,
            "pdm_clock_hz": rate_of(rate_hz).clock_hz,
            "paper_workload_cycles_per_s": cycles.pop("paper_workload"),
            "cycles_per_s": cycles,
            "wakes_per_s": found["wakes"],
            "uart_share": found["uart_share"],
        }
    source = f"firmware {run.machine['firmware']} in the simulator, the student every 5 s"
    return {"kind": "simulated", "source": source, "rates": rates}
