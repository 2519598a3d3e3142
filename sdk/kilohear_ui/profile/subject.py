"""The subject: one file of one bundle, in the runtime that this system runs it in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilohear.backends import available
from kilohear.bundle import CARD_NAME, Bundle, Card, Export
from kilohear.errors import BundleError
from kilohear.files import sha256_of
from kilohear_ui.profile.config import ProfileConfig

_PRECISIONS = {"coreml": "float16", "c": "int8"}


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured."""

    bundle: Bundle
    export: Export

    @property
    def name(self) -> str:
        """Bundle, runtime and precision, as the bench names it."""
        return f"{self.bundle.card.name} {self.export.runtime} {self.export.precision}"

    @property
    def card(self) -> Card:
        """The bundle's card."""
        return self.bundle.card

    @property
    def card_sha256(self) -> str:
        """Of the card's file."""
        return sha256_of(self.bundle.path / CARD_NAME)

    @property
    def file_bytes(self) -> int:
        """The size on disk of the file, or of all files of a folder."""
        path = self.bundle.path / self.export.file
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    def window(self) -> NDArray[np.float32]:
        """Return a window of quiet noise (samples,), always the same: the bench's."""
        noise = np.random.default_rng(0).standard_normal(self.card.samples)
        return (0.1 * noise).astype(np.float32)


def subjects_of(config: ProfileConfig) -> list[Subject]:
    """Return what a profile measures, in the order of its bundles.

    Raises
    ------
    BundleError
        Where a bundle can't be used, or has no file for a runtime of this system.
    """
    subjects = []
    for name in config.bundles:
        bundle = Bundle.load(name)
        held = _held(bundle, config.runtimes or available())
        if not held:
            wanted = " or ".join(config.runtimes or available()) or "any runtime of this system"
            raise BundleError(f"{bundle.card.name}: no file for {wanted}; choose another bundle")
        subjects += held if config.runtimes else held[:1]
    return subjects


def _held(bundle: Bundle, runtimes: Sequence[str]) -> list[Subject]:
    """Return a file a runtime, in its usual precision."""
    files = {(export.runtime, export.precision): export for export in bundle.card.exports}
    wanted = [(runtime, _PRECISIONS.get(runtime, "float32")) for runtime in runtimes]
    return [Subject(bundle, files[key]) for key in wanted if key in files]
