"""The app's ears on an iPhone: LocalEars on a stand-in for AudioQueue."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.sdk.apple import INTERRUPT, SOUND, WAIT, Phone

from kilohear.capture import audio_queue, feed, ios
from kilohear.events import Fault
from kilohear_ui.ears import Ended, Heard, Level, Said, Started, Wish
from kilohear_ui.ears.local import LocalEars


@pytest.fixture
def ears(iphone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEars]:
    monkeypatch.setattr(sys, "platform", "ios")
    monkeypatch.setattr(ios, "Objc", lambda: iphone.objc)
    monkeypatch.setattr(audio_queue, "load", lambda: iphone.toolbox)
    monkeypatch.setattr(audio_queue, "HAND_OVER_S", 60.0)  # the script plays at once
    monkeypatch.setattr(feed, "RETRY_S", 0.0)
    ears = LocalEars(tmp_path, runtime="c")
    yield ears
    ears.close()


def _until(ears: LocalEars, holds: Callable[[list[Said]], object]) -> list[Said]:
    """Take what is said until something holds; fails where it never does."""
    said: list[Said] = []
    deadline_s, pause = time.monotonic() + 20, threading.Event()
    while not holds(said):
        assert time.monotonic() < deadline_s, said
        said += ears.take()
        pause.wait(0.01)
    return said


def _are(kind: type[Said], count: int = 1) -> Callable[[list[Said]], bool]:
    return lambda said: sum(isinstance(each, kind) for each in said) >= count


def test_windows_and_levels_are_told_and_the_microphone_is_let_go_of(
    iphone: Phone, ears: LocalEars, tmp_path: Path
) -> None:
    iphone.act((SOUND, 16), WAIT)  # blocks of half a second
    ears.start(Wish("esc10-1khz"))
    said = _until(ears, _are(Heard, 3))
    assert isinstance(said[0], Started)
    assert (said[0].requested_hz, said[0].granted_hz, said[0].effective_hz) == (8_000, 8_000, 1_000)
    assert [each for each in said if isinstance(each, Level)]
    assert iphone.session.set["active"]
    ears.stop()
    ended = _until(ears, _are(Ended))
    assert [each for each in ended if isinstance(each, Ended)] == [Ended(None)]
    assert not iphone.session.set["active"]
    assert {file.name for file in tmp_path.iterdir()} <= {"events.jsonl"}


def test_denied_is_said_and_allowed_later_is_heard(iphone: Phone, ears: LocalEars) -> None:
    iphone.session.permit("deny")
    iphone.act((SOUND, 16), WAIT)
    ears.start(Wish("esc10-1khz"))
    said = _until(ears, _are(Fault))
    (fault, *_) = [each for each in said if isinstance(each, Fault)]
    assert fault.cause == "permission"
    iphone.session.permit("grnt")
    _until(ears, _are(Heard))


def test_an_interruption_is_said_and_listening_goes_on(iphone: Phone, ears: LocalEars) -> None:
    iphone.act((SOUND, 12), INTERRUPT)
    iphone.act((SOUND, 1_000_000))
    ears.start(Wish("esc10-1khz"))
    said = _until(ears, _are(Fault))
    heard = sum(isinstance(each, Heard) for each in said)
    said += _until(ears, _are(Heard, 3))
    assert "Siri" in next(each.reason for each in said if isinstance(each, Fault))
    assert sum(isinstance(each, Heard) for each in said) >= heard + 3
    assert ears.is_listening
