"""Which clips a student hears, which of them are scored, and what its card promises."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DataError
from kilohear_bench.board.students import Student, bundle_of, held_out, load_student
from kilohear_bench.board.worth import plays
from kilohear_bench.clips import Clip, spread
from kilohear_bench.config import BenchConfig


def clips_of(labels: list[str], fold: int = 1) -> list[Clip]:
    return [Clip(Path(f"{fold}-{i}.wav"), label, fold) for i, label in enumerate(labels)]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(0, 40))
def test_a_spread_takes_each_class_alike_and_keeps_the_order(labels: list[str], most: int) -> None:
    clips = clips_of(labels)
    taken = spread(clips, most)
    assert len(taken) == min(most, len(clips))
    assert taken == [clip for clip in clips if clip in set(taken)]
    there = collections.Counter(labels)
    got = collections.Counter(clip.label for clip in taken)
    most_of_one = max(got.values(), default=0)
    assert all(got[label] >= min(there[label], most_of_one - 1) for label in there)


@pytest.fixture
def own() -> Student:
    return Student(bundle_of("esc10-1khz", 1_000), flashed=False)


@pytest.fixture
def tested() -> Student:
    return Student(load_student("esc10-1khz-fold1"), flashed=True)


def test_only_clips_that_a_student_never_saw_are_scored(own: Student, tested: Student) -> None:
    unseen, others = clips_of(["dog"] * 30 + ["rain"] * 30), clips_of(["dog"] * 90, fold=2)
    heard = plays(own, tested, unseen, unseen + others, BenchConfig(dataset="esc10"))
    assert [play.clip for play in heard if play.scored] == unseen
    assert {play.student.name for play in heard if play.scored} == {tested.name}
    assert {play.student.name for play in heard if not play.scored} == {own.name}
    assert {play.clip.fold for play in heard if not play.scored} == {2}
    assert len(heard) == 120
    assert sum(play.logits for play in heard if play.scored) == 20
    for play in heard:
        assert ("card_score" in play.conditions) == play.scored


@given(st.integers(1, 10))
def test_no_more_clips_are_heard_than_asked_for(most: int) -> None:
    one, other = (Student(load_student(f"esc10-1khz{end}"), True) for end in ("", "-fold1"))
    unseen = clips_of(["dog"] * 4 + ["rain"] * 4)
    config = BenchConfig(dataset="esc10", clips=most)
    heard = plays(one, other, unseen, [*unseen, *clips_of(["dog"], fold=3)], config)
    assert len(heard) == min(most, 9)
    assert sum(play.scored for play in heard) == min(most, 8)


def test_a_student_that_kept_a_fold_promises_its_own_score(tested: Student) -> None:
    assert tested.promised("esc10") == tested.bundle.card.scores[0].value
    assert tested.promised("kitchen20") is None


def test_a_rate_without_a_kept_clip_is_refused() -> None:
    with pytest.raises(DataError, match="1,000 Hz kept a clip of esc10"):
        held_out(1_000, "esc10", clips_of(["dog"], fold=99))
