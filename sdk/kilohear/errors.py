"""Errors a caller can act on: each message gives the cause, the value and the next step."""


class KilohearError(Exception):
    """Base of every error kilohear raises on purpose."""


class ConfigError(KilohearError):
    """A configuration or a card holds an unknown key, a missing key or a wrong value."""


class AudioError(KilohearError):
    """A recording or a stream can't be used: unreadable, empty, truncated or not finite."""


class SourceLost(AudioError):  # noqa: N818
    """A live source is gone, for now: unplugged, taken by a call, the link broken."""


class PermissionRefused(SourceLost):
    """The system doesn't let this app hear the microphone."""


class MicrophoneBusy(SourceLost):
    """A call or another app has the microphone."""


class NoMicrophone(AudioError):  # noqa: N818
    """No microphone is there, or none of that name, or nothing that could reach one."""


class RateError(KilohearError):
    """A sampling rate doesn't fit: too low for the student, or not the card's."""


class BundleError(KilohearError):
    """A bundle is missing, incomplete, or its files don't match its card."""


class NoBundle(BundleError):  # noqa: N818
    """No bundle lies there, and none of that name ships."""


class BackendError(KilohearError):
    """A runtime isn't installed or refuses a model file."""


class DataError(KilohearError):
    """A data set is missing, incomplete or inconsistent."""


class ExtraError(KilohearError):
    """An optional package isn't installed; the message names the extra that brings it."""


class ExportError(KilohearError):
    """A student can't be exported, or an exported file doesn't agree with it."""


class DiskFull(KilohearError):  # noqa: N818
    """No space is left for a file; what was there before is as it was."""
