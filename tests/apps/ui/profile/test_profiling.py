"""Profiling as a screen drives it: the ears are quiet meanwhile, and listen again afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.apps.ui.profile.script import ABOUT, SHORT, Phone, ScriptBattery, ScriptClock, ScriptRig
from tests.apps.ui.stand_ins import StandInEars

from kilohear_ui.ears import Wish
from kilohear_ui.profile import Charging, profiling
from kilohear_ui.profile.profiling import Profiling

WISH = Wish("esc10-2khz")


def make(root: Path, phone: Phone, ears: StandInEars) -> Profiling:
    return Profiling(
        root=root,
        about=ABOUT,
        battery=ScriptBattery(phone),
        ears=ears,
        wish=lambda: WISH,
        clock=ScriptClock(phone),
        make_rig=lambda _subjects, _source: ScriptRig(phone),
    )


def until_over(made: Profiling) -> None:
    deadline_s = time.monotonic() + 20
    while made.is_busy:
        assert time.monotonic() < deadline_s
        made.tick()


@pytest.mark.parametrize("before", ["silent", "listening", "paused"])
def test_ears_are_quiet_while_it_runs_and_as_before_afterwards(tmp_path: Path, before: str) -> None:
    phone, ears = Phone(), StandInEars()
    if before != "silent":
        ears.start(WISH)
    if before == "paused":
        ears.pause()
    ears.asked.clear()
    made = make(tmp_path, phone, ears)
    made.start(SHORT)
    assert not ears.is_listening
    until_over(made)
    assert made.over is not None
    assert made.over.how == "finished"
    expected = {"silent": [], "listening": ["stop", WISH], "paused": ["stop", WISH, "pause"]}
    assert ears.asked == expected[before]
    assert made.unfinished() is None
    found = made.results()
    assert found is not None
    assert [row.rate_hz for row in found.rows] == [1000, 2000]
    assert all(made.series.values())


def test_a_refused_profile_leaves_the_ears_alone(tmp_path: Path) -> None:
    phone, ears = Phone(), StandInEars()
    ears.start(WISH)
    phone.is_fed = True
    made = make(tmp_path, phone, ears)
    with pytest.raises(Charging):
        made.start(SHORT)
    assert ears.asked == [WISH]
    assert not made.is_busy


class DeafEars(StandInEars):
    """Ears that don't stop when they are told to."""

    def stop(self) -> None:
        self.asked.append("stop")


def test_ears_that_go_on_are_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, ears = Phone(), DeafEars()
    ears.start(WISH)
    made = make(tmp_path, phone, ears)
    made.start(SHORT)
    assert made.is_busy
    assert phone.opened_in == []
    made.cancel()
    assert not made.is_busy
    assert ears.asked == [WISH, "stop", WISH]
    monkeypatch.setattr(profiling, "_QUIET_S", 0.0)
    made.go_on()
    until_over(made)
    assert made.over is not None
    assert "listening didn't end" in str(made.over.error)


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    phone, ears = Phone(), StandInEars()
    made = make(tmp_path, phone, ears)
    made.start(SHORT)
    made.cancel()
    assert not made.is_busy
    again = make(tmp_path, phone, ears)
    profile = again.unfinished()
    assert profile is not None
    found = again.results()
    assert found is not None
    assert found.done < found.profile.steps == profile.steps
    again.go_on()
    until_over(again)
    assert again.unfinished() is None
    found = again.results()
    assert found is not None
    assert found.done == profile.steps


def test_the_estimate_is_what_the_plan_has(tmp_path: Path) -> None:
    phone = Phone()
    made = make(tmp_path, phone, StandInEars())
    estimate = made.estimate(SHORT)
    began_s = phone.now_s
    made.start(SHORT)
    until_over(made)
    assert len(made.folder.steps()) == estimate.steps
    assert phone.now_s - began_s == pytest.approx(estimate.seconds, rel=0.2)
