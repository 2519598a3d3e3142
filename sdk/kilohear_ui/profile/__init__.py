"""Profile: the bench's protocol, run by the app on the phone itself.

    config -> plan -> runner (a thread) -> a file a step -> a zip to share, a table to read

Each file is one that the bench reads: `kilohear bench --device app:FILE.zip`. Knows nothing of
Kivy. No phone has run it yet: it is tested against a battery, a clock and students by script.
"""

from __future__ import annotations

from kilohear.errors import KilohearError


class Charging(KilohearError):  # noqa: N818 - a state, as SourceLost
    """Something feeds the device, so its battery's current says nothing of what it draws."""


class BatteryLow(KilohearError):  # noqa: N818 - a state, as SourceLost
    """The battery is too low to begin, or to go on."""


class TooHot(KilohearError):  # noqa: N818 - a state, as SourceLost
    """The device didn't cool down in time."""
