"""Each method trains the generations that the paper describes, and chains any others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilohear.errors import ConfigError
from kilohear_training.data.dataset import Clip, Dataset
from kilohear_training.fit import Fit
from kilohear_training.methods import METHODS, RECIPES, Chain, Recipe, Split, expand

MN, TINY = RECIPES["mobilenet_v3"], RECIPES["tiny"]
CLIPS = tuple(
    Clip(Path(f"{fold}{label}.wav"), label, fold, f"{fold}{label}")
    for fold in range(1, 6)
    for label in "ab"
)
DATASET = Dataset("five folds", "none", ("a", "b"), CLIPS)


def last(
    method: str | Chain, rate_hz: int, student: Recipe, teacher: Recipe | None = None, fold: int = 1
) -> Fit:
    chain = METHODS[method] if isinstance(method, str) else method
    return expand(chain, Split("five", DATASET, fold), rate_hz, student, teacher)


def generations(fit: Fit) -> Iterator[Fit]:
    yield fit
    for teacher in fit.teachers:
        yield from generations(teacher)


def test_raw_is_trained_high() -> None:
    fit = last("raw", 1_000, MN)
    assert fit.front_end.rate_hz == 16_000
    assert not fit.teachers


def test_finetune_hears_the_low_rate_alone() -> None:
    fit = last("finetune", 1_000, MN)
    assert fit.front_end.rate_hz == 1_000
    assert not fit.teachers
    assert fit.initial == "audioset"


def test_basd_is_taught_by_the_finetuned_network() -> None:
    assert last("basd", 1_000, MN).teachers == (last("finetune", 1_000, MN),)


def test_cssd_is_taught_by_what_raw_tests() -> None:
    fit = last("cssd", 1_000, MN)
    assert fit.teachers == (last("raw", 1_000, MN),)
    assert fit.front_end.rate_hz == 1_000


def test_an_extra_generation_is_taught_by_the_one_before() -> None:
    extra = last((16_000, "student", "student"), 1_000, MN)
    assert extra.teachers == (last("cssd", 1_000, MN),)
    twice = last(("student",) * 3, 1_000, MN)
    assert twice.teachers == (last("basd", 1_000, MN),)


def test_a_low_rate_can_teach_a_higher_one() -> None:
    fit = last((1_000, "student"), 2_000, MN)
    assert fit.front_end.rate_hz == 2_000
    assert fit.teachers == (last("finetune", 1_000, MN),)


def test_cssd_across_networks_shares_the_teacher_over_rates() -> None:
    low, full = last("cssd", 1_000, TINY, MN), last("cssd", 16_000, TINY, MN)
    assert low.teachers == full.teachers == (last("raw", 1_000, MN),)


def test_only_what_teaches_at_16_khz_is_the_teachers_network() -> None:
    assert last("raw", 1_000, TINY, MN).network == "tiny"
    assert last("basd", 1_000, TINY, MN).teachers[0].network == "tiny"


def test_both_starting_points_can_be_had() -> None:
    own = last("cssd", 1_000, dataclasses.replace(MN, start="teacher"))
    assert own.initial == "teacher"
    assert last("cssd", 1_000, MN).initial == "audioset"


@pytest.mark.parametrize("cross_fitted", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_fold_is_never_seen_by_any_generation(method: str, cross_fitted: bool) -> None:
    student = dataclasses.replace(MN, cross_fitted=cross_fitted)
    for fit in generations(last(method, 1_000, student, fold=3)):
        training, _ = DATASET.split(fit.fold, fit.left_out)
        assert 3 not in {DATASET.clips[i].fold for i in training}


def test_cross_fitting_has_a_teacher_without_each_training_fold() -> None:
    student = dataclasses.replace(MN, cross_fitted=True)
    fit = last("cssd", 1_000, student, fold=3)
    assert fit.teaching == "unseen"
    assert [{t.fold, *t.left_out} for t in fit.teachers] == [{1, 3}, {2, 3}, {3, 4}, {3, 5}]
    # Two test folds share the teacher that knows neither.
    assert set(fit.teachers) & set(last("cssd", 1_000, student, fold=4).teachers)


def test_a_committee_is_trained_alike_from_other_seeds() -> None:
    fit = last("cssd", 1_000, dataclasses.replace(TINY, committee=3), MN)
    assert [teacher.seed for teacher in fit.teachers] == [1, 2, 3]
    assert len({dataclasses.replace(teacher, seed=1) for teacher in fit.teachers}) == 1


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(ConfigError, match="committee is 0"):
        dataclasses.replace(MN, committee=0)
    with pytest.raises(ConfigError, match="no generation"):
        last((), 1_000, MN)
    two = Dataset("two", "none", ("a", "b"), CLIPS[:4])
    with pytest.raises(ConfigError, match="needs 2 training folds, here are 1"):
        expand(
            METHODS["cssd"], Split("two", two, 1), 1_000, dataclasses.replace(MN, cross_fitted=True)
        )


@pytest.mark.parametrize("wrong", [{"alpha": 1.01}, {"alpha": -0.1}, {"temperature": 0.0}])
def test_a_loss_that_is_not_defined_is_refused_whatever_the_method(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"recipe: {next(iter(wrong))} is "):
        dataclasses.replace(RECIPES["tiny"], **wrong)
