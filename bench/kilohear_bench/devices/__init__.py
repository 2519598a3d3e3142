"""Devices: where subjects run. One protocol, one module a device.

A device says first what it is and which steps it will take, then takes them one by one: what a
finished step gave is on disk before the next begins, and a run that was stopped takes the others.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Kind
from kilohear.errors import KilohearError
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Tested


class DeviceLost(KilohearError):  # noqa: N818 - as SourceLost
    """A device can't be reached any more, or not for now; a run goes on when it is back."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """What a meter sampled during a step, raw.

    Attributes
    ----------
    name
        Short; `power`, say.
    subject, rate_hz
        What ran meanwhile.
    kind, meter
        Of the samples.
    columns
        Arrays of one length by name, units in the names: `time_s` first, then `current_ma`,
        `voltage_v`, `power_mw`, `window` (1 while a window is classified).
    """

    name: str
    subject: str
    rate_hz: int
    kind: Kind
    meter: str
    columns: Mapping[str, NDArray[np.generic]]


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What a step gave."""

    measurements: Sequence[Measurement] = ()
    traces: Sequence[Trace] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """The smallest part of a run that is measured whole or not at all: a window, a clip.

    Attributes
    ----------
    name
        Unique in a device's plan and the same when the run goes on; words and numbers with `/`.
    measure
        Does it. Raises DeviceLost where the device is gone, another KilohearError where it fails.
    """

    name: str
    measure: Callable[[], Outcome]


@dataclasses.dataclass(frozen=True)
class Found:
    """Something that is connected, or could be.

    Attributes
    ----------
    spec
        What `--device` or `--meter` takes; empty where it can't be used.
    what
        What it is, or why it can't be used.
    """

    spec: str
    what: str


class Device(Protocol):
    """Something that runs bundles; used as a context manager: connected on entry.

    The constructor does no work. What can be refused is refused on entry or by `plan`, before
    anything is measured. Whatever it times it times itself: no transport is in the samples.
    """

    @property
    def name(self) -> str:
        """What results call it; see `name_of`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def describe(self) -> dict[str, Any]:
        """Return what it is: processor, memory, system; no owner's or host's name.

        A run goes on only on a device that describes itself the same, so nothing in it varies.
        """
        ...

    def subjects(self) -> Sequence[Tested]:
        """Return what is measured on it."""
        ...

    def plan(self) -> Sequence[Step]:
        """Return the steps, in order; the same for the same configuration."""
        ...


def name_of(spec: str) -> str:
    """Return a device's name from what `--device` was given: a folder of that name is possible."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", spec).strip("-.") or "device"
