"""The contract of a phone: what the device and the power sources ask of one."""

from __future__ import annotations

import dataclasses
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Shell:
    """What a command on the phone gave.

    Attributes
    ----------
    output, error
        What it wrote to its two streams.
    code
        Its exit status.
    """

    output: str
    error: str
    code: int


class Phone(Protocol):
    """A phone over adb, or a stand-in for one.

    Attributes
    ----------
    serial
        As adb lists it; for the person at the desk only, never in a result.
    """

    @property
    def serial(self) -> str: ...  # noqa: D102

    def shell(self, command: str, timeout_s: float = 30.0) -> Shell:
        """Run a command; its status is for the caller to judge.

        Raises
        ------
        DeviceLost
            Where the link breaks, or the command doesn't end in time.
        """
        ...

    def push(self, data: bytes, remote: str) -> None:
        """Write a file on the phone.

        Raises
        ------
        DeviceLost
            Where the link breaks.
        KilohearError
            Where the phone has no room for it, or what arrived isn't what was sent.
        """
        ...

    def pull(self, remote: str) -> bytes:
        """Return what a file on the phone holds.

        Raises
        ------
        DeviceLost
            Where the link breaks.
        KilohearError
            Where there is no such file.
        """
        ...
