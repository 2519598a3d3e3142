"""Each method trains the generations that the paper describes."""

from __future__ import annotations

import dataclasses

import pytest

from kilohear.errors import ConfigError
from kilohear_training.methods import METHODS, RECIPES, expand

MN, TINY = RECIPES["mobilenet_v3"], RECIPES["tiny"]


def test_raw_is_trained_high_and_tested_low() -> None:
    experiment = expand("raw", "esc10", 1, 1_000, MN)
    assert experiment.fit.front_end.rate_hz == 16_000
    assert experiment.heard_at_hz == 1_000
    assert experiment.fit.teacher is None


def test_finetune_hears_the_low_rate_alone() -> None:
    fit = expand("finetune", "esc10", 1, 1_000, MN).fit
    assert fit.front_end.rate_hz == 1_000
    assert fit.teacher is None
    assert fit.initial == "audioset"


def test_basd_is_taught_by_the_finetuned_network() -> None:
    fit = expand("basd", "esc10", 1, 1_000, MN).fit
    assert fit.teacher == expand("finetune", "esc10", 1, 1_000, MN).fit


def test_cssd_is_taught_by_what_raw_tests() -> None:
    fit = expand("cssd", "esc10", 1, 1_000, MN).fit
    assert fit.teacher == expand("raw", "esc10", 1, 1_000, MN).fit
    assert fit.front_end.rate_hz == 1_000


def test_cssd_across_networks_shares_the_teacher_over_rates() -> None:
    low = expand("cssd", "esc10", 1, 1_000, TINY, MN).fit
    full = expand("cssd", "esc10", 1, 16_000, TINY, MN).fit
    assert low.teacher == full.teacher == expand("raw", "esc10", 1, 1_000, MN).fit


def test_both_starting_points_can_be_had() -> None:
    own = expand("cssd", "esc10", 1, 1_000, dataclasses.replace(MN, start="teacher")).fit
    assert own.initial == "teacher"
    assert expand("cssd", "esc10", 1, 1_000, MN).fit.initial == "audioset"


def test_a_fold_is_never_seen_by_any_generation() -> None:
    for method in METHODS:
        fit = expand(method, "esc10", 3, 1_000, MN).fit
        while fit is not None:
            assert fit.fold == 3
            fit = fit.teacher


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ConfigError, match="'magic' is unknown; use one of raw"):
        expand("magic", "esc10", 1, 1_000, MN)
