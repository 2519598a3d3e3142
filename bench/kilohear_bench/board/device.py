"""The Apollo3 board and its simulator as devices of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from kilohear_bench.board.config import SIMULATOR, bundles_by_rate, require_possible
from kilohear_bench.board.physical import Physical
from kilohear_bench.board.session import Session
from kilohear_bench.board.simulated import Simulated
from kilohear_bench.board.students import Student, unseen_by
from kilohear_bench.board.worth import Play, plays
from kilohear_bench.clips import read_clips
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Step, name_of
from kilohear_bench.subject import Tested


class BoardDevice:
    """A board at each of its rates; see `kilohear_bench.devices.Device`.

    The simulator adds exact counts of instructions and the energy model's current, and hears
    clips. A physical board is timed by itself, its current is a meter's. Of the latter none was
    at hand: it was tested with the simulator's serial port for a board, and meters' stand-ins.

    Parameters
    ----------
    spec
        `apollo3-simulator`, `apollo3` for the only board there is, or `apollo3:PORT`.
    config
        Of the run.
    """

    def __init__(self, spec: str, config: BenchConfig) -> None:
        self._spec, self._config = spec, config
        self._stack = ExitStack()

    @property
    def name(self) -> str:
        """What results call it."""
        return name_of(self._spec)

    def __enter__(self) -> Self:
        """Connect, or switch the simulator on; each rate's student is looked for on the board.

        Raises
        ------
        ConfigError, RateError, BundleError, DataError
            Where the request, a bundle or a data set can't be used.
        BoardError, MeterError, SimulatorError
            Where board, meter or simulator can't.
        """
        config, simulated = self._config, self._spec == SIMULATOR
        require_possible(config)
        bundles = bundles_by_rate(config)
        dataset = config.dataset if simulated else None
        clips = read_clips(dataset) if dataset else []
        tested = {hz: unseen_by(bundles[hz], hz, dataset, clips) for hz in bundles if dataset}
        kind = Simulated if simulated else Physical
        try:
            self._session: Session = self._stack.enter_context(kind(self._spec, config))
            self._students = [self._session.choose(hz, bundle) for hz, bundle in bundles.items()]
        except BaseException:
            self._stack.close()
            raise
        self._plays: dict[int, list[Play]] = {
            own.rate_hz: plays(
                own,
                Student(tested[own.rate_hz][0], flashed=True),
                tested[own.rate_hz][1],
                clips,
                config,
            )
            for own in self._students
            if dataset
        }
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def describe(self) -> dict[str, Any]:
        """Return board and firmware."""
        return self._session.describe()

    def subjects(self) -> Sequence[Tested]:
        """Return each rate's student, then those that are scored in its place."""
        heard = [play.student for each in self._plays.values() for play in each]
        found = {student.name: student for student in (*self._students, *heard)}
        return [student.subject.describe() for student in found.values()]

    def plan(self) -> Sequence[Step]:
        """Return, rate by rate, a step a window, on a simulator the paper's workload and clips."""
        return [
            step
            for student in self._students
            for step in (*self._session.steps(student), *self._hearings(student.rate_hz))
        ]

    def _hearings(self, rate_hz: int) -> list[Step]:
        if not isinstance(self._session, Simulated):
            return []
        return [
            Step(f"{rate_hz} Hz/clip {i} {play.clip.name}", partial(self._session.hear, play))
            for i, play in enumerate(self._plays.get(rate_hz, ()))
        ]
