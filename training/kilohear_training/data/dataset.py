"""A data set: labelled clips in folds, whatever its layout on disk."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from pathlib import Path

from kilohear.errors import DataError


@dataclasses.dataclass(frozen=True)
class Clip:
    """One recording. Clips of one `source` were cut from the same original."""

    path: Path
    label: str
    fold: int
    source: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled clips in folds.

    Attributes
    ----------
    name, licence
        As they appear in results and cards.
    labels
        The classes, in the order of the network's outputs.
    clips
        Every clip, in a fixed order.
    """

    name: str
    licence: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]

    @property
    def folds(self) -> tuple[int, ...]:
        """The fold numbers, ascending."""
        return tuple(sorted({clip.fold for clip in self.clips}))

    def targets(self) -> list[int]:
        """The class index of every clip."""
        index = {label: i for i, label in enumerate(self.labels)}
        return [index[clip.label] for clip in self.clips]

    def split(self, test_fold: int | None) -> tuple[list[int], list[int]]:
        """Return clip indices (training, test); without a test fold all clips train.

        Raises
        ------
        DataError
            Where the fold doesn't exist, or a source stands in both parts.
        """
        if test_fold is None:
            return list(range(len(self.clips))), []
        if test_fold not in self.folds:
            raise DataError(f"{self.name}: no fold {test_fold}; the folds are {self.folds}")
        training = [i for i, clip in enumerate(self.clips) if clip.fold != test_fold]
        test = [i for i, clip in enumerate(self.clips) if clip.fold == test_fold]
        crossing = {self.clips[i].source for i in training} & {self.clips[i].source for i in test}
        if crossing:
            raise DataError(
                f"{self.name}: source {min(crossing)!r} has clips in fold {test_fold} and in "
                "others; give all clips of a source one fold"
            )
        return training, test

    def fingerprint(self) -> str:
        """A hash of names, labels, folds and file sizes: changes when the data change."""
        digest = hashlib.sha256()
        for clip in self.clips:
            row = f"{clip.path.name},{clip.label},{clip.fold},{clip.source},"
            digest.update(f"{row}{clip.path.stat().st_size}\n".encode())
        return digest.hexdigest()[:16]


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV that must have `columns`; raises DataError naming what is wrong."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: no column {missing[0]!r}; the first line must name "
                    f"{','.join(columns)}"
                )
            rows = list(reader)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the data folder") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file; give a CSV in UTF-8") from None
    if not rows:
        raise DataError(f"{path}: no rows; a data set needs clips")
    return rows


def find_clip(folder: Path, filename: str, listed_in: Path) -> Path:
    """Return the clip's path, as listed or as .flac or .wav of the same stem.

    Raises
    ------
    DataError
        Where no such clip is there.
    """
    for name in (filename, f"{Path(filename).stem}.flac", f"{Path(filename).stem}.wav"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{folder / filename}: no such clip, but {listed_in} lists it; "
        "add the file or remove its row"
    )


def read_fold(row: dict[str, str], path: Path) -> int:
    """Return the row's fold; raises DataError where it isn't a number."""
    try:
        return int(row["fold"])
    except ValueError:
        raise DataError(
            f"{path}: fold of {row['filename']} is {row['fold']!r}; give a whole number"
        ) from None


def order_labels(
    names: set[str], labels: tuple[str, ...] | None, listed_in: Path
) -> tuple[str, ...]:
    """Return `labels`, or the names in alphabetical order; refuses a name not in `labels`."""
    unknown = sorted(names - set(labels)) if labels else []
    if unknown:
        raise DataError(
            f"{listed_in}: unknown class {unknown[0]!r}; the classes are {', '.join(labels or ())}"
        )
    return labels or tuple(sorted(names))
