"""What a profile writes: the bench's records, which the app may not import."""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import Any, Literal

from kilohear.bundle import Kind
from kilohear.errors import ConfigError
from kilohear_ui.profile.config import ProfileConfig

PROTOCOL = 2
"""Of what a step measures and in which order: `kilohear_bench.result.PROTOCOL`."""

NoEnergy = Literal["", "not_asked", "no_battery", "no_current"]
"""Why no energy is measured; empty where it is."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One quantity of one subject, every sample kept: `kilohear_bench.measurement.Measurement`."""

    name: str
    subject: str
    samples: tuple[float, ...]
    unit: str
    kind: Kind
    device: str
    meter: str
    versions: dict[str, str]
    started_at: str | None
    conditions: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.samples or not all(map(math.isfinite, self.samples)):
            raise ConfigError(
                f"{self.name} of {self.subject}: a measurement needs finite samples, got "
                f"{self.samples}; measure again"
            )


@dataclasses.dataclass(frozen=True)
class Kept:
    """A finished step: `kilohear_bench.store.Kept`; a phone leaves no traces beside it."""

    step: str
    finished_at: str
    measurements: tuple[Measurement, ...]
    traces: tuple[Any, ...] = ()


@dataclasses.dataclass(frozen=True)
class Head:
    """What a step's file says first: `kilohear_bench.app_results.Head`."""

    protocol: int
    app: str
    card_sha256: str
    model: str


@dataclasses.dataclass(frozen=True)
class ResultFile:
    """A step's file."""

    head: Head
    kept: Kept


@dataclasses.dataclass(frozen=True)
class Profile:
    """What is said of a whole profile.

    Attributes
    ----------
    began_at, finished_at
        UTC, ISO 8601; the first tells its steps from another profile's, the second is None while
        steps are left.
    app, system, model
        The app's version, the system's name and version, the device's model.
    configuration
        As it was asked for.
    subjects
        What is measured, with the SHA-256 of each one's card.
    steps
        How many there are.
    meter
        What tells the energy; empty: nothing does.
    no_energy
        See `NoEnergy`.
    """

    began_at: str
    app: str
    system: str
    model: str
    configuration: ProfileConfig
    subjects: dict[str, str]
    steps: int
    meter: str = ""
    no_energy: NoEnergy = ""
    finished_at: str | None = None


def now(timespec: str = "seconds") -> str:
    """Return the time now in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec=timespec)
