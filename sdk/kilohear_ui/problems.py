"""Everything that can go wrong for a person, each with a text that says what to do."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kilohear.errors import (
    AudioError,
    BackendError,
    BundleError,
    DiskFull,
    ExtraError,
    KilohearError,
    MicrophoneBusy,
    NoBundle,
    NoMicrophone,
    PermissionRefused,
    RateError,
    SourceLost,
)
from kilohear.events import Cause, Fault
from kilohear.files import is_full

Kind = Literal[
    "no_permission",
    "microphone_busy",
    "microphone_silent",
    "microphone_lost",
    "no_microphone",
    "no_bundle",
    "wrong_bundle",
    "wrong_runtime",
    "no_runtime",
    "rate_too_low",
    "disk_full",
    "charging",
    "battery_low",
    "too_hot",
    "settings_broken",
    "service_gone",
    "recording",
    "other",
]


class ServiceGone(KilohearError):  # noqa: N818
    """The service that listens has ended by itself, or can't be started."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """What went wrong.

    Attributes
    ----------
    kind
        Picks the texts `problems.KIND.title` and `problems.KIND.what_to_do`.
    detail
        The error's own words, for whoever reports it.
    """

    kind: Kind
    detail: str


_KINDS: dict[str, Kind] = {
    PermissionRefused.__name__: "no_permission",
    MicrophoneBusy.__name__: "microphone_busy",
    SourceLost.__name__: "microphone_lost",
    NoMicrophone.__name__: "no_microphone",
    AudioError.__name__: "recording",
    NoBundle.__name__: "no_bundle",
    BundleError.__name__: "wrong_bundle",
    BackendError.__name__: "wrong_runtime",
    ExtraError.__name__: "no_runtime",
    RateError.__name__: "rate_too_low",
    DiskFull.__name__: "disk_full",
    ServiceGone.__name__: "service_gone",
    "Charging": "charging",
    "BatteryLow": "battery_low",
    "TooHot": "too_hot",
}
"""By an error's class; the profile's are named: its module isn't needed for this."""

_CAUSES: dict[Cause, Kind] = {
    "permission": "no_permission",
    "busy": "microphone_busy",
    "silent": "microphone_silent",
    "lost": "microphone_lost",
}


def problem_of(error: BaseException | Fault) -> Problem:
    """Return the problem that an error, or what a listener reports, is to a person."""
    if isinstance(error, Fault):
        return Problem(_CAUSES[error.cause], error.reason)
    detail = str(error) or type(error).__name__
    if isinstance(error, OSError) and is_full(error):
        return Problem("disk_full", detail)
    for kind in type(error).__mro__:
        if kind.__name__ in _KINDS:
            return Problem(_KINDS[kind.__name__], detail)
    return Problem("other", detail)
