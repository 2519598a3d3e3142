"""The bundle: a model that never travels without its card, and a loader that refuses a mismatch."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from kilohear.config import load_json, save_json
from kilohear.errors import BundleError, ConfigError
from kilohear.files import sha256_of
from kilohear.frontend import FrontEnd

CARD_NAME = "card.json"
FORMAT = 1

Kind = Literal["measured", "simulated", "modelled", "published"]
Runtime = Literal["executorch", "onnx", "coreml"]
Precision = Literal["float32", "float16", "int8"]


@dataclasses.dataclass(frozen=True)
class Score:
    """A score of the method on a data set.

    `value` is the mean over `folds` (one score a fold, each by weights that never saw that
    fold's clips); `std` is their standard deviation (n - 1).
    """

    metric: Literal["macro_accuracy", "macro_f1"]
    kind: Kind
    dataset: str
    value: float
    std: float
    folds: tuple[float, ...]
    note: str


@dataclasses.dataclass(frozen=True)
class Parity:
    """How an exported file agrees with the torch model it was made from.

    `executed_by` names the runtime and version that ran the file.
    """

    clips: int
    clips_from: str
    top1_agreement: float
    probability_error_max: float
    probability_error_mean: float
    executed_by: str


@dataclasses.dataclass(frozen=True)
class Export:
    """One file (for Core ML one folder) of the bundle, for one runtime.

    `score` is the file's own score where that was measured; `None`: not measured.
    """

    file: str
    runtime: Runtime
    precision: Precision
    bytes: int
    parity: Parity
    score: Score | None = None


@dataclasses.dataclass(frozen=True)
class Training:
    """Where the weights come from."""

    dataset: str
    licence: str
    clips: int
    method: str
    teacher: str
    initial_weights: str
    shipped_fit: str
    seed: int
    config: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Card:
    """What a model is, what it expects, how well it does and where it comes from.

    `parameters` and `macs` (multiply-accumulates for one window) count the network; `macs_front_end`
    counts the DFT and the mel bank inside the exported graph.
    """

    format: int
    name: str
    version: str
    network: str
    rate_hz: int
    window_s: float
    hop_s: float
    front_end: FrontEnd
    labels: tuple[str, ...]
    parameters: int
    macs: int
    macs_front_end: int
    training: Training
    scores: tuple[Score, ...]
    exports: tuple[Export, ...]
    versions: dict[str, str]
    sha256: dict[str, str]

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ConfigError(
                f"card: format is {self.format}, this kilohear reads {FORMAT}; "
                "install a kilohear that matches the bundle"
            )
        if self.front_end.rate_hz != self.rate_hz:
            raise ConfigError(
                f"card: rate_hz is {self.rate_hz}, its front end's is {self.front_end.rate_hz}; "
                "export the bundle again"
            )
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(f"card: labels must be two or more, all different: {self.labels}")
        if not 0 < self.hop_s <= self.window_s:
            raise ConfigError(
                f"card: hop_s is {self.hop_s}, outside 0 to window_s {self.window_s}"
            )

    @property
    def samples(self) -> int:
        """Samples of one window at `rate_hz`: the exported graphs take float32 (1, samples)."""
        return round(self.window_s * self.rate_hz)


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk; open it to classify."""

    path: Path
    card: Card

    @staticmethod
    def load(bundle: str | Path) -> Bundle:
        """Load and verify a bundle: a folder, a .zip of one, or the name of one that ships.

        Raises
        ------
        BundleError
            Where it is missing, a file is missing, or a file's SHA-256 isn't the card's.
        ConfigError
            Where the card holds an unknown key, a missing key or a wrong value.
        """
        path = _find(bundle)
        if path.suffix == ".zip":
            path = _unpack(path)
        card = read_card(path)
        for export in card.exports:
            if not any(_belongs(name, export.file) for name in card.sha256):
                raise BundleError(
                    f"{path}: the card names {export.file} but holds no hash of it; export again"
                )
        for name, expected in card.sha256.items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise BundleError(f"{path}: the card names a file outside the bundle: {name}")
            file = path / name
            if not file.is_file():
                raise BundleError(
                    f"{path}: {name} is missing, the card lists it; restore or export the bundle"
                )
            actual = sha256_of(file)
            if actual != expected:
                raise BundleError(
                    f"{path}: {name} has SHA-256 {actual[:16]}..., the card says "
                    f"{expected[:16]}...; the file has changed: restore or export the bundle"
                )
        return Bundle(path, card)

    def export(self, runtime: Runtime, precision: Precision = "float32") -> Export:
        """Return the entry for a runtime and precision; raises BundleError naming what there is."""
        for export in self.card.exports:
            if (export.runtime, export.precision) == (runtime, precision):
                return export
        there = ", ".join(f"{e.runtime} {e.precision}" for e in self.card.exports) or "none"
        raise BundleError(
            f"{self.card.name}: no {runtime} file in {precision}; the bundle holds {there}"
        )

    def require_rate(self, rate_hz: int) -> None:
        """Refuse a waveform at another rate than the card's; raises BundleError naming both."""
        if rate_hz != self.card.rate_hz:
            raise BundleError(
                f"{self.card.name} takes {self.card.rate_hz:,} Hz, the waveform is at "
                f"{rate_hz:,} Hz; resample with kilohear.Decimator or choose another bundle"
            )


def shipped() -> dict[str, Path]:
    """Return the bundles that ship with the package: name to folder, in name order."""
    root = Path(__file__).parent / "bundles"
    return {card.parent.name: card.parent for card in sorted(root.glob(f"*/{CARD_NAME}"))}


def read_card(path: Path) -> Card:
    """Read the card of the bundle folder at `path`; the other files are not looked at."""
    if not (path / CARD_NAME).is_file():
        raise BundleError(f"{path}: no {CARD_NAME} here; a bundle is a folder with a card")
    return load_json(Card, path / CARD_NAME)


def write_card(path: Path, card: Card) -> None:
    """Write the card into the bundle folder, last and atomically: with it the bundle is whole."""
    save_json(card, path / CARD_NAME)


def hash_files(path: Path, names: Iterator[str] | tuple[str, ...]) -> dict[str, str]:
    """Return SHA-256 by relative name for files, and for every file in folders, under `path`."""
    hashes = {}
    for name in names:
        target = path / name
        files = sorted(target.rglob("*")) if target.is_dir() else [target]
        for file in files:
            if file.is_file():
                hashes[file.relative_to(path).as_posix()] = sha256_of(file)
    return hashes


def _belongs(name: str, export_file: str) -> bool:
    return name == export_file or name.startswith(f"{export_file}/")


def _find(bundle: str | Path) -> Path:
    path = Path(bundle)
    if path.exists():
        return path
    there = shipped()
    if str(bundle) in there:
        return there[str(bundle)]
    names = ", ".join(there) or "none"
    raise BundleError(f"no bundle at {bundle}, and none of that name ships; shipped are: {names}")


def _unpack(archive: Path) -> Path:
    """Unpack beside the archive into a folder named by its hash, once."""
    target = archive.with_name(f".{archive.stem}-{sha256_of(archive)[:16]}")
    if not (target / CARD_NAME).is_file():
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(target)
        except zipfile.BadZipFile:
            raise BundleError(f"{archive}: not a zip file; give a bundle folder or zip") from None
    return target
