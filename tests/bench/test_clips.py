"""Clips: both layouts are read, and what is wrong is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DataError
from kilohear_bench.clips import Clip, read_clips, spread


def test_a_csv_of_recordings(labelled_csv: Path) -> None:
    clips = read_clips(str(labelled_csv))
    assert Counter(clip.label for clip in clips) == {"quiet": 3, "loud": 3}
    assert {clip.fold for clip in clips} == {1, 2}


def test_esc10_is_the_marked_part_of_esc50(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "esc50" / "meta").mkdir(parents=True)
    (tmp_path / "esc50" / "audio").mkdir()
    (tmp_path / "esc50" / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "a.wav,1,0,dog,True,1,A\nb.wav,2,2,pig,False,2,A\n"
    )
    for name in ("a.flac", "b.wav"):
        (tmp_path / "esc50" / "audio" / name).touch()
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    assert [clip.label for clip in read_clips("esc10")] == ["dog"]
    assert [clip.path.name for clip in read_clips("esc50")] == ["a.flac", "b.wav"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,category\na.wav,dog\n", "lacks a column"),
        ("filename,category,fold\ngone.wav,dog,1\n", "gone.wav: no such clip"),
        ("filename,category,fold\na.wav,dog,one\n", "'one'"),
        ("filename,category,fold\na.wav,dog,1\na.wav,pig,1\n", "lists a.wav 2 times"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_clips(str(tmp_path / "t.csv"))


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(DataError, match="esc10, esc50, kitchen20"):
        read_clips("nowhere")


def test_clips_of_one_file_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    rows = ["filename,category,fold"]
    for label in ("dog", "pig"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.wav").touch()
        rows.append(f"{label}/1.wav,{label},1")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    assert [clip.name for clip in read_clips(str(tmp_path / "t.csv"))] == ["dog/1.wav", "pig/1.wav"]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 50))
def test_a_part_of_the_clips_has_as_many_of_each_class_as_it_can(labels: str, most: int) -> None:
    clips = [Clip(Path(f"{i}.wav"), label, 1) for i, label in enumerate(labels)]
    part = spread(clips, most)
    assert len(part) == min(most, len(clips))
    assert part == [clip for clip in clips if clip in part]
    assert set(spread(clips, max(1, most - 1))) <= set(part)
    there, kept = Counter(labels), Counter(clip.label for clip in part)
    fullest = max(kept.values())
    assert all(kept[label] >= min(there[label], fullest - 1) for label in there)
    assert spread(clips, None) == clips
