"""Labelled clips to score on: ESC-50's layout, or a CSV `filename,category,fold`."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

from kilohear.errors import DataError
from kilohear.files import data_root

NAMED = {
    "esc10": Path("esc50/meta/esc50.csv"),
    "esc50": Path("esc50/meta/esc50.csv"),
    "kitchen20": Path("kitchen20/kitchen20.csv"),
}


@dataclasses.dataclass(frozen=True)
class Clip:
    """A recording with its true label and its fold."""

    path: Path
    label: str
    fold: int


def read_clips(dataset: str) -> list[Clip]:
    """Read a data set's clips, by name (under `data_root`) or by the path of its CSV.

    Raises
    ------
    DataError
        Where the table, a column or a clip is missing, or a fold is no number.
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
        return [
            Clip(_find(folder, row["filename"], table), row["category"], int(row["fold"]))
            for row in rows
            if dataset != "esc10" or row["esc10"] == "True"
        ]
    except (KeyError, TypeError):
        raise DataError(f"{table}: a row lacks a column; it needs filename,category,fold") from None
    except ValueError as error:
        raise DataError(f"{table}: {error}; folds are whole numbers, the text UTF-8") from None


def _find(folder: Path, filename: str, table: Path) -> Path:
    listed = folder / filename
    for path in (listed, listed.with_suffix(".flac"), listed.with_suffix(".wav")):
        if path.is_file():
            return path
    raise DataError(f"{listed}: no such clip, but {table} lists it; add it or remove its row")
