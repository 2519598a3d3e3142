"""The verdict: a drop beyond what is allowed fails, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.fake_device import measured

from kilohear_bench.measurement import Measurement
from kilohear_bench.verdict import by_chance, shortfalls


def accuracy(right: int, clips: int, card: float | None) -> Measurement:
    heard = {f"{i}": ["x", "x" if i < right else "y"] for i in range(clips)}
    share = right / clips
    return measured(
        [share], "macro_accuracy", "fraction", card_score=card, clips_true_predicted=heard
    )


@given(clips=st.integers(1, 400), right=st.integers(0, 400), card=st.floats(0, 1))
def test_a_drop_is_told_where_there_is_one(clips: int, right: int, card: float) -> None:
    right = min(right, clips)
    found = shortfalls([accuracy(right, clips, card)], 0.1)
    assert bool(found) == (right / clips < card - 0.1 - 1e-9)
    assert not shortfalls([accuracy(right, clips, None)], 0.1)


def test_chance_allows_what_so_many_clips_leave_open() -> None:
    assert by_chance(0.8, 100) == pytest.approx(0.0784)  # 1.96 sqrt(.8 .2 / 100)
    assert by_chance(1.0, 50) == 1 / 50
    assert shortfalls([accuracy(71, 100, 0.8)], None)
    assert not shortfalls([accuracy(73, 100, 0.8)], None)


def test_another_label_than_the_hosts_fails() -> None:
    one_of_four = measured([1, 1, 0, 1], "label_agreement", "fraction")
    assert "on 1 of 4 clips" in shortfalls([one_of_four], None)[0]
    assert not shortfalls([measured([1, 1], "label_agreement", "fraction")], None)
    may = measured([1, 1, 0, 1], "label_agreement", "fraction", may_differ=0.25)
    assert not shortfalls([may], None)
