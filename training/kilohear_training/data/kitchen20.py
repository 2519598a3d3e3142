"""Kitchen20: its published repository, and folds that share no recording.

The repository's own folds leak: clips cut from one recording lie in several of them. Ours are
drawn again over whole recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kilohear.files import write_text
from kilohear_training.data.dataset import read_rows
from kilohear_training.data.recordings import COLUMNS

FOLDS = 5
PUBLISHED_COLUMNS = ("category", "path", "usr_id")


def disjoint_folds(
    names: Sequence[str], labels: Sequence[str], sources: Sequence[str]
) -> list[int]:
    """Return a fold, 1 to 5, for each clip: no source in two of them, classes spread evenly.

    It depends on the clips alone, given in the order of their names.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    order = np.argsort(np.array(names), kind="stable")
    targets, groups = np.array(labels)[order], np.array(sources)[order]
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    folds = np.zeros(len(order), int)
    for number, (_, chosen) in enumerate(splitter.split(order, targets, groups), start=1):
        folds[order[chosen]] = number
    return folds.tolist()


def write_table(published: Path, table: Path) -> None:
    """Make our table of the repository's `kitchen20.csv`.

    Raises
    ------
    DataError
        Where the published table lacks a column or has no rows.
    """
    rows = read_rows(published, PUBLISHED_COLUMNS)
    rows.sort(key=lambda row: Path(row["path"]).name)
    names = [Path(row["path"]).name for row in rows]
    labels = [row["category"] for row in rows]
    sources = [row["usr_id"] for row in rows]
    folds = disjoint_folds(names, labels, sources)
    lines = [",".join(COLUMNS)]
    lines += [
        f"{name},{label},{fold},{source}"
        for name, label, fold, source in zip(names, labels, folds, sources, strict=True)
    ]
    write_text(table, "\n".join(lines) + "\n")
