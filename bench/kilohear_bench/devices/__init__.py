"""Devices: where subjects run. One protocol, one module a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kilohear.classifier import Classifier
from kilohear.errors import ConfigError
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Subject

__all__ = ["Device", "open_device"]


class Device(Protocol):
    """Something that runs bundles and times itself, so that no transport is in the samples."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what the device is: processor, memory, system. No name of an owner or host."""
        ...

    def runtimes(self) -> tuple[str, ...]:
        """Return the runtimes that it has."""
        ...

    def open(self, subject: Subject) -> Classifier:
        """Load a subject, one thread."""
        ...

    def latency(
        self, classifiers: dict[str, Classifier], windows: int, warm_up: int
    ) -> list[Measurement]:
        """Time one window of each classifier in turns, `windows` rounds after `warm_up`."""
        ...

    def peak_memory(self, subjects: Sequence[Subject]) -> list[Measurement]:
        """Measure the peak memory of each subject in a process of its own."""
        ...


def open_device(name: str) -> Device:
    """Return a device by name; raises ConfigError naming those there are."""
    if name == "host":
        from kilohear_bench.devices.host import Host

        return Host()
    raise ConfigError(f"device {name!r} is unknown; use host, apollo3-simulator or apollo3")
