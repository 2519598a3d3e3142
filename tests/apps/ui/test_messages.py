"""Messages: whatever goes wrong on its real path stands on the screen, with what to do."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
from tests.apps.ui.profile.script import Phone
from tests.apps.ui.screens.test_profile import phone, press, put
from tests.apps.ui.stand_ins import StandInBattery, StandInPlatform

from kilohear.bundle import shipped
from kilohear.errors import MicrophoneBusy, PermissionRefused, SourceLost
from kilohear.files import sha256_of
from kilohear_ui.app import KilohearApp
from kilohear_ui.ears import local
from kilohear_ui.ears.local import LocalEars
from kilohear_ui.ears.remote import ServiceEars
from kilohear_ui.power import Reading
from kilohear_ui.problems import Kind
from kilohear_ui.settings import Settings, save_settings

__all__ = ["phone"]

PutOn = Callable[[KilohearApp], Any]
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def says(ready: Any, kind: Kind) -> bool:
    return set(ready.app.texts.problem(kind)) <= set(ready.texts())


def put_ears(
    stage: PutOn, folder: Path, bundle: str = "esc10-1khz", source: str = "demo-synthetic"
) -> Any:
    """Put an app with real ears on the stage, and press Start."""
    save_settings(Settings(bundle=bundle), folder / "settings.json")
    platform = StandInPlatform()
    platform.stand_in_ears = LocalEars(folder, "onnx")
    ready = stage(KilohearApp(platform, folder, source))
    ready.app.shell.current.toggle()
    return ready


def full(*_args: object, **_kwargs: object) -> Any:
    raise NO_SPACE


def test_the_microphone_is_not_allowed(stage: PutOn, tmp_path: Path) -> None:
    ready = stage(KilohearApp(StandInPlatform(may_record=False), tmp_path))
    ready.app.shell.current.toggle()
    ready.until(lambda: says(ready, "no_permission"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermissionRefused("the system says no"), "no_permission"),
        (MicrophoneBusy("a call has it"), "microphone_busy"),
        (SourceLost("unplugged"), "microphone_lost"),
    ],
)
def test_the_microphone_gives_nothing(
    stage: PutOn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: SourceLost, kind: Kind
) -> None:
    def blocks() -> Any:
        raise error

    source = SimpleNamespace(
        live=True, name="refuses", requested_hz=8_000, rate_hz=8_000, lost_samples=0, blocks=blocks
    )
    monkeypatch.setattr(local, "open_source", lambda *_args: source)
    ready = put_ears(stage, tmp_path, source="microphone")
    ready.until(lambda: says(ready, kind))
    assert any(str(error) in text for text in ready.texts())


def test_there_is_no_bundle(stage: PutOn, tmp_path: Path) -> None:
    ready = put_ears(stage, tmp_path, str(tmp_path / "gone"))
    ready.until(lambda: says(ready, "no_bundle"))


@pytest.mark.parametrize("is_whole", [False, True])
def test_the_bundle_is_damaged_or_of_another_runtime(
    stage: PutOn, tmp_path: Path, is_whole: bool
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(shipped()["esc10-1khz"], bundle)
    (bundle / "student.onnx").write_bytes(b"a format of the future")
    if is_whole:
        card = json.loads((bundle / "card.json").read_text())
        card["sha256"]["student.onnx"] = sha256_of(bundle / "student.onnx")
        card["versions"]["onnxruntime"] = "99.1.0"
        (bundle / "card.json").write_text(json.dumps(card))
    ready = put_ears(stage, tmp_path, str(bundle))
    ready.until(lambda: says(ready, "wrong_runtime" if is_whole else "wrong_bundle"))
    if is_whole:
        detail = ready.app.shell.problem.detail
        assert onnxruntime.__version__ in detail
        assert "onnxruntime 99.1.0" in detail


def test_the_settings_are_broken(stage: PutOn, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    assert says(stage(KilohearApp(StandInPlatform(), tmp_path)), "settings_broken")


def test_the_service_cannot_be_started(stage: PutOn, tmp_path: Path) -> None:
    def launch() -> None:
        raise OSError("not allowed")

    platform = StandInPlatform()
    platform.stand_in_ears = ServiceEars(tmp_path, launch)
    ready = stage(KilohearApp(platform, tmp_path))
    ready.app.shell.current.toggle()
    ready.until(lambda: says(ready, "service_gone"))


def test_the_event_log_finds_no_space(
    stage: PutOn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilohear.event_log.EventLog._append", full)
    ready = put_ears(stage, tmp_path)
    ready.until(lambda: says(ready, "disk_full"), 60)
    assert ready.app.ears.is_listening


def test_an_export_finds_no_space(
    stage: PutOn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = stage(KilohearApp(StandInPlatform(), tmp_path))
    ready.app.shell.go("history")
    monkeypatch.setattr("tempfile.mkstemp", full)
    ready.app.shell.current._export("csv")
    ready.frames()
    assert says(ready, "disk_full")
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_profile_that_can_t_be_shared(
    stage: PutOn, tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, screen, platform = put(stage, tmp_path, phone)
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    ready.frames()
    monkeypatch.setattr(platform, "share", full)
    press(ready, "Share result")
    assert says(ready, "disk_full")


def test_a_profile_finds_no_space(
    stage: PutOn, tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, screen, _ = put(stage, tmp_path, phone)
    phone.at.append((phone.now_s + 30, lambda: monkeypatch.setattr("os.fsync", full)))
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    ready.frames()
    assert says(ready, "disk_full")
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("level", "is_fed", "kind"), [(0.9, True, "charging"), (0.05, False, "battery_low")]
)
def test_a_profile_can_t_begin_with_this_battery(
    stage: PutOn, tmp_path: Path, level: float, is_fed: bool, kind: Kind
) -> None:
    platform = StandInPlatform()
    reading = Reading(0.0, level, 100.0, 4.0, 30.0, is_fed)
    platform.stand_in_battery = StandInBattery(reading)
    ready = stage(KilohearApp(platform, tmp_path))
    ready.app.shell.go("profile")
    ready.frames()
    press(ready, "Start")
    assert says(ready, kind)
    assert not ready.app.shell.current.profiling.is_busy


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"is_fed": True}, "charging"),
        ({"level": 0.05}, "battery_low"),
        ({"is_throttled": True}, "too_hot"),
    ],
)
def test_a_profile_under_way_stops(
    stage: PutOn, tmp_path: Path, phone: Phone, changes: dict[str, object], kind: Kind
) -> None:
    ready, screen, _ = put(stage, tmp_path, phone)
    for name, value in changes.items():
        phone.at.append((phone.now_s + 30, lambda n=name, v=value: setattr(phone, n, v)))
    press(ready, "Start")
    ready.until(lambda: not screen.profiling.is_busy)
    ready.frames()
    assert says(ready, kind)
    assert ready.app.texts("profile.unfinished") in ready.texts()


def test_the_profile_s_microphone_is_not_allowed(
    stage: PutOn, tmp_path: Path, phone: Phone
) -> None:
    ready, screen, _ = put(stage, tmp_path, phone, may_record=False)
    press(ready, "Start")
    assert says(ready, "no_permission")
    assert not screen.profiling.is_busy
