"""Kitchen20's own folds leak; ours share no recording, and are the same everywhere."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kilohear_training.data.check import check
from kilohear_training.data.kitchen20 import disjoint_folds, write_table


@settings(max_examples=20)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=90))
def test_no_source_lies_in_two_folds(sources: list[int]) -> None:
    names = [f"{number:03}.wav" for number in range(len(sources))]
    assume(len(set(sources)) >= 5)
    labels = [f"class {number % 2}" for number in range(len(sources))]
    folds = disjoint_folds(names, labels, [str(source) for source in sources])
    assert set(folds) <= {1, 2, 3, 4, 5}
    for source in set(sources):
        assert len({f for f, s in zip(folds, sources, strict=True) if s == source}) == 1


@pytest.mark.data
def test_the_folds_in_use_are_those_that_a_download_makes(data_dir: Path, tmp_path: Path) -> None:
    with (data_dir / "kitchen20" / "kitchen20.csv").open() as file:
        used = list(csv.DictReader(file))
    lines = ["category,path,usr_id"]
    lines += [
        f"{row['category']},audio/{Path(row['filename']).stem}.wav,{row['source']}"
        for row in reversed(used)
    ]
    (tmp_path / "published.csv").write_text("\n".join(lines) + "\n")
    write_table(tmp_path / "published.csv", tmp_path / "kitchen20.csv")
    with (tmp_path / "kitchen20.csv").open() as file:
        made = {Path(row["filename"]).stem: row["fold"] for row in csv.DictReader(file)}
    assert made == {Path(row["filename"]).stem: row["fold"] for row in used}


@pytest.mark.data
def test_a_check_of_it_finds_nothing(data_dir: Path) -> None:
    findings = check("kitchen20")
    assert findings.crossing == ()
    assert findings.problems == ()
    assert sum(by_fold.total() for by_fold in findings.counts.values()) == 1_070
