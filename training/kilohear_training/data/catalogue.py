"""Data sets by name, and where they lie."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kilohear.errors import DataError
from kilohear.files import data_root
from kilohear_training.data.dataset import Dataset
from kilohear_training.data.esc50 import load_esc50
from kilohear_training.data.recordings import load_recordings
from kilohear_training.data.tau2019 import load_tau2019

NAMED = {
    "esc10": "ESC-10",
    "esc50": "ESC-50",
    "kitchen20": "Kitchen20",
    "tau2019-mobile": "TAU 2019 Mobile",
}
"""The names that options take, and those that results show."""


def load_dataset(name: str, labels: tuple[str, ...] | None = None) -> Dataset:
    """Load a named data set from `data_root`, or the recordings that a CSV (path) lists.

    `NAME:label,label` is the part of it that has these classes, in this order.

    Raises
    ------
    DataError
        Where it is missing or inconsistent, or has no such class.
    """
    root = data_root()
    plain, colon, chosen = name.partition(":")
    if colon and not Path(name).exists():
        return _part(load_dataset(plain, labels), tuple(chosen.split(",")), name)
    if name in ("esc10", "esc50"):
        return load_esc50(root / "esc50", esc10=name == "esc10", labels=labels)
    if name == "tau2019-mobile":
        return load_tau2019(root / "tau2019-mobile", labels)
    if name == "kitchen20":
        return load_recordings(
            root / "kitchen20" / "kitchen20.csv",
            labels,
            name=NAMED[name],
            licence="repository Apache-2.0; clips from Freesound, research use",
        )
    if Path(name).exists():
        return load_recordings(Path(name), labels)
    raise DataError(
        f"data set {name!r} is unknown; give one of {', '.join(NAMED)} or the path of a CSV"
    )


def _part(whole: Dataset, labels: tuple[str, ...], name: str) -> Dataset:
    unknown = [label for label in labels if label not in whole.labels]
    if unknown:
        raise DataError(
            f"{whole.name}: no class {unknown[0]!r}; the classes are {', '.join(whole.labels)}"
        )
    clips = tuple(clip for clip in whole.clips if clip.label in labels)
    return dataclasses.replace(whole, name=display_name(name), labels=labels, clips=clips)


def display_name(name: str) -> str:
    """Return how a data set, named or a CSV's path, is called in results."""
    plain, colon, labels = name.partition(":")
    shown = NAMED.get(plain, Path(plain).stem)
    return f"{shown}: {', '.join(labels.split(','))}" if colon else shown
