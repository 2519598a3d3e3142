"""A data set: labelled clips in folds, whatever its layout on disk."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from pathlib import Path
from typing import Literal

from kilohear.errors import DataError


@dataclasses.dataclass(frozen=True)
class Clip:
    """One recording. Clips of one `source` were cut from the same original.

    `device` is the recorder, where a data set has several.
    """

    path: Path
    label: str
    fold: int
    source: str
    device: str = ""


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
    window_s
        Length of a clip, seconds.
    metric
        The score that is quoted: macro F1 where classes are unbalanced.
    official
        (test fold, validation fold) where the data set has one split of its own; None: each fold
        is tested in turn and validates the one before it.
    """

    name: str
    licence: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    window_s: float = 5.0
    metric: Literal["macro_accuracy", "macro_f1"] = "macro_accuracy"
    official: tuple[int, int] | None = None

    @property
    def folds(self) -> tuple[int, ...]:
        """The fold numbers, ascending."""
        return tuple(sorted({clip.fold for clip in self.clips}))

    def targets(self) -> list[int]:
        """The class index of every clip."""
        index = {label: i for i, label in enumerate(self.labels)}
        return [index[clip.label] for clip in self.clips]

    @property
    def folds_to_test(self) -> tuple[int, ...]:
        """The folds that are tested in turn."""
        return self.folds if self.official is None else self.official[:1]

    def validation_fold(self, test_fold: int) -> int:
        """Return the fold on which settings are chosen when `test_fold` is tested."""
        if self.official is not None:
            return self.official[1]
        folds = self.folds
        return folds[(folds.index(test_fold) + 1) % len(folds)]

    def never_trained_on(self, test_fold: int | None) -> tuple[int, ...]:
        """Return the folds that stay out of training beside `test_fold`."""
        if self.official is None or test_fold is None:
            return ()
        return tuple(fold for fold in self.official if fold != test_fold)

    def split(
        self, test_fold: int | None, left_out: tuple[int, ...] = ()
    ) -> tuple[list[int], list[int]]:
        """Return clip indices (training, test); without a test fold all clips train.

        Parameters
        ----------
        left_out
            Folds that are in neither part.

        Raises
        ------
        DataError
            Where a fold doesn't exist, a source stands in both parts, or a class has no clip to
            train on.
        """
        for fold in left_out if test_fold is None else (test_fold, *left_out):
            if fold not in self.folds:
                raise DataError(f"{self.name}: no fold {fold}; the folds are {self.folds}")
        kept = {test_fold, *left_out}
        training = [i for i, clip in enumerate(self.clips) if clip.fold not in kept]
        test = [i for i, clip in enumerate(self.clips) if clip.fold == test_fold]
        crossing = {self.clips[i].source for i in training} & {self.clips[i].source for i in test}
        if crossing:
            raise DataError(
                f"{self.name}: source {min(crossing)!r} has clips in fold {test_fold} and in "
                "others; give all clips of a source one fold"
            )
        unheard = sorted(set(self.labels) - {self.clips[i].label for i in training})
        if unheard:
            where = f"outside fold {', '.join(str(fold) for fold in sorted(kept - {None}))}"
            raise DataError(
                f"{self.name}: class {unheard[0]!r} has no clips {where} to train on "
                f"({len(unheard)} such classes); add clips, or take a part of the classes "
                "(NAME:class,class)"
            )
        return training, test

    def fingerprint(self) -> str:
        """A hash of names, labels, folds and file sizes: changes when the data change."""
        digest = hashlib.sha256()
        for clip in self.clips:
            row = f"{clip.path.name},{clip.label},{clip.fold},{clip.source},"
            digest.update(f"{row}{clip.path.stat().st_size}\n".encode())
        return digest.hexdigest()[:16]


def read_rows(path: Path, columns: tuple[str, ...], delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV that must have `columns`; raises DataError naming what is wrong."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
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
    listed = folder / filename
    for path in (listed, listed.with_suffix(".flac"), listed.with_suffix(".wav")):
        if path.is_file():
            return path
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
