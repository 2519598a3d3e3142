"""Listeners' transcripts: counted as ours are, and refused where a row is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from kilohear.errors import DataError
from kilohear_bench.privacy.humans import read_answers
from kilohear_bench.privacy.speech import Utterance
from kilohear_bench.privacy.wer import Errors

HEADING = "clip,rate_hz,listener,transcript\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_answers_are_counted(corpus: list[Utterance], tmp_path: Path) -> None:
    table = write(
        tmp_path / "study.csv",
        HEADING + '7-1-0000,2000,1,"He could wait, no more."\n7-1-0000,1000,2,\n',
    )
    first, second = read_answers(table, corpus)
    assert (first.rate_hz, first.listener) == (2_000, "1")
    assert first.result == Errors("7-1-0000", 5, 1)
    assert second.result == Errors("7-1-0000", 5, 5)


def test_columns_may_stand_in_any_order(corpus: list[Utterance], tmp_path: Path) -> None:
    text = "transcript,listener,clip,rate_hz,note\nhe could,a,7-1-0000,1000,tired\n"
    (answer,) = read_answers(write(tmp_path / "study.csv", text), corpus)
    assert answer.result.errors == 3


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (HEADING, "no transcripts"),
        ("clip,rate_hz,transcript\n7-1-0000,1000,he\n", "no column 'listener'"),
        (HEADING + "9-9-0000,1000,1,he\n", "line 2: no clip '9-9-0000'"),
        (HEADING + "7-1-0000,1 kHz,1,he\n", "'1 kHz'"),
        (HEADING + "7-1-0000,48000,1,he\n", "'48000'"),
        (HEADING + "7-1-0000,1000,,he\n", "no listener"),
        (HEADING + "7-1-0000,1000,1\n", "not 4 cells"),
        (HEADING + "7-1-0000,1000,1,he could, wait\n", "not 4 cells"),
        (HEADING + "7-1-0000,1000,1,he\n7-1-0000,1000,1,she\n", "line 3: .* twice"),
    ],
)
def test_a_wrong_row_is_named(
    text: str, cause: str, corpus: list[Utterance], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=cause):
        read_answers(write(tmp_path / "study.csv", text), corpus)


def test_a_file_that_isnt_there_or_no_text_is_refused(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_answers(tmp_path / "study.csv", corpus)
    (tmp_path / "study.csv").write_bytes(HEADING.encode() + b"\xff\xfe\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_answers(tmp_path / "study.csv", corpus)
