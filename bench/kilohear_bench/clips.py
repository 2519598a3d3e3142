"""Labelled clips to score on: ESC-50's layout, or a CSV `filename,category,fold`."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from kilohear.errors import DataError
from kilohear.files import data_root

NAMED = {
    "esc10": Path("esc50/meta/esc50.csv"),
    "esc50": Path("esc50/meta/esc50.csv"),
    "kitchen20": Path("kitchen20/kitchen20.csv"),
}


@dataclasses.dataclass(frozen=True)
class Clip:
    """A recording with its true label and its fold; `listed` is what its table calls it."""

    path: Path
    label: str
    fold: int
    listed: str = ""

    @property
    def name(self) -> str:
        """What results call it: unique in its table."""
        return self.listed or self.path.name


def read_clips(dataset: str) -> list[Clip]:
    """Read a data set's clips, by name (under `data_root`) or by the path of its CSV.

    Raises
    ------
    DataError
        Where the table, a column or a clip is missing, a clip is listed twice, or a fold is no
        number.
    """
    table = data_root() / NAMED[dataset] if dataset in NAMED else Path(dataset)
    if not table.is_file():
        raise DataError(
            f"{table}: no such table of clips; give the path of a CSV, or set KILOHEAR_DATA to "
            f"the folder that holds one of {', '.join(NAMED)}"
        )
    beside = table.parent.parent if table.parent.name == "meta" else table.parent
    folder = beside / "audio" if (beside / "audio").is_dir() else beside
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        clips = [
            Clip(
                _find(folder, row["filename"], table),
                row["category"],
                int(row["fold"]),
                row["filename"],
            )
            for row in rows
            if dataset != "esc10" or row["esc10"] == "True"
        ]
    except (KeyError, TypeError):
        raise DataError(f"{table}: a row lacks a column; it needs filename,category,fold") from None
    except ValueError as error:
        raise DataError(f"{table}: {error}; folds are whole numbers, the text UTF-8") from None
    for name, times in Counter(clip.name for clip in clips).items():
        if times > 1:
            raise DataError(f"{table}: lists {name} {times} times; keep one of the rows")
    return clips


def spread(clips: Sequence[Clip], most: int | None) -> list[Clip]:
    """Return at most `most` clips (None: all), spread over the classes, in the order of `clips`.

    As many of each class as there are, one more of some; within a class they are drawn from one
    seed, so the same are drawn again, and fewer are a part of more.
    """
    if most is None:
        return list(clips)
    classes = {label: [c for c in clips if c.label == label] for label in {c.label for c in clips}}
    drawn = (
        [members[i] for i in np.random.default_rng(0).permutation(len(members))]
        for _, members in sorted(classes.items())
    )
    turns = [clip for turn in zip_longest(*drawn) for clip in turn if clip is not None]
    kept = set(turns[:most])
    return [clip for clip in clips if clip in kept]


def _find(folder: Path, filename: str, table: Path) -> Path:
    listed = folder / filename
    for path in (listed, listed.with_suffix(".flac"), listed.with_suffix(".wav")):
        if path.is_file():
            return path
    raise DataError(f"{listed}: no such clip, but {table} lists it; add it or remove its row")
