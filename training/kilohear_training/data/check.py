"""What is there of a data set, what is missing, and what would spoil a comparison."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

from rich.table import Table

from kilohear.capture import open_source
from kilohear.errors import KilohearError
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a check found; no problems: it can be used.

    Attributes
    ----------
    counts
        Clips by class and fold.
    crossing
        Sources with clips in several folds.
    problems
        What stops it from being used, or spoils its scores, in words.
    """

    dataset: Dataset
    counts: dict[str, Counter[int]]
    crossing: tuple[str, ...]
    problems: tuple[str, ...]


def check(name: str) -> Findings:
    """Look at a data set, named or the path of a CSV, and at every clip's header.

    Raises
    ------
    DataError
        Where it isn't there, its table is wrong, or a listed clip is missing.
    """
    dataset = load_dataset(name)
    counts: dict[str, Counter[int]] = {label: Counter() for label in dataset.labels}
    folds_of: dict[str, set[int]] = defaultdict(set)
    problems: list[str] = []
    for clip in dataset.clips:
        counts[clip.label][clip.fold] += 1
        folds_of[clip.source].add(clip.fold)
        try:
            source = open_source(clip.path)
            close = getattr(source, "close", None)
            if close is not None:
                close()
        except KilohearError as error:
            problems.append(str(error))
    crossing = tuple(sorted(source for source, folds in folds_of.items() if len(folds) > 1))
    if crossing:
        problems.append(
            f"{len(crossing)} sources lie in more than one fold, {crossing[0]!r} among them: "
            "scores would be too good; give all clips of a source one fold"
        )
    absent: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for label, by_fold in counts.items():
        absent[tuple(fold for fold in dataset.folds if not by_fold[fold])].append(label)
    for folds, labels in absent.items():
        if folds:
            where = ", ".join(str(fold) for fold in folds)
            problems.append(
                f"{len(labels)} classes have no clips in fold {where}: {', '.join(labels)}"
            )
    return Findings(dataset, counts, crossing, tuple(problems))


def counts_table(findings: Findings) -> Table:
    """Return the clips by class and fold."""
    dataset = findings.dataset
    table = Table(title=f"{dataset.name}: {len(dataset.clips):,} clips, {dataset.licence}")
    table.add_column("class")
    for fold in dataset.folds:
        table.add_column(f"fold {fold}", justify="right")
    table.add_column("all", justify="right")
    for label, by_fold in findings.counts.items():
        row = [str(by_fold[fold]) for fold in dataset.folds]
        table.add_row(label, *row, str(by_fold.total()))
    return table
