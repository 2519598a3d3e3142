"""The bundle: a model that never travels without its card, and a loader that refuses a mismatch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from kilohear.config import load_json, save_json, to_dict
from kilohear.errors import (
    BackendError,
    BundleError,
    ConfigError,
    DiskFull,
    ExtraError,
    KilohearError,
    NoBundle,
)
from kilohear.files import is_full, sha256_of
from kilohear.frontend import FrontEnd

if TYPE_CHECKING:
    from kilohear.classifier import Classifier

CARD_NAME = "card.json"
FORMAT = 1

MOST_BYTES = 2_000_000_000
"""Of a bundle: CNN14 in every runtime and precision has 1.1 GB."""

_MOST_CARD_BYTES = 1_000_000
_MOST_FILES = 1_000
_MOST_WINDOW_S = 600.0

Kind = Literal["measured", "simulated", "modelled", "published"]
Runtime = Literal["executorch", "onnx", "coreml", "c"]
Precision = Literal["float32", "float16", "int8"]

_ONLY: dict[str, Precision] = {"coreml": "float16", "c": "int8"}
"""Runtimes whose files come in one precision."""


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
class Identity:
    """What a model is, whatever files it comes in: all of a card that no file changes.

    A file that names the card it belongs to can't hold the card's hash, as the card holds the
    file's; it holds this one's.
    """

    name: str
    version: str
    network: str
    window_s: float
    hop_s: float
    front_end: FrontEnd
    labels: tuple[str, ...]
    training: Training

    @staticmethod
    def of(whole: Any) -> Identity:
        """Return the identity of a card, or of anything else that has all of these attributes."""
        names = [field.name for field in dataclasses.fields(Identity)]
        return Identity(**{name: getattr(whole, name) for name in names})

    @property
    def sha256(self) -> bytes:
        """SHA-256 of all fields as JSON, keys in order and without spaces."""
        text = json.dumps(to_dict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()


@dataclasses.dataclass(frozen=True)
class Card:
    """What a model is, what it expects, how well it does and where it comes from.

    `parameters` and `macs` (multiply-accumulates for one window) count the network;
    `macs_front_end` counts the DFT and the mel bank inside the exported graph.
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
        for text in (self.name, *self.labels):
            if not (text and text.isprintable()):
                raise ConfigError(f"card: {text!r} is no name that can be shown; use plain text")
        if not 0 < self.hop_s <= self.window_s <= _MOST_WINDOW_S:
            raise ConfigError(
                f"card: hop_s is {self.hop_s} and window_s {self.window_s}; give 0 < hop_s <= "
                f"window_s <= {_MOST_WINDOW_S:g}"
            )
        if round(self.hop_s * self.rate_hz) < 1:
            raise ConfigError(
                f"card: hop_s is {self.hop_s}, under one sample at {self.rate_hz:,} Hz"
            )

    @property
    def identity(self) -> Identity:
        """What of the card no file changes."""
        return Identity.of(self)

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
        if path.is_file():
            path = _unpack(path)
        card = read_card(path)
        for name in (*card.sha256, *(export.file for export in card.exports)):
            if not _is_inside(name):
                raise BundleError(f"{path}: the card names a file outside the bundle: {name!r}")
        try:
            for export in card.exports:
                _require_hashes(path, export.file, card.sha256)
            for name, expected in card.sha256.items():
                _require_hash(path, name, expected)
        except OSError as error:
            raise BundleError(
                f"{path}: can't be read ({error.strerror}); check its permissions"
            ) from None
        return Bundle(path, card)

    def export(self, runtime: Runtime | str, precision: Precision = "float32") -> Export:
        """Return the entry for a runtime and precision; raises BundleError naming what there is."""
        for export in self.card.exports:
            if (export.runtime, export.precision) == (runtime, precision):
                return export
        there = ", ".join(f"{e.runtime} {e.precision}" for e in self.card.exports) or "none"
        raise BundleError(
            f"{self.card.name}: no {runtime} file in {precision}; the bundle holds {there}"
        )

    def open(
        self,
        runtime: Literal["auto", "executorch", "onnx", "coreml", "c"] | str = "auto",
        precision: Precision | None = None,
        threads: int = 1,
    ) -> Classifier:
        """Load the bundle's file into a runtime.

        Parameters
        ----------
        runtime
            `auto`: ExecuTorch where it is installed and the bundle has a file for it, else Core ML
            on a Mac, else ONNX Runtime; on an iPhone Core ML. `Classifier.runtime` says which it
            is. `c`: the board's integers, in numpy.
        precision
            Of the weights: `float32`, `float16` or `int8`; None: `float32`, but `float16` for Core
            ML and `int8` for `c`, whose files have no other.
        threads
            Threads that one inference may use.

        Raises
        ------
        BundleError
            Where the bundle holds no such file.
        BackendError, ExtraError
            Where the runtime is unknown, isn't installed or refuses the file.
        """
        from kilohear.backends import (  # here: classifier and backends import us
            PACKAGES,
            open_backend,
        )
        from kilohear.classifier import Classifier

        if runtime == "auto":
            runtime = self._preferred(precision)
        export = self.export(runtime, precision or _usual(runtime))
        try:
            backend = open_backend(runtime, self.path / export.file, threads)
        except BackendError as error:
            made_for = self.card.versions.get(PACKAGES.get(runtime, ""))
            if made_for is None:
                raise
            raise BackendError(
                f"{error}; the bundle was made with {PACKAGES[runtime]} {made_for}"
            ) from None
        return Classifier(self, backend)

    def _preferred(self, precision: Precision | None) -> str:
        from kilohear.backends import available

        installed = available()
        if not installed:
            raise ExtraError("no runtime is installed; run: pip install 'kilohear[onnx]'")
        held = {
            e.runtime for e in self.card.exports if e.precision == (precision or _usual(e.runtime))
        }
        return next((runtime for runtime in installed if runtime in held), installed[0])

    def require_rate(self, rate_hz: int) -> None:
        """Refuse a waveform at another rate than the card's; raises BundleError naming both."""
        if rate_hz != self.card.rate_hz:
            raise BundleError(
                f"{self.card.name} takes {self.card.rate_hz:,} Hz, the waveform is at "
                f"{rate_hz:,} Hz; resample with kilohear.Decimator or choose another bundle"
            )


def _usual(runtime: Runtime | str) -> Precision:
    """Return the precision of a runtime's files where none is asked for."""
    return _ONLY.get(runtime, "float32")


def shipped() -> dict[str, Path]:
    """Return the bundles that ship with the package: name to folder, in name order."""
    root = Path(__file__).parent / "bundles"
    return {card.parent.name: card.parent for card in sorted(root.glob(f"*/{CARD_NAME}"))}


def trimmed(
    bundle: Bundle, runtime: Runtime, folder: Path, precision: Precision | None = None
) -> Bundle:
    """Write the bundle into a new folder with the file of one runtime only.

    An app carries what its phone runs; the card names every file by its hash, so it is trimmed too.

    Parameters
    ----------
    bundle
        The whole one.
    runtime, precision
        Of the file that is kept; precision None: `float32`, but the only one of Core ML and `c`.
    folder
        Where it is made; must not be there yet.

    Raises
    ------
    BundleError
        Where the bundle has no such file, or the folder is there already.
    DiskFull, KilohearError
        Where the folder can't be written; nothing is left there then.
    """
    export = bundle.export(runtime, precision or _usual(runtime))
    if folder.exists():
        raise BundleError(f"{folder}: is there already; remove it or choose another folder")
    card = trimmed_card(bundle.card, export)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise KilohearError(
            f"{folder.parent}: can't write here ({error.strerror}); choose another folder"
        ) from None
    try:
        for name in card.sha256:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, temporary / name)
        write_card(temporary, card)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        kind = DiskFull if is_full(error) else KilohearError
        raise kind(
            f"{folder}: can't be written ({error.strerror}); free some space and run again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle.load(folder)


def trimmed_card(card: Card, export: Export) -> Card:
    """Return the card of the bundle that holds one of the files only; see `trimmed`."""
    kept = {name: card.sha256[name] for name in _files_of(export.file, card.sha256)}
    return dataclasses.replace(card, exports=(export,), sha256=kept)


def read_card(path: Path) -> Card:
    """Read the card of the bundle folder at `path`; the other files are not looked at."""
    try:
        file = _file_of(path, CARD_NAME)
        if file is None:
            raise BundleError(f"{path}: no {CARD_NAME} here; a bundle is a folder with a card")
        if file.stat().st_size > _MOST_CARD_BYTES:
            raise BundleError(
                f"{path}: {CARD_NAME} has {file.stat().st_size:,} bytes, a card has at most "
                f"{_MOST_CARD_BYTES:,}; restore or export the bundle"
            )
        return load_json(Card, file)
    except OSError as error:
        raise BundleError(
            f"{path}: {CARD_NAME} can't be read ({error.strerror}); check the permissions"
        ) from None


def write_card(path: Path, card: Card) -> None:
    """Write the card into the bundle folder, last and atomically: with it the bundle is whole."""
    save_json(card, path / CARD_NAME)


def _is_inside(name: str) -> bool:
    """Whether a name from a card or an archive stays in its folder, on any system."""
    path = PurePosixPath(name)
    is_plain = bool(path.parts) and ".." not in path.parts and not path.is_absolute()
    return is_plain and name.isprintable() and not set(name) & set("\\:")


def _file_of(path: Path, name: str) -> Path | None:
    """Return a file of the bundle at `path`; None where it is missing.

    Raises
    ------
    BundleError
        Where a symbolic link stands in the way: it may lead out of the bundle.
    """
    file = path
    for part in PurePosixPath(name).parts:
        file /= part
        if file.is_symlink():
            raise BundleError(
                f"{path}: {name} is or lies behind a symbolic link; a bundle holds its own files: "
                "copy the file there"
            )
    return file if file.is_file() else None


def _require_hash(path: Path, name: str, expected: str) -> None:
    file = _file_of(path, name)
    if file is None:
        raise BundleError(
            f"{path}: {name} is missing, the card lists it; restore or export the bundle"
        )
    if file.stat().st_size > MOST_BYTES:
        raise BundleError(
            f"{path}: {name} has {file.stat().st_size:,} bytes, more than the "
            f"{MOST_BYTES:,} that a bundle may have; restore or export the bundle"
        )
    actual = sha256_of(file)
    if actual != expected:
        raise BundleError(
            f"{path}: {name} has SHA-256 {actual[:16]}..., the card says "
            f"{expected[:16]}...; the file has changed: restore or export the bundle"
        )


def _files_of(export_file: str, sha256: dict[str, str]) -> list[str]:
    """Return the names, of those with a hash, of an export's file or of all in its folder."""
    return [name for name in sha256 if name == export_file or name.startswith(f"{export_file}/")]


def _require_hashes(path: Path, export_file: str, sha256: dict[str, str]) -> None:
    """Refuse an export of which any file has no hash; a missing file is found by its hash."""
    there = {f.relative_to(path).as_posix() for f in (path / export_file).rglob("*") if f.is_file()}
    hashed = set(_files_of(export_file, sha256))
    unhashed = sorted(there - hashed) or ([] if hashed else [export_file])
    if unhashed:
        raise BundleError(
            f"{path}: the card holds no hash of {unhashed[0]}; restore or export the bundle"
        )


def _find(bundle: str | Path) -> Path:
    path = Path(bundle)
    if path.exists():
        return path
    there = shipped()
    if str(bundle) in there:
        return there[str(bundle)]
    names = ", ".join(there) or "none"
    raise NoBundle(f"no bundle at {bundle}, and none of that name ships; shipped are: {names}")


def _unpack(archive: Path) -> Path:
    """Unpack beside the archive into a folder named by its hash, once and whole or not at all."""
    target = archive.with_name(f".{archive.stem}-{sha256_of(archive)[:16]}")
    if target.is_dir():
        return target
    try:
        made = tempfile.mkdtemp(dir=archive.parent, prefix=f"{target.name}.", suffix=".tmp")
    except OSError as error:
        raise BundleError(
            f"{archive}: can't unpack beside it ({error.strerror}); "
            "unpack it elsewhere and give the folder"
        ) from None
    temporary = Path(made)
    try:
        _extract(archive, temporary)
        cards = [temporary / CARD_NAME, *temporary.glob(f"*/{CARD_NAME}")]
        roots = [card.parent for card in cards if card.is_file()]
        if len(roots) != 1:
            raise BundleError(f"{archive}: holds {len(roots)} cards; a bundle's zip holds one")
        roots[0].chmod(0o755)
        try:
            os.rename(roots[0], target)
        except OSError:
            if not target.is_dir():  # else another process has just unpacked the same
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _extract(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            _refuse_strange_entries(archive, file.infolist())
            file.extractall(folder)  # no entry gives more bytes than it claims
    except KilohearError:
        raise
    except OSError as error:
        raise BundleError(f"{archive}: can't be unpacked ({error}); free space and retry") from None
    except Exception as error:  # a damaged archive raises almost anything
        raise BundleError(
            f"{archive}: not a readable zip file ({error}); give a bundle's folder or zip"
        ) from None


def _refuse_strange_entries(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse, before anything is unpacked, what reaches outside or takes all of the disk."""
    for entry in entries:
        if not _is_inside(entry.filename):
            raise BundleError(f"{archive}: holds a file outside the bundle: {entry.filename!r}")
        if stat.S_ISLNK(entry.external_attr >> 16):  # the upper half is Unix's file mode
            raise BundleError(
                f"{archive}: {entry.filename} is a symbolic link; a bundle holds its own files"
            )
    claimed = sum(entry.file_size for entry in entries)
    if claimed > MOST_BYTES or len(entries) > _MOST_FILES:
        raise BundleError(
            f"{archive}: claims {claimed:,} bytes in {len(entries):,} files, a bundle has at most "
            f"{MOST_BYTES:,} in {_MOST_FILES:,}; give a bundle's zip"
        )
