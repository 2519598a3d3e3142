"""The plan: which steps there are, in which order, and how long each takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.subject import Subject

State = Literal["idle", "microphone", "inference", "listening"]
STATES: tuple[State, ...] = ("idle", "microphone", "listening", "inference")
"""Screen on and nothing else; capture and decimator; the student at the speed of sound; windows
back to back. Neighbours differ by one thing each."""
BATCH = 5
"""Windows a step."""
_WINDOW_S = 0.02
"""What a window is expected to take, before one was timed."""


@dataclasses.dataclass(frozen=True)
class Step:
    """The smallest part of a profile that is measured whole or not at all.

    Attributes
    ----------
    kind
        `files`, `windows` or `energy`.
    subject, rate_hz
        Its name and its student's rate.
    turn
        Which batch or round, from 0.
    state
        What the device does; None but for energy.
    settle_s
        How long before the stretch the state begins.
    expected_s
        How long it takes, about.
    """

    kind: Literal["files", "windows", "energy"]
    subject: str
    rate_hz: int
    turn: int = 0
    state: State | None = None
    settle_s: float = 0.0
    expected_s: float = 0.0

    @property
    def name(self) -> str:
        """Unique in a plan, the same when a profile goes on."""
        if self.kind == "files":
            return f"files/{self.subject}"
        name = f"{self.kind}/{self.turn}/{self.subject}"
        return name if self.state is None else f"{name}/{self.state}"


def plan(config: ProfileConfig, subjects: Sequence[Subject], has_energy: bool) -> list[Step]:
    """Return the steps: files, windows in turns, then stretches in turns.

    Every second round takes subjects and states in reverse, so that what drifts (temperature,
    battery, clock) favours none: A B B A.
    """
    steps = list(_timed(config, subjects))
    return steps + list(_metered(config, subjects)) if has_energy else steps


def _timed(config: ProfileConfig, subjects: Sequence[Subject]) -> Iterator[Step]:
    rates_hz = {subject.name: subject.card.rate_hz for subject in subjects}
    for name, rate_hz in rates_hz.items():
        yield Step("files", name, rate_hz)
    batches = -(-config.windows // BATCH) if config.latency else 0
    for turn in range(batches):
        expected_s = _WINDOW_S * (config.warm_up + windows_of(config, turn))
        for name in order_of(list(rates_hz), turn):
            yield Step("windows", name, rates_hz[name], turn, expected_s=expected_s)


def windows_of(config: ProfileConfig, turn: int) -> int:
    """Return how many windows a batch times."""
    return min(BATCH, config.windows - turn * BATCH)


def _metered(config: ProfileConfig, subjects: Sequence[Subject]) -> Iterator[Step]:
    cards = {subject.name: subject.card for subject in subjects}
    for turn in range(config.rounds):
        for name in order_of(list(cards), turn):
            card = cards[name]
            for state in STATES if turn % 2 == 0 else STATES[::-1]:
                settle_s = config.settle_s
                if state == "listening":  # the student's work begins with the first whole window
                    settle_s += card.window_s
                expected_s = settle_s + config.stretch_s
                yield Step("energy", name, card.rate_hz, turn, state, settle_s, expected_s)


def order_of(names: Sequence[str], i: int) -> list[str]:
    """Return the order of turn `i`: drawn for each pair of turns, the second in reverse.

    The same as `kilohear_bench.latency.order_of`.
    """
    pair, second = divmod(i, 2)
    order = np.random.default_rng([0, pair]).permutation(len(names))
    return [names[int(j)] for j in (order[::-1] if second else order)]
