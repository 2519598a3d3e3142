"""A plan's estimate follows from its steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kilohear.frontend import FrontEnd
from kilohear_training import cost
from kilohear_training.fit import Fit


@pytest.fixture
def fit(recordings: Path) -> Fit:
    front_end = FrontEnd.preset("native", 1_000)
    return Fit(str(recordings), 1, "tiny", front_end, window_s=1.0, epochs=10)


def test_cost_is_clips_by_epochs_by_the_time_of_a_step(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_time_step", lambda *_: 0.5)
    costs = cost.Costs()
    assert costs.seconds(fit) == 16 * 10 * 0.5
    assert costs.seconds(dataclasses.replace(fit, left_out=(2,))) == 8 * 10 * 0.5


def test_a_teacher_costs_its_answers_once_a_draw(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_time_step", lambda *_: 0.5)
    taught = dataclasses.replace(fit, teachers=(fit,))
    few = dataclasses.replace(taught, augmentation=dataclasses.replace(fit.augmentation, draws=2))
    plain = cost.Costs().seconds(fit)
    assert plain < cost.Costs().seconds(few) < cost.Costs().seconds(taught)
    assert cost.Costs().seconds(dataclasses.replace(taught, alpha=1.0)) == plain


def test_a_step_is_really_timed(fit: Fit) -> None:
    assert 0 < cost.Costs().seconds(fit) < 600
