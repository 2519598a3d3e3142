"""ESC-50 in its official layout: audio/ and meta/esc50.csv (Piczak 2015)."""

from __future__ import annotations

from pathlib import Path

from kilohear_training.data.dataset import (
    Clip,
    Dataset,
    find_clip,
    order_labels,
    read_fold,
    read_rows,
)

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def load_esc50(root: Path, esc10: bool, labels: tuple[str, ...] | None = None) -> Dataset:
    """Load ESC-50, or only its ESC-10 subset, from the folder that holds `meta/` and `audio/`.

    Raises
    ------
    DataError
        Where the table or a clip is missing, or a class isn't in `labels`.
    """
    table = root / "meta" / "esc50.csv"
    rows = [row for row in read_rows(table, COLUMNS) if not esc10 or row["esc10"] == "True"]
    clips = tuple(
        Clip(
            find_clip(root / "audio", row["filename"], table),
            row["category"],
            read_fold(row, table),
            row["src_file"],
        )
        for row in rows
    )
    return Dataset(
        name="ESC-10" if esc10 else "ESC-50",
        licence="CC BY 3.0" if esc10 else "CC BY-NC 3.0",
        labels=order_labels({clip.label for clip in clips}, labels, table),
        clips=clips,
    )
