"""What a person chose, kept in `settings.json`; a broken file is put aside, not lost."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Literal

from kilohear.capture.feed import Duty
from kilohear.config import load_json, save_json
from kilohear.errors import ConfigError
from kilohear.events import Detection

Language = Literal["system", "en", "de"]
Look = Literal["system", "light", "dark"]

TEXT_SCALES = (0.85, 1.0, 1.3, 1.6, 2.0)
"""What a person can choose; the last is the largest that Android offers."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that the Settings screen and the pickers of Listen change.

    Attributes
    ----------
    bundle
        A shipped bundle's name, or a bundle's path.
    duty
        When to listen; None: always.
    gate_db
        Quieter windows need no inference, dB of full scale; None: all are looked at.
    detection
        Thresholds and smoothing.
    hidden
        Labels that the screens leave out; they are logged all the same.
    language, look
        Of the screens.
    text_scale
        Multiplies the system's own; one of `TEXT_SCALES`.
    """

    bundle: str = "esc10-1khz"
    duty: Duty | None = None
    gate_db: float | None = None
    detection: Detection = dataclasses.field(default_factory=Detection)
    hidden: tuple[str, ...] = ()
    language: Language = "system"
    look: Look = "system"
    text_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.text_scale not in TEXT_SCALES:
            scales = ", ".join(f"{scale:g}" for scale in TEXT_SCALES)
            raise ConfigError(f"settings: text_scale is {self.text_scale}; give one of {scales}")
        if self.gate_db is not None and not -120 <= self.gate_db <= 0:
            raise ConfigError(f"settings: gate_db is {self.gate_db}; give -120 to 0")


def load_settings(path: Path) -> tuple[Settings, ConfigError | None]:
    """Return the settings kept at `path`, or the defaults and why it couldn't be read.

    A file that isn't right is renamed to `settings.json.broken`.
    """
    if not path.exists():
        return Settings(), None
    try:
        return load_json(Settings, path), None
    except ConfigError as error:
        os.replace(path, path.with_name(f"{path.name}.broken"))
        return Settings(), error


def save_settings(settings: Settings, path: Path) -> None:
    """Write the settings to `path`, atomically."""
    save_json(settings, path)
