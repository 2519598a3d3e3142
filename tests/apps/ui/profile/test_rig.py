"""The rig: real students and capture, from a microphone by script; nothing runs afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kilohear.errors import SourceLost
from kilohear_ui.power.desktop import DesktopBattery
from kilohear_ui.profile import rig as module
from kilohear_ui.profile.config import ProfileConfig
from kilohear_ui.profile.kept import ProfileFolder
from kilohear_ui.profile.plan import STATES, State
from kilohear_ui.profile.rig import DeviceRig
from kilohear_ui.profile.runner import About, Over, Told, begin_profile
from kilohear_ui.profile.subject import Subject, subjects_of
from kilohear_ui.profile.summary import summarise

CONFIG = ProfileConfig(bundles=("esc10-1khz",), runtimes=("onnx",))


class ScriptMicrophone:
    """Gives noise as fast as it is read, an hour in all, and says when it was read far enough."""

    live = True
    name = "a script's microphone"
    requested_hz = rate_hz = 8_000
    lost_samples = 0

    def __init__(self, seconds: int = 3600, error: SourceLost | None = None) -> None:
        self.heard, self.opened = threading.Event(), 0
        self._seconds, self._error = seconds, error

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        self.opened += 1
        random = np.random.default_rng(0)
        try:
            for second in range(self._seconds):
                if self._error is not None:
                    self.heard.set()
                    raise self._error
                if second == 8:
                    self.heard.set()
                yield (0.1 * random.standard_normal(8_000)).astype(np.float32)
        finally:
            self.opened -= 1


@pytest.fixture
def subject() -> Subject:
    return subjects_of(CONFIG)[0]


def rig_with(
    microphone: ScriptMicrophone, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> DeviceRig:
    monkeypatch.setattr(module, "open_source", lambda _address: microphone)
    rig = DeviceRig([subject], "microphone")
    rig.open()
    return rig


@pytest.mark.parametrize("state", STATES)
def test_a_state_begins_and_ends(
    state: State, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    microphone, before = ScriptMicrophone(), threading.active_count()
    rig = rig_with(microphone, subject, monkeypatch)
    with rig.doing(state, subject.name) as activity:
        if state in ("microphone", "listening"):
            assert microphone.heard.wait(20)
        assert (activity.work is not None) == (state == "inference")
        if activity.work is not None:
            activity.work()
        activity.check()
    assert microphone.opened == 0
    assert threading.active_count() == before
    assert (activity.heard() > 0) == (state == "listening")
    assert rig.versions(subject.name).keys() == {"onnx"}


@pytest.mark.parametrize("state", ["microphone", "listening"])
def test_a_microphone_that_is_gone_is_said(
    state: State, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    microphone = ScriptMicrophone(error=SourceLost("a call has it"))
    rig = rig_with(microphone, subject, monkeypatch)
    with rig.doing(state, subject.name) as activity:
        assert microphone.heard.wait(20)
        while not activity.fault:
            threading.Event().wait(0.01)
        with pytest.raises(SourceLost, match="a call has it"):
            activity.check()


def test_this_computer_is_profiled_without_a_battery(tmp_path: Path) -> None:
    """The real students by the real clock: what a desktop without a battery gives."""
    said: list[Told] = []
    folder = ProfileFolder(tmp_path)
    about = About("0.1.0", "Linux", "x86_64")
    runner = begin_profile(folder, CONFIG, about, DesktopBattery(tmp_path), said.append)
    runner.start()
    assert runner._thread is not None
    runner._thread.join(60)
    (over,) = [each for each in said if isinstance(each, Over)]
    assert over.how == "finished"
    profile = folder.profile()
    assert profile is not None
    assert profile.no_energy == "no_battery"
    (row,) = summarise(profile, folder.steps())
    assert row.latency_ms is not None
    assert row.latency_p95_ms is not None
    assert 0 < row.latency_ms <= row.latency_p95_ms
