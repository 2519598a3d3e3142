"""Axes: ticks are round, within, in order; positions keep the order of values."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from hypothesis import assume, given
from hypothesis import strategies as st

from kilohear_bench.report import svg

VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


@given(VALUES, st.booleans())
def test_every_value_lies_on_its_axis_in_order(values: list[float], log: bool) -> None:
    scale = svg.Scale.over(values, 40, 370, log=log)
    places = [scale(value) for value in sorted(values)]
    assert all(39.9 < place < 370.1 for place in places)
    assert places == sorted(places)


@given(VALUES, st.booleans(), st.integers(4, 10))
def test_ticks_lie_on_the_axis_few_and_in_order(values: list[float], log: bool, most: int) -> None:
    scale = svg.Scale.over(values, 40, 370, log=log)
    assume(log or (scale.high - scale.low) / abs(scale.high) > 1e-6)
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(39.9 < scale(tick) < 370.1 for tick in ticks)


@given(st.floats(1e-3, 1e3), st.floats(1.2, 1e4))
def test_equal_ratios_are_equally_far_apart(low: float, ratio: float) -> None:
    scale = svg.Scale(low, low * ratio * ratio, 0, 100, log=True)
    assert math.isclose(scale(low * ratio), 50, abs_tol=1e-6)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_words_stay_words(words: str) -> None:
    drawn = svg.chart("key", words, words, 10, svg.text(0, 0, words, title=words))
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]
    assert texts.count(words) >= 3 or not words
