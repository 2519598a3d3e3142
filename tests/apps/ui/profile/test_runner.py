"""The runner: what it leaves is whole, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.apps.ui.profile.script import ABOUT, MODEL_MA, SHORT, Phone, ScriptBattery, run

from kilohear.errors import ConfigError, DiskFull
from kilohear_ui.profile import BatteryLow, Charging, TooHot
from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.kept import PROFILE, SHARED, STEPS, ProfileFolder
from kilohear_ui.profile.plan import plan
from kilohear_ui.profile.runner import Live, Progress, Remark, Runner, Told, continue_profile
from kilohear_ui.profile.subject import subjects_of
from kilohear_ui.profile.summary import summarise

PLAN = [step.name for step in plan(SHORT, subjects_of(SHORT), True)]


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("kilohear profile")]


def require_whole(root: Path) -> set[str]:
    """Return the steps that are kept; nothing half-written lies beside them."""
    for path in root.rglob("*"):
        if path.is_file():
            assert path.suffix in (".json", ".zip")
            assert path.suffix != ".json" or json.loads(path.read_text())
    return set(ProfileFolder(root).steps())


def test_a_profile_runs_through(tmp_path: Path) -> None:
    phone = Phone()
    told = run(tmp_path, phone)
    assert told.over.how == "finished"
    assert require_whole(tmp_path) == set(PLAN)
    assert [p.step.name for p in told.of(Progress)] == PLAN
    shares = [p.share for p in told.of(Progress)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert threads() == []
    assert told.over.file is not None
    assert told.over.file.name.startswith("kilohear-profile-Pixel-8-20")
    with zipfile.ZipFile(told.over.file) as archive:
        assert len(archive.namelist()) == len(PLAN) + 1
        head = json.loads(archive.read(PROFILE))
    assert (head["app"], head["system"], head["model"]) == dataclasses.astuple(ABOUT)
    assert head["configuration"]["rounds"] == SHORT.rounds
    seen = told.of(Live)
    for name in ("current_ma", "celsius", "latency_ms"):
        assert any(getattr(live, name) is not None for live in seen)


def test_the_table_shows_what_was_measured(tmp_path: Path) -> None:
    run(tmp_path, Phone())
    folder = ProfileFolder(tmp_path)
    profile = folder.profile()
    assert profile is not None
    first, second = summarise(profile, folder.steps())
    assert (first.rate_hz, second.rate_hz) == (1000, 2000)
    assert first.latency_ms == pytest.approx(20)
    assert second.latency_p95_ms == pytest.approx(40)
    assert first.idle_mw == pytest.approx(4 * MODEL_MA["idle"])
    assert first.above_idle_mw == pytest.approx(4 * 12)
    assert first.window_mj == pytest.approx(4 * 300 * 0.02, rel=0.02)
    assert first.hours == pytest.approx(4000 / 112, rel=0.01)


@settings(max_examples=12, deadline=None)
@given(after_s=st.floats(0, 60))
def test_cancelled_at_any_moment_it_leaves_whole_files_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, after_s: float
) -> None:
    root, phone = tmp_path_factory.mktemp("profile"), Phone()
    cancelled_at_s = phone.now_s + after_s
    told = run(root, phone, cancel_after_s=after_s)
    assert threads() == []
    assert told.over.how == "cancelled"
    assert phone.now_s - cancelled_at_s <= 1
    kept = require_whole(root)
    assert kept == set(PLAN[: len(kept)])
    assert run(root, phone, None).over.how == "finished"
    assert require_whole(root) == set(PLAN)


@pytest.mark.parametrize("kind", ["android", "ios", "desktop"])
def test_on_android_students_are_opened_in_the_app_s_main_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("kilohear_ui.profile.runner.system", lambda: kind)
    phone = Phone()
    run(tmp_path, phone, dataclasses.replace(SHORT, energy=False))
    (thread,) = phone.opened_in
    assert (thread is threading.current_thread()) == (kind == "android")


def test_going_on_takes_no_step_twice(tmp_path: Path) -> None:
    phone = Phone()

    def cancel(runner: Runner, told: Told) -> None:
        if isinstance(told, Progress) and told.step.name == PLAN[20]:
            runner.cancel()

    run(tmp_path, phone, also=cancel)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / STEPS).iterdir()}
    told = run(tmp_path, phone, None)
    assert [p.step.name for p in told.of(Progress)] == PLAN[20:]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / STEPS).iterdir()}
    assert before.items() <= after.items()


@pytest.mark.parametrize("is_fed", [True, False])
def test_it_refuses_to_begin_and_loses_nothing(tmp_path: Path, is_fed: bool) -> None:
    phone = Phone()
    run(tmp_path, phone)
    phone.is_fed, phone.level = is_fed, 0.8 if is_fed else 0.1
    for config in (SHORT, None):
        with pytest.raises(Charging if is_fed else BatteryLow, match="unplug"):
            run(tmp_path, phone, config)
    assert require_whole(tmp_path) == set(PLAN)


def test_plugged_in_during_a_step_that_step_is_thrown_away(tmp_path: Path) -> None:
    phone = Phone()

    def plug_in(_runner: Runner, told: Told) -> None:
        if isinstance(told, Progress) and told.step.name == PLAN[-1]:
            phone.at.append((phone.now_s + 1.0, lambda: setattr(phone, "is_fed", True)))

    told = run(tmp_path, phone, also=plug_in)
    assert isinstance(told.over.error, Charging)
    assert require_whole(tmp_path) == set(PLAN[:-1])
    phone.is_fed = False
    assert run(tmp_path, phone, None).over.how == "finished"


def test_a_throttled_step_is_taken_again(tmp_path: Path) -> None:
    phone, seen = Phone(), []

    def throttle(_runner: Runner, told: Told) -> None:
        if isinstance(told, Progress) and told.step.name == PLAN[-1] and not seen:
            seen.append(told)
            phone.at.append((phone.now_s + 1.0, lambda: setattr(phone, "is_throttled", True)))
            phone.at.append((phone.now_s + 9.0, lambda: setattr(phone, "is_throttled", False)))

    told = run(tmp_path, phone, also=throttle)
    assert {remark.kind for remark in told.of(Remark)} == {"again", "cooling"}
    assert told.over.how == "finished"


def test_it_waits_until_the_phone_is_cool_and_not_for_ever(tmp_path: Path) -> None:
    phone = Phone()
    phone.celsius = 45
    phone.at.append((phone.now_s + 60, lambda: setattr(phone, "celsius", 30.0)))
    told = run(tmp_path, phone)
    assert told.over.how == "finished"
    assert "45.0 °C" in told.of(Remark)[0].why
    phone.celsius = 45
    assert isinstance(run(tmp_path, phone).over.error, TooHot)
    assert require_whole(tmp_path) == set()


def test_without_a_current_latency_alone_is_measured_and_says_so(tmp_path: Path) -> None:
    phone = Phone()
    phone.tells_current = False
    run(tmp_path, phone)
    folder = ProfileFolder(tmp_path)
    profile = folder.profile()
    assert profile is not None
    assert profile.no_energy == "no_current"
    assert not any(name.startswith("energy") for name in require_whole(tmp_path))
    assert all(row.idle_mw is None for row in summarise(profile, folder.steps()))
    with pytest.raises(ConfigError, match="tells no current; choose latency"):
        run(tmp_path, phone, dataclasses.replace(SHORT, latency=False))


def test_a_full_disk_is_said_before_anything_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Phone()
    run(tmp_path, phone)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DiskFull, match="1 MB are free"):
        run(tmp_path, phone)
    assert require_whole(tmp_path) == set(PLAN)


def test_a_disk_that_fills_up_stops_it_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Phone()

    def fill(_runner: Runner, told: Told) -> None:
        if isinstance(told, Progress) and told.step.name == PLAN[5]:
            monkeypatch.setattr("kilohear.files.os.fsync", full)

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    told = run(tmp_path, phone, also=fill)
    assert isinstance(told.over.error, DiskFull)
    assert require_whole(tmp_path) == set(PLAN[:5])
    monkeypatch.undo()
    assert run(tmp_path, phone, None).over.how == "finished"


def test_a_profile_of_another_app_isn_t_gone_on_with(tmp_path: Path) -> None:
    phone = Phone()
    run(tmp_path, phone)
    for about in (
        dataclasses.replace(ABOUT, app="0.2.0"),
        dataclasses.replace(ABOUT, model="Pixel 9"),
        dataclasses.replace(ABOUT, system="Android 15"),
    ):
        with pytest.raises(ConfigError, match="begun with another"):
            continue_profile(ProfileFolder(tmp_path), about, ScriptBattery(phone), print)
    with pytest.raises(ConfigError, match="no profile to go on with"):
        continue_profile(ProfileFolder(tmp_path / "new"), ABOUT, ScriptBattery(phone), print)


def test_a_new_profile_leaves_the_zip_of_the_one_before(tmp_path: Path) -> None:
    phone = Phone()
    first = run(tmp_path, phone).over.file
    assert first is not None
    again = first.with_name("kilohear-profile-before.zip")
    first.rename(again)
    config = dataclasses.replace(SHORT, energy=False, bundles=("esc10-1khz",))
    assert run(tmp_path, phone, config).over.how == "finished"
    assert len(list((tmp_path / SHARED).iterdir())) == 2
    assert len(require_whole(tmp_path)) == len(list((tmp_path / STEPS).iterdir())) == 7


def test_the_newest_zips_are_kept(tmp_path: Path) -> None:
    zips = run(tmp_path, Phone()).over.file
    assert zips is not None
    old = [zips.with_name(f"kilohear-profile-{i}.zip") for i in range(7)]
    for at_s, file in enumerate(old):
        file.touch()
        os.utime(file, (at_s, at_s))
    assert ProfileFolder(tmp_path).write_zip() == zips
    assert {*(tmp_path / SHARED).iterdir()} == {zips, *old[-4:]}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"bundles": ()}, "bundles"),
        ({"bundles": ("a", "a")}, "bundles"),
        ({"latency": False, "energy": False}, "neither"),
        ({"windows": 29}, "windows is 29"),
        ({"rounds": 3}, "rounds is 3"),
        ({"stretch_s": 1.0}, "four periods"),
        ({"settle_s": -1.0}, "settle_s"),
        ({"max_celsius": 0.0}, "max_celsius"),
    ],
)
def test_a_wrong_configuration_is_refused(changes: dict, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        ProfileConfig(**changes)
