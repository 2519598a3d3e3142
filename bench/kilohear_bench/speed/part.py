"""A part of the comparison: measurements taken in one go, one JSON file in the results' folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from kilohear import backends
from kilohear.bundle import Bundle
from kilohear.config import load_json, save_json
from kilohear_bench.machine import HOST, describe, versions
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.subject import Subject, subjects_of

BUNDLE = "esc10-1khz"
"""Who listens, and whose first result is waited for."""

PartName = Literal["logmel", "label", "listening", "start"]


@dataclasses.dataclass(frozen=True)
class Part:
    """What one part measured, as its file keeps it.

    Attributes
    ----------
    name
        Of the part.
    machine
        See `kilohear_bench.machine.describe`.
    configuration
        What was asked for, and the hashes of the files that took part.
    left_out
        Peers that aren't installed here, and why.
    measurements
        With all raw samples.
    """

    name: PartName
    started_at: str
    machine: dict[str, Any]
    configuration: dict[str, Any]
    left_out: dict[str, str]
    measurements: tuple[Measurement, ...]

    def of(self, name: str) -> dict[str, Measurement]:
        """Return the measurements of one quantity, by subject."""
        return {m.subject: m for m in self.measurements if m.name == name}


class Taking:
    """A part under way: every measurement gets the same device, time and conditions.

    Parameters
    ----------
    conditions
        What holds for all of them: threads, load.
    """

    def __init__(self, conditions: Mapping[str, Any]) -> None:
        self._conditions = conditions
        self._started_at, self._machine = now(), describe()
        self._measurements: list[Measurement] = []

    def add(
        self,
        name: str,
        subject: str,
        samples: tuple[float, ...],
        unit: str,
        meter: str,
        used: Mapping[str, str] | None = None,
        **conditions: Any,
    ) -> None:
        """Add a measurement; `used` are the versions of what took part besides kilohear."""
        self._measurements.append(
            Measurement(
                name=name,
                subject=subject,
                samples=samples,
                unit=unit,
                kind="measured",
                device=HOST,
                meter=meter,
                versions=versions() | dict(used or {}),
                started_at=self._started_at,
                conditions={**self._conditions, **conditions},
            )
        )

    def done(
        self, name: PartName, configuration: dict[str, Any], left_out: dict[str, str] | None = None
    ) -> Part:
        """Return the part."""
        return Part(
            name=name,
            started_at=self._started_at,
            machine=self._machine,
            configuration=configuration,
            left_out=left_out or {},
            measurements=tuple(self._measurements),
        )


def listening_subjects() -> list[Subject]:
    """Return the float32 files of `BUNDLE`, one a runtime that is here."""
    subjects = subjects_of([Bundle.load(BUNDLE)], backends.available())
    return [subject for subject in subjects if subject.export.precision == "float32"]


def save_part(part: Part, folder: Path) -> None:
    """Write a part's file; one of an earlier run is replaced, atomically."""
    save_json(part, folder / f"{part.name}.json")


def load_parts(folder: Path) -> dict[str, Part]:
    """Return the parts whose files are in `folder`, by name."""
    parts = [load_json(Part, file) for file in sorted(folder.glob("*.json"))]
    return {part.name: part for part in parts}
