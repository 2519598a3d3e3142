"""The frontier: what no other point beats in both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.bench.report.made import measurement

from kilohear_bench.report.pareto import Point, accuracy_of, frontier
from kilohear_bench.report.results import Row


def row(subject: str = "a", rate_hz: int = 1_000, device: str = "host", **scores: float) -> Row:
    """A row with a score from the card, one of this run, or both."""
    found = tuple(
        measurement("macro_accuracy", samples=(value,), unit="fraction", meter=meter)
        for meter, value in scores.items()
    )
    return Row(device, subject, rate_hz, found, ())


def beats(a: Point, b: Point, high_is_better: bool) -> bool:
    sign = 1 if high_is_better else -1
    first, second = (sign * a.x, a.accuracy), (sign * b.x, b.accuracy)
    return first != second and all(p >= q for p, q in zip(first, second, strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=30),
    st.booleans(),
)
def test_the_frontier_is_what_no_point_beats(places: list[tuple[int, int]], high: bool) -> None:
    points = [Point(float(x), y / 10, row()) for x, y in places]
    best = frontier(points, high)
    unbeaten = {(p.x, p.accuracy) for p in points if not any(beats(q, p, high) for q in points)}
    assert {(p.x, p.accuracy) for p in best} == unbeaten
    assert len(best) == len(unbeaten)
    assert [p.accuracy for p in best] == sorted(p.accuracy for p in best)


def test_an_accuracy_of_this_run_goes_before_the_cards() -> None:
    both = row(card=0.9, labels=0.8)
    found = accuracy_of(both, [both])
    assert found is not None
    assert found.meter == "labels"


def test_a_student_that_heard_every_clip_is_scored_by_its_fold() -> None:
    shipped, fold = row("net c int8"), row("net-fold1 c int8", labels=0.8)
    others = [
        row("net-fold1 c int8", device="board", labels=0.1),
        row("net-fold1 c int8", 2_000, labels=0.2),
        row("net-fold1 c float32", labels=0.3),
    ]
    found = accuracy_of(shipped, [*others, shipped, fold])
    assert found is fold.measurements[0]
    assert accuracy_of(shipped, others) is None
