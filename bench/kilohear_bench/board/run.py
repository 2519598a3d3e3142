"""The bench on a board: what each sampling rate takes in work, time and current, and its worth.

The same code drives a physical board and its simulator through a serial port. The simulator adds
exact instruction counts and the energy model's current; clips can be played into its microphone.
A physical board's current is a meter's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kilohear.bundle import Bundle
from kilohear.errors import ConfigError
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.board.config import SIMULATOR, BoardConfig
from kilohear_bench.board.physical import Physical
from kilohear_bench.board.simulated import Simulated
from kilohear_bench.board.students import load_student, unseen_by
from kilohear_bench.clips import read_clips
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.run import Say


@dataclasses.dataclass(frozen=True)
class BoardRun:
    """A finished run, as `run.json` keeps it; `subjects` are the students, a rate each."""

    configuration: BoardConfig
    started_at: str
    machine: dict[str, Any]
    subjects: tuple[str, ...]
    measurements: tuple[Measurement, ...]

    def find(self, name: str, rate_hz: int) -> Measurement | None:
        """Return what was measured at a nominal rate; None where it wasn't."""
        for measurement in self.measurements:
            if measurement.name == name and measurement.conditions["rate_hz"] == rate_hz:
                return measurement
        return None

    def total(self, rate_hz: int, what: str, stages: Sequence[str]) -> float:
        """Return `instructions` or `cycles` per second of sound, summed over stages."""
        found = [self.find(f"{what}_{stage}", rate_hz) for stage in stages]
        return sum(measurement.mean for measurement in found if measurement is not None)


def run_board(config: BoardConfig, say: Say = print) -> BoardRun:
    """Measure; what can be refused is refused before anything runs.

    Raises
    ------
    ConfigError, BundleError, DataError, AudioError
        Where the request, a bundle or a clip can't be used.
    BoardError, SimulatorError, MeterError
        Where the board, its simulator or the meter fails.
    """
    started_at = now()
    flashed = _by_rate(config)
    clips = read_clips(config.dataset) if config.dataset else []
    tested = {
        rate_hz: unseen_by(flashed.get(rate_hz), rate_hz, config.dataset, clips)
        for rate_hz in config.rates_hz
        if config.dataset is not None
    }
    bench = Simulated(config) if config.device == SIMULATOR else Physical(config)
    subjects: list[str] = []
    measurements: list[Measurement] = []
    with bench:
        for rate_hz in config.rates_hz:
            name = bench.choose(rate_hz, flashed.get(rate_hz))
            subjects.append(name)
            say(f"{rate_hz:,} Hz: work and time of {name}")
            measurements += bench.work(rate_hz, name)
            if rate_hz in tested:
                say(f"{rate_hz:,} Hz: clips of {config.dataset}")
                measurements += bench.worth(rate_hz, *tested[rate_hz], clips)
        machine = bench.describe()
    recorded = dataclasses.replace(
        config,
        device=config.device.partition(":")[0],
        bundles=tuple(bundle.card.name for bundle in flashed.values()),
        dataset=Path(config.dataset).stem if config.dataset else None,
    )
    return BoardRun(recorded, started_at, machine, tuple(subjects), tuple(measurements))


def _by_rate(config: BoardConfig) -> dict[int, Bundle]:
    """Load the bundles; raises ConfigError where two have one rate, or one isn't of the run's."""
    found: dict[int, Bundle] = {}
    for bundle in map(load_student, config.bundles):
        rate_hz = bundle.card.rate_hz
        if rate_hz in found or rate_hz not in config.rates_hz:
            why = "another bundle has that rate" if rate_hz in found else "the run has no such rate"
            raise ConfigError(
                f"board: {bundle.card.name} is for {rate_hz:,} Hz, and {why}; give each rate one "
                "bundle at most, and leave out those of other rates"
            )
        found[rate_hz] = bundle
    return found


def counts_of(run: BoardRun) -> dict[str, Any]:
    """Return a simulator's run as `kilohear board explain` reads it; see `explain.load_counts`."""
    rates = {}
    for rate_hz in run.configuration.rates_hz:
        found = [m for m in run.measurements if m.conditions["rate_hz"] == rate_hz]
        cycles = {
            m.name.removeprefix("cycles_"): m.mean for m in found if m.name.startswith("cycles_")
        }
        rates[str(rate_hz)] = {
            "effective_hz": rate_of(rate_hz).effective_hz,
            "pdm_clock_hz": rate_of(rate_hz).clock_hz,
            "paper_workload_cycles_per_s": cycles.pop("paper_workload"),
            "cycles_per_s": cycles,
            "wakes_per_s": next(m.mean for m in found if m.name == "wakes"),
            "uart_share": next(m.mean for m in found if m.name == "uart_share"),
        }
    source = f"firmware {run.machine['firmware']} in the simulator, the student every 5 s"
    return {"kind": "simulated", "source": source, "rates": rates}
