"""The result of a run: what was measured on which devices, as `run.json` keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from kilohear_bench.accuracy import CLIP_CORRECT, scores_of
from kilohear_bench.config import BenchConfig
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Tested

PROTOCOL = 2
"""Of what a step measures and in which order; runs of two protocols aren't compared."""


@dataclasses.dataclass(frozen=True)
class Described:
    """A device of a run.

    Attributes
    ----------
    name, spec
        What results call it, and what `--device` was given.
    what
        As it describes itself.
    subjects
        What is measured on it.
    steps
        How many its plan has.
    """

    name: str
    spec: str
    what: dict[str, Any]
    subjects: tuple[Tested, ...]
    steps: int


@dataclasses.dataclass(frozen=True)
class Run:
    """A run.

    Attributes
    ----------
    protocol
        See `PROTOCOL`.
    configuration
        As it was asked for.
    started_at, finished_at
        UTC, ISO 8601; the second is None until every step of every device is taken.
    machine, versions
        The computer that drove the devices, and its software.
    devices
        In the order in which they were measured.
    failures
        What went wrong, in words: a device that was lost, an accuracy that fell short.
    measurements
        All, with raw samples.
    """

    protocol: int
    configuration: BenchConfig
    started_at: str
    finished_at: str | None
    machine: dict[str, Any]
    versions: dict[str, str]
    devices: tuple[Described, ...]
    failures: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()

    @property
    def subjects(self) -> tuple[Tested, ...]:
        """What was measured on all devices, in order."""
        return tuple(subject for device in self.devices for subject in device.subjects)

    def find(self, name: str, subject: str) -> Measurement | None:
        """Return the first measurement of that name of a subject; None where there is none."""
        for measurement in self.measurements:
            if (measurement.name, measurement.subject) == (name, subject):
                return measurement
        return None

    def of(self, device: str) -> Run:
        """Return what concerns one device."""
        return dataclasses.replace(
            self,
            devices=tuple(d for d in self.devices if d.name == device),
            measurements=tuple(m for m in self.measurements if m.device == device),
        )


def joined(parts: Iterable[Measurement]) -> list[Measurement]:
    """Return one measurement for what steps measured in parts, samples in the order of the steps.

    Parts of one name, subject, rate, unit, kind, device and meter belong together. A condition
    that all share stays; of one that is a mapping all entries stay; any other becomes a list with
    an entry a part.
    """
    groups: dict[tuple[Any, ...], list[Measurement]] = {}
    for m in parts:
        key = (m.name, m.subject, m.conditions.get("rate_hz"), m.unit, m.kind, m.device, m.meter)
        groups.setdefault(key, []).append(m)
    return [_join(group) for group in groups.values()]


def finished(parts: Iterable[Measurement]) -> list[Measurement]:
    """Return a run's measurements: parts joined, labels of clips scored."""
    made: list[Measurement] = []
    for measurement in joined(parts):
        made += scores_of(measurement) if measurement.name == CLIP_CORRECT else [measurement]
    return made


def _join(group: list[Measurement]) -> Measurement:
    first = group[0]
    if len(group) == 1:
        return first
    keys = dict.fromkeys(key for m in group for key in m.conditions)
    return dataclasses.replace(
        first,
        samples=tuple(sample for m in group for sample in m.samples),
        conditions={key: _condition([m.conditions.get(key) for m in group]) for key in keys},
    )


def _condition(values: list[Any]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    if all(isinstance(value, dict) for value in values):
        return {key: value for mapping in values for key, value in mapping.items()}
    return values
