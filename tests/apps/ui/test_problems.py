"""Problems: every one is made by a real error, and has texts that say what to do."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from kilohear import Bundle, Decimator, extras, open_source, shipped
from kilohear.capture.feed import Feed, Switch
from kilohear.errors import KilohearError, MicrophoneBusy, PermissionRefused, SourceLost
from kilohear.event_log import EventLog
from kilohear.events import Fault
from kilohear.files import sha256_of
from kilohear_ui.power import Reading
from kilohear_ui.problems import Kind, Problem, problem_of
from kilohear_ui.profile import TooHot
from kilohear_ui.profile.runner import require_unplugged
from kilohear_ui.texts import LANGUAGES, Texts

KINDS = get_args(Kind)


def raised(call: Callable[[], object]) -> Problem:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is tested
        call()
    return problem_of(caught.value)


class Live:
    """A microphone that gives what it was made with: an error, or blocks."""

    live, name, requested_hz, rate_hz, lost_samples = True, "script", 8_000, 8_000, 0

    def __init__(self, given: SourceLost | np.ndarray) -> None:
        self.given = given

    def blocks(self) -> Any:
        if isinstance(self.given, SourceLost):
            raise self.given
        while True:
            yield self.given.copy()


def fault(given: SourceLost | np.ndarray) -> Problem:
    for item in Feed(Live(given), frozenset({1_000}), Switch()).items():
        if isinstance(item, Fault):
            return problem_of(item)
    raise AssertionError("no fault")


def copied(tmp_path: Path) -> Path:
    shutil.copytree(shipped()["esc10-1khz"], tmp_path / "bundle")
    return tmp_path / "bundle"


def wrong_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    bundle = copied(tmp_path)
    with (bundle / "student.onnx").open("ab") as file:
        file.write(b"more")
    return raised(lambda: Bundle.load(bundle))


def wrong_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """A file of a later runtime: whole by its hash, and refused by the one that is installed."""
    bundle = copied(tmp_path)
    (bundle / "student.onnx").write_bytes(b"a format of the future")
    card = json.loads((bundle / "card.json").read_text())
    card["sha256"]["student.onnx"] = sha256_of(bundle / "student.onnx")
    (bundle / "card.json").write_text(json.dumps(card))
    return raised(lambda: Bundle.load(bundle).open("onnx"))


def no_microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    nothing = SimpleNamespace(
        query_devices=list,
        default=SimpleNamespace(device=(-1, -1)),
        PortAudioError=type("PortAudioError", (Exception,), {}),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", nothing)  # type: ignore[arg-type]
    return raised(lambda: open_source("microphone"))


def no_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # type: ignore[arg-type]
    return raised(lambda: extras.load("onnxruntime"))


def charging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    fed = Reading(at_s=0, level=1, current_ma=1, voltage_v=4, celsius=20, is_fed=True)
    return raised(lambda: require_unplugged(fed, 0.2))


def battery_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    low = Reading(at_s=0, level=0.1, current_ma=1, voltage_v=4, celsius=20, is_fed=False)
    return raised(lambda: require_unplugged(low, 0.2))


def too_hot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    def wait_in_vain() -> None:
        raise TooHot("45 degrees after 10 min of rest")

    return raised(wait_in_vain)


def service_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    remote = importlib.import_module("kilohear_ui.ears.remote")
    return raised(lambda: remote.dial(tmp_path))


MADE: dict[str, Callable[[Path, pytest.MonkeyPatch], Problem]] = {
    "no_permission": lambda *_: fault(PermissionRefused("denied")),
    "microphone_busy": lambda *_: fault(MicrophoneBusy("a call")),
    "microphone_silent": lambda *_: fault(np.zeros(8_000, np.float32)),
    "microphone_lost": lambda *_: fault(SourceLost("unplugged")),
    "no_microphone": no_microphone,
    "no_bundle": lambda *_: raised(lambda: Bundle.load("nowhere")),
    "wrong_bundle": wrong_bundle,
    "wrong_runtime": wrong_runtime,
    "no_runtime": no_runtime,
    "rate_too_low": lambda *_: raised(lambda: Decimator(500, 1_000)),
    "disk_full": lambda *_: raised(lambda: EventLog("/dev/full").write(Fault(0.0, "why"))),
    "charging": charging,
    "battery_low": battery_low,
    "too_hot": too_hot,
    "service_gone": service_gone,
    "recording": lambda folder, _: raised(lambda: open_source(folder / "nowhere.wav")),
    "other": lambda *_: raised(lambda: (_ for _ in ()).throw(KilohearError("what else"))),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "settings_broken"])
def test_each_kind_is_what_a_real_error_becomes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "disk_full" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    problem = MADE[kind](tmp_path, monkeypatch)
    assert problem.kind == kind
    assert problem.detail


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_what_it_is_and_what_to_do(language: str, kind: str) -> None:
    texts = Texts(language)
    title, what_to_do = (texts(f"problems.{kind}.{part}") for part in ("title", "what_to_do"))
    assert title[0].isupper()
    assert not title.endswith(".")
    assert what_to_do.endswith(".")
    assert what_to_do != Texts("en" if language == "de" else "de")(f"problems.{kind}.what_to_do")


def test_an_error_without_words_is_named() -> None:
    assert problem_of(MemoryError()) == Problem("other", "MemoryError")
