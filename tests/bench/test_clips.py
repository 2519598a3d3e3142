"""Clips: both layouts are read, and what is wrong is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kilohear.errors import DataError
from kilohear_bench.clips import read_clips


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
