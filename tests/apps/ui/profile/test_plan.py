"""The plan: in turns, as the bench takes them."""

from __future__ import annotations

from collections import Counter
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from kilohear_bench.latency import noise_window
from kilohear_bench.latency import order_of as order_of_bench
from kilohear_bench.subject import Subject as BenchSubject
from kilohear_ui.profile.config import FULL, QUICK
from kilohear_ui.profile.plan import STATES, order_of, plan
from kilohear_ui.profile.subject import subjects_of


@given(st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=6), st.integers(0, 50))
def test_the_order_is_the_bench_s(names: list[str], i: int) -> None:
    assert order_of(names, i) == order_of_bench(names, i)


def test_subjects_and_windows_are_the_bench_s() -> None:
    for subject in subjects_of(QUICK):
        there = BenchSubject(subject.bundle, subject.export)
        assert subject.name == there.name
        assert subject.card_sha256 == there.describe().card_sha256
        assert subject.file_bytes == there.file_bytes
        assert (subject.window() == noise_window(subject.card)).all()


def test_drift_favours_no_subject_and_no_state() -> None:
    """Over a pair of rounds the mean place of each state and each subject is the same."""
    for config in (QUICK, FULL):
        steps = plan(config, subjects_of(config), True)
        assert len({step.name for step in steps}) == len(steps)
        energy = [step for step in steps if step.kind == "energy"]
        places = {
            key: mean(i for i, step in enumerate(energy) if (step.subject, step.state) == key)
            for key in {(step.subject, step.state) for step in energy}
        }
        assert set(places.values()) == {(len(energy) - 1) / 2}
        assert set(Counter(places.keys()).values()) == {1}
        assert {state for _, state in places} == set(STATES)


def test_steps_without_energy_are_those_with_it_less_the_stretches() -> None:
    subjects = subjects_of(QUICK)
    steps = [step for step in plan(QUICK, subjects, True) if step.kind != "energy"]
    assert plan(QUICK, subjects, False) == steps
