"""Anyone's own recordings: a folder of audio and a CSV `filename,category,fold,source`."""

from __future__ import annotations

from pathlib import Path

from kilohear.errors import DataError
from kilohear_training.data.dataset import (
    Clip,
    Dataset,
    find_clip,
    order_labels,
    read_fold,
    read_rows,
)

COLUMNS = ("filename", "category", "fold", "source")


def load_recordings(
    table: Path,
    labels: tuple[str, ...] | None = None,
    name: str | None = None,
    licence: str = "as the recordings' owner grants",
) -> Dataset:
    """Load the clips that `table` lists; they lie beside it, or in `audio/` beside it.

    Parameters
    ----------
    table
        The CSV. `source` says which clips belong together: the participant or the original.
    labels
        The allowed classes in order; without it, those of the table in alphabetical order.

    Raises
    ------
    DataError
        Where a column or a clip is missing, or a class isn't in `labels`.
    """
    if table.is_dir():
        tables = sorted(table.glob("*.csv"))
        if len(tables) != 1:
            raise DataError(
                f"{table}: {len(tables)} CSV files here; name the one that lists the clips"
            )
        table = tables[0]
    rows = read_rows(table, COLUMNS)
    beside = table.parent / "audio"
    folder = beside if beside.is_dir() else table.parent
    clips = tuple(
        Clip(
            find_clip(folder, row["filename"], table),
            row["category"],
            read_fold(row, table),
            row["source"],
        )
        for row in rows
    )
    return Dataset(
        name=name or table.stem,
        licence=licence,
        labels=order_labels({clip.label for clip in clips}, labels, table),
        clips=clips,
        metric="macro_f1",
    )
