"""The subject: one file of one bundle, in the runtime that it is for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kilohear.bundle import CARD_NAME, Bundle, Export, Precision, shipped
from kilohear.errors import BundleError
from kilohear.files import sha256_of
from kilohear_bench.config import BenchConfig


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured."""

    bundle: Bundle
    export: Export

    @property
    def name(self) -> str:
        """Bundle, runtime and precision: unique in a run."""
        return f"{self.bundle.card.name} {self.export.runtime} {self.export.precision}"

    @property
    def file_bytes(self) -> int:
        """The size on disk of the file, or of all files of a folder."""
        path = self.bundle.path / self.export.file
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    def describe(self) -> Tested:
        """Return what a report says about the subject; no path is in it."""
        card = self.bundle.card
        return Tested(
            name=self.name,
            bundle=card.name,
            version=card.version,
            card_sha256=sha256_of(self.bundle.path / CARD_NAME),
            trained_on=card.training.dataset,
            shipped_fit=card.training.shipped_fit,
            rate_hz=card.rate_hz,
            window_s=card.window_s,
            runtime=self.export.runtime,
            precision=self.export.precision,
        )


@dataclasses.dataclass(frozen=True)
class Tested:
    """A subject as plain data, as a result file keeps it."""

    name: str
    bundle: str
    version: str
    card_sha256: str
    trained_on: str
    shipped_fit: str
    rate_hz: int
    window_s: float
    runtime: str
    precision: Precision


def load_bundles(names: Sequence[str | Path]) -> list[Bundle]:
    """Load and verify bundles by name or path; without names all that ship, lowest rate first.

    Raises
    ------
    BundleError
        Where there is none, one can't be used, or two have the same name.
    """
    if not names and not shipped():
        raise BundleError("no bundle ships with this installation; give --bundle a path")
    bundles = [Bundle.load(name) for name in names or shipped().values()]
    if not names:
        bundles.sort(key=lambda bundle: (bundle.card.training.dataset, bundle.card.rate_hz))
    seen = [bundle.card.name for bundle in bundles]
    twice = sorted({name for name in seen if seen.count(name) > 1})
    if twice:
        raise BundleError(
            f"two bundles are named {twice[0]!r}, a report couldn't tell them apart; give one"
        )
    return bundles


def subjects_of(bundles: Sequence[Bundle], runtimes: Sequence[str]) -> list[Subject]:
    """Return every file of the bundles that one of the runtimes can run.

    Raises
    ------
    BundleError
        Where a bundle holds no file for any of them.
    """
    subjects = []
    for bundle in bundles:
        held = [Subject(bundle, e) for e in bundle.card.exports if e.runtime in runtimes]
        if not held:
            there = ", ".join(sorted({e.runtime for e in bundle.card.exports})) or "none"
            raise BundleError(
                f"{bundle.card.name}: no file for {' or '.join(runtimes) or 'any runtime'}; "
                f"the bundle holds files for: {there}"
            )
        subjects += held
    return subjects


def subjects_at(config: BenchConfig, runtimes: Sequence[str], device: str) -> list[Subject]:
    """Return the files of a run's bundles that a device's runtimes can run, at the run's rates.

    Raises
    ------
    BundleError
        As `load_bundles` and `subjects_of`, or where no bundle has one of the rates.
    """
    subjects = subjects_of(load_bundles(config.bundles), runtimes)
    wanted = config.rates_hz
    held = [s for s in subjects if not wanted or s.bundle.card.rate_hz in wanted]
    if not held:
        there = sorted({s.bundle.card.rate_hz for s in subjects})
        raise BundleError(
            f"{device}: no bundle listens at {' or '.join(f'{r:,}' for r in wanted)} Hz; there are "
            f"bundles at {', '.join(f'{r:,}' for r in there)} Hz: choose another rate, or give "
            "--bundle one of that rate"
        )
    return held
