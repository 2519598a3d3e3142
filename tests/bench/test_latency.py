"""Latency: calls take turns, warm-up isn't counted, no sample is dropped."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.errors import ConfigError
from kilohear_bench.latency import real_time_factor, time_in_turns


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(30, 40), st.integers(1, 4))
def test_every_round_calls_each_once(calls: int, windows: int, warm_up: int) -> None:
    names = [str(i) for i in range(calls)]
    order: list[str] = []
    samples = time_in_turns({n: partial(order.append, n) for n in names}, windows, warm_up)
    assert len(order) == calls * (windows + warm_up)
    for start in range(0, len(order), calls):
        assert sorted(order[start : start + calls]) == names
    assert list(samples) == names
    assert all(len(values) == windows and min(values) >= 0 for values in samples.values())


def test_no_call_always_follows_the_same_one() -> None:
    order: list[str] = []
    time_in_turns({n: partial(order.append, n) for n in "abc"})
    before_b = {order[i - 1] for i in range(1, len(order)) if order[i] == "b"}
    assert before_b >= {"a", "c"}


@pytest.mark.parametrize(("windows", "warm_up"), [(29, 5), (30, 0)])
def test_too_few_rounds_are_refused(windows: int, warm_up: int) -> None:
    with pytest.raises(ConfigError, match=f"windows is {windows} and warm_up is {warm_up}"):
        time_in_turns({}, windows, warm_up)


def test_real_time_factor_is_sound_over_computing() -> None:
    assert real_time_factor(5.0, 10.0) == pytest.approx(500.0)
