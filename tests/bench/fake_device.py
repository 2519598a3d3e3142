"""A device by script: two subjects, steps that count how often they were taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from kilohear.errors import KilohearError
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome, Step, Trace
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Tested

STEPS = 6


def make_tested(name: str = "a onnx float32", rate_hz: int = 1_000) -> Tested:
    return Tested(name, name, "1", "00", "Mine", "all", rate_hz, 5.0, "onnx", "float32")


def measured(
    samples: Sequence[float] = (1.0, 2.0),
    name: str = "latency",
    unit: str = "ms",
    device: str = "fake",
    **conditions: Any,
) -> Measurement:
    return Measurement(
        name=name,
        subject="a onnx float32",
        samples=tuple(samples),
        unit=unit,
        kind="simulated",
        device=device,
        meter="by script",
        versions={"fake": "1"},
        started_at="2026-01-01T00:00:00+00:00",
        conditions={"rate_hz": 1_000, **conditions},
    )


@dataclasses.dataclass
class Fake:
    """A device whose step i gives latency i; `fails_at` raises, once."""

    name: str = "fake"
    what: str = "a script"
    steps: int = STEPS
    fails_at: int | None = None
    on_step: Callable[[int], None] = lambda i: None
    taken: list[int] = dataclasses.field(default_factory=list)
    is_open: bool = False

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *error: object) -> None:
        self.is_open = False

    def describe(self) -> dict[str, Any]:
        return {"what": self.what}

    def subjects(self) -> Sequence[Tested]:
        return [make_tested()]

    def plan(self) -> Sequence[Step]:
        return [Step(f"window/{i}", lambda i=i: self._measure(i)) for i in range(self.steps)]

    def _measure(self, i: int) -> Outcome:
        assert self.is_open
        self.on_step(i)
        if self.fails_at == i:
            self.fails_at = None
            raise KilohearError("the cable is out; put it back")
        self.taken.append(i)
        time_s = np.arange(4) / 10
        trace = Trace(
            "power", "a onnx float32", 1_000, "simulated", "by script",
            {"time_s": time_s, "current_ma": np.full(4, 5.0 + i)},
        )  # fmt: skip
        heard = measured(
            [1.0], "clip_correct", "fraction", self.name, clips_true_predicted={f"{i}": ["x", "x"]}
        )
        return Outcome([measured([float(i), i + 0.5], device=self.name), heard], [trace])


def opener(*devices: Fake) -> Callable[[str, BenchConfig], Fake]:
    """Return what takes the place of `open_device`."""
    by_name = {device.name: device for device in devices}
    return lambda spec, config: by_name[spec]
