"""Latency: calls take turns in pairs of rounds, warm-up isn't counted, no sample is dropped."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.errors import ConfigError
from kilohear_bench.latency import (
    noise,
    order_of,
    real_time_factor,
    time_in_turns,
    time_round,
)

NAMES = st.integers(1, 12).map(lambda n: [str(i) for i in range(n)])


@given(NAMES, st.integers(0, 10_000))
def test_a_pairs_second_round_is_its_first_in_reverse(names: list[str], pair: int) -> None:
    first, second = order_of(names, 2 * pair), order_of(names, 2 * pair + 1)
    assert sorted(first) == sorted(names)
    assert second == first[::-1]
    assert order_of(names, 2 * pair) == first


def test_each_pair_is_drawn_anew() -> None:
    names = [str(i) for i in range(8)]
    assert len({tuple(order_of(names, 2 * pair)) for pair in range(15)}) == 15


@settings(max_examples=20)
@given(NAMES, st.integers(30, 40), st.integers(1, 4))
def test_every_round_calls_each_once_after_another_call(
    names: list[str], windows: int, warm_up: int
) -> None:
    called: list[str] = []
    calls = {n: partial(called.append, n) for n in names}
    samples = time_in_turns(calls, windows, warm_up)
    rounds = [*range(warm_up), *range(windows)]
    expected = [[order_of(names, i)[-1], *order_of(names, i)] for i in rounds]
    assert called == [name for turn in expected for name in turn]
    assert list(samples) == names
    assert all(len(values) == windows and min(values) >= 0 for values in samples.values())


@given(NAMES.filter(lambda names: len(names) > 1), st.integers(0, 100))
def test_no_call_follows_itself(names: list[str], i: int) -> None:
    called: list[str] = []
    calls = {n: partial(called.append, n) for n in names}
    time_round(calls, i)
    assert all(before != after for before, after in itertools.pairwise(called))


def test_no_call_always_follows_the_same_one() -> None:
    called: list[str] = []
    time_in_turns({n: partial(called.append, n) for n in "abc"})
    before_b = {called[i - 1] for i in range(1, len(called)) if called[i] == "b"}
    assert before_b >= {"a", "c"}


def test_only_what_runs_between_the_readings_counts() -> None:
    now_ns = [0]

    def work(ns: int) -> None:
        now_ns[0] += ns

    calls = {"a": partial(work, 1_000_000), "b": partial(work, 2_500_000)}
    taken_ms = time_round(calls, 3, lambda: now_ns[0])
    assert taken_ms == {"a": 1.0, "b": 2.5}


@pytest.mark.parametrize(("windows", "warm_up"), [(29, 5), (30, 0)])
def test_too_few_rounds_are_refused(windows: int, warm_up: int) -> None:
    with pytest.raises(ConfigError, match=f"windows is {windows} and warm_up is {warm_up}"):
        time_in_turns({}, windows, warm_up)


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=60))
def test_noise_compares_second_rounds_with_first(samples: list[float]) -> None:
    found = noise(samples)
    pairs = len(samples) // 2
    first, second = samples[: 2 * pairs : 2], samples[1 : 2 * pairs : 2]
    assert found.ratio == pytest.approx(float(np.median(second) / np.median(first)))
    assert found.low <= found.high
    assert noise(samples) == found


@given(st.floats(0.5, 2.0), st.integers(1, 30))
def test_a_drift_within_pairs_is_found_to_the_number(factor: float, pairs: int) -> None:
    found = noise([3.0, 3.0 * factor] * pairs)
    assert (found.ratio, found.low, found.high) == pytest.approx((factor, factor, factor))


def test_noise_takes_a_pair() -> None:
    with pytest.raises(ConfigError, match="1 rounds hold no pair"):
        noise([1.0])


def test_real_time_factor_is_sound_over_computing() -> None:
    assert real_time_factor(5.0, 10.0) == pytest.approx(500.0)
