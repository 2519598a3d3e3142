"""Loaders read the official layouts and refuse what is inconsistent, naming it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DataError
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.esc50 import COLUMNS, load_esc50
from kilohear_training.data.recordings import load_recordings


def esc50_tree(root: Path, suffix: str = ".wav") -> Path:
    (root / "meta").mkdir()
    (root / "audio").mkdir()
    rows = [",".join(COLUMNS)]
    for fold in (1, 2):
        for target, category, esc10 in ((0, "dog", True), (36, "vacuum_cleaner", False)):
            name = f"{fold}-10{fold}{target}-A-{target}"
            rows.append(f"{name}.wav,{fold},{target},{category},{esc10},10{fold}{target},A")
            (root / "audio" / f"{name}{suffix}").write_bytes(b"audio")
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_esc50_layout(tmp_path: Path, suffix: str) -> None:
    root = esc50_tree(tmp_path, suffix)
    whole, ten = load_esc50(root, esc10=False), load_esc50(root, esc10=True)
    assert whole.labels == ("dog", "vacuum_cleaner")
    assert ten.labels == ("dog",)
    assert whole.folds == (1, 2)
    assert {clip.path.suffix for clip in whole.clips} == {suffix}


def test_split_keeps_the_test_fold_apart(recordings: Path) -> None:
    dataset = load_recordings(recordings)
    training, test = dataset.split(2)
    assert sorted(training + test) == list(range(24))
    assert {dataset.clips[i].fold for i in test} == {2}
    assert dataset.split(None) == (list(range(24)), [])


def test_a_source_in_two_folds_is_refused(recordings: Path, tmp_path: Path) -> None:
    text = recordings.read_text().replace(",tone0\n", ",tone1\n")
    table = tmp_path / "crossing.csv"
    table.write_text(text)
    (tmp_path / "audio").symlink_to(recordings.parent)
    with pytest.raises(DataError, match="'tone1' has clips in fold"):
        load_recordings(table).split(1)


def test_unknown_fold_is_refused(recordings: Path) -> None:
    with pytest.raises(DataError, match=r"no fold 9; the folds are \(1, 2, 3\)"):
        load_recordings(recordings).split(9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,category,fold\na.wav,hum,1\n", "no column 'source'"),
        ("filename,category,fold,source\n", "no rows"),
        ("filename,category,fold,source\ngone.wav,hum,1,a\n", "gone.wav: no such clip"),
        ("filename,category,fold,source\nhum0.wav,hum,one,a\n", "fold of hum0.wav is 'one'"),
        ("filename,category,fold,source\nhum0.wav,purr,1,a\n", "unknown class 'purr'"),
    ],
)
def test_bad_tables_are_refused(recordings: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "audio").symlink_to(recordings.parent)
    table = tmp_path / "bad.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        load_recordings(table, labels=("hum", "tone"))


def test_missing_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"esc50\.csv: no such file"):
        load_dataset("esc10")
    with pytest.raises(DataError, match="'nothing' is unknown"):
        load_dataset("nothing")


@pytest.mark.data
def test_real_esc10_is_whole(data_dir: Path) -> None:
    dataset = load_dataset("esc10")
    assert len(dataset.clips) == 400
    assert dataset.folds == (1, 2, 3, 4, 5)
    for fold in dataset.folds:
        training, test = dataset.split(fold)
        assert (len(training), len(test)) == (320, 80)


@pytest.mark.data
def test_real_kitchen20_is_whole(data_dir: Path) -> None:
    dataset = load_dataset("kitchen20")
    assert (len(dataset.clips), len(dataset.labels)) == (1_070, 20)
    for fold in dataset.folds:
        dataset.split(fold)


def test_a_part_of_the_classes_can_be_named(recordings: Path) -> None:
    part = load_dataset(f"{recordings}:tone")
    assert part.labels == ("tone",)
    assert len(part.clips) == 12
    assert part.name == "recordings: tone"
    with pytest.raises(DataError, match="no class 'bark'; the classes are hum, tone"):
        load_dataset(f"{recordings}:tone,bark")


def test_a_class_with_nothing_to_train_on_is_refused(recordings: Path) -> None:
    dataset = load_dataset(str(recordings))
    lacking = dataclasses.replace(
        dataset, clips=tuple(c for c in dataset.clips if c.label == "hum" or c.fold == 2)
    )
    assert len(lacking.split(1)[0]) == 12
    with pytest.raises(DataError, match="class 'tone' has no clips outside fold 2 to train on"):
        lacking.split(2)
    with pytest.raises(DataError, match="class 'tone' has no clips outside fold 1, 2"):
        lacking.split(1, (2,))
    with pytest.raises(DataError, match="no fold 7"):
        dataset.split(1, (7,))


@given(st.integers(1, 3), st.integers(1, 3))
def test_folds_left_out_are_in_neither_part(recordings: Path, fold: int, other: int) -> None:
    dataset = load_dataset(str(recordings))
    left_out = (other,) if other != fold else ()
    training, test = dataset.split(fold, left_out)
    assert {dataset.clips[i].fold for i in test} == {fold}
    assert not {dataset.clips[i].fold for i in training} & {fold, *left_out}
    assert len(training) + len(test) == 24 - 8 * len(left_out)
    assert dataset.validation_fold(fold) != fold
