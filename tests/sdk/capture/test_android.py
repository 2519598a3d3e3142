"""Android's microphone on stand-ins for its classes; run by test_on_java.py.

What the phone gives is a script: see `step` in android_stubs/android/media/AudioRecord.java.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohear import android
from kilohear.backends.android import AndroidBackend
from kilohear.bundle import Bundle, Card
from kilohear.capture import android as module
from kilohear.capture import feed, open_source
from kilohear.capture.android import AndroidMicrophone
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, RateError, SourceLost
from kilohear.events import Detection, Event, Fault, Gap
from kilohear.listener import Listener

FLOAT, PCM16 = 4, 2
UNPROCESSED, VOICE_RECOGNITION = 9, 6


@pytest.fixture(autouse=True)
def _quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.05)
    monkeypatch.setattr(feed, "RETRY_S", 0.01)


def _until_lost(
    source: AndroidMicrophone, look: Callable[[], None] = lambda: None
) -> tuple[list[np.ndarray], str]:
    """The blocks of one opening, with a look at each, and why it ended."""
    heard: list[np.ndarray] = []
    try:
        for block in source.blocks():
            look()
            heard.append(block.copy())
    except SourceLost as error:
        return heard, str(error)
    raise AssertionError("the microphone ended as if it were a recording")


@pytest.mark.parametrize(
    ("rates_hz", "has_float", "has_unprocessed", "rate_hz", "encoding", "source"),
    [
        ((8_000, 16_000, 48_000), True, True, 8_000, FLOAT, UNPROCESSED),
        ((16_000, 48_000), True, False, 16_000, FLOAT, VOICE_RECOGNITION),
        ((48_000,), False, True, 48_000, PCM16, UNPROCESSED),
    ],
)
def test_the_first_rate_that_is_granted_is_taken(
    phone: Any,
    rates_hz: tuple[int, ...],
    has_float: bool,
    has_unprocessed: bool,
    rate_hz: int,
    encoding: int,
    source: int,
) -> None:
    phone.grantRates(_java_list(rates_hz))
    phone.grantsFloat, phone.hasUnprocessed = has_float, has_unprocessed
    microphone = open_source("microphone")
    assert isinstance(microphone, AndroidMicrophone)
    assert (microphone.requested_hz, microphone.rate_hz) == (8_000, rate_hz)
    assert (phone.requestedEncoding, phone.requestedSource) == (encoding, source)
    assert microphone.kind == ("UNPROCESSED" if has_unprocessed else "VOICE_RECOGNITION")
    assert phone.open == 0


def test_what_cannot_record_is_refused_when_made(phone: Any) -> None:
    with pytest.raises(RateError, match=r"grants none of 11,025 Hz"):
        AndroidMicrophone(rates_hz=(11_025,))
    phone.revoke("RECORD_AUDIO")
    with pytest.raises(AudioError, match=r"RECORD_AUDIO isn't granted; ask for it with"):
        AndroidMicrophone()
    android.java("org.kivy.android.PythonActivity").mActivity = None
    with pytest.raises(AudioError, match=r"no Android app is around this Python"):
        AndroidMicrophone()


@pytest.mark.parametrize("has_float", [True, False])
def test_samples_arrive_and_nothing_stays_behind(phone: Any, has_float: bool) -> None:
    phone.grantsFloat = has_float
    phone.play("tone 0.55")
    source = AndroidMicrophone()
    left: list[int] = []
    heard, _ = _until_lost(source, lambda: left.append(phone.leftBehind()))
    assert [len(block) for block in heard] == [800] * 5 + [400]
    assert left == [0] * 6
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(4_400) / 8_000)
    np.testing.assert_allclose(np.concatenate(heard), tone, atol=1e-6 if has_float else 2e-5)
    assert not any(source._heap.array().tostring())
    assert phone.open == 0


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("error -6", "reading gives ERROR_DEAD_OBJECT; open it again"),
        ("error -77", "reading gives -77"),
        ("error -1", "reading gives ERROR;"),
        ("revoke, error -3", "RECORD_AUDIO isn't granted"),
        ("revoke, zeros 1", "RECORD_AUDIO isn't granted"),
        ("mode 2, error -1", "a call has it; wait"),
        ("silence, zeros 1", "Android gives silence: another app"),
        ("silence, mode 3, zeros 1", "a call has it; wait"),
        ("nonsense", "Android refuses (IllegalStateException: no step nonsense)"),
        ("zeros 0", "it gave nothing for 0.05 s"),
    ],
)
def test_a_microphone_that_is_taken_away_says_by_whom(phone: Any, then: str, why: str) -> None:
    phone.play(f"tone 0.3, {then}")
    heard, message = _until_lost(AndroidMicrophone())
    assert len(heard) == 3  # silence that isn't the room's is never given
    assert all(block.any() for block in heard)
    assert message.startswith("Android microphone (UNPROCESSED): ")
    assert why in message
    assert phone.open == 0


def test_a_silent_room_is_no_fault_of_the_phone(phone: Any) -> None:
    phone.play("zeros 0.3, tone 0.1")
    heard, _ = _until_lost(AndroidMicrophone())
    assert [block.any() for block in heard] == [False, False, False, True]


def test_before_android_10_silence_in_a_call_is_the_calls(phone: Any) -> None:
    android.java("android.os.Build$VERSION").SDK_INT = 28
    phone.play("zeros 0.2, mode 2, tone 0.1, zeros 0.1")
    heard, message = _until_lost(AndroidMicrophone())
    assert [block.any() for block in heard] == [False, False, True]
    assert "a call has it" in message


def test_a_microphone_that_does_not_start_is_let_go(phone: Any) -> None:
    heard, message = _until_lost(AndroidMicrophone())
    assert (heard, phone.open) == ([], 0)
    assert "doesn't start it; close other apps" in message


def test_losses_are_counted_over_openings(phone: Any) -> None:
    phone.play("tone 0.5, lose 4000, tone 0.5")
    phone.play("tone 0.5, lose 12000, tone 0.5")
    source = AndroidMicrophone()
    for lost in (4_000, 16_000):
        _until_lost(source)
        assert source.lost_samples == pytest.approx(lost, abs=2)


def test_a_listener_reports_a_revoked_permission_and_comes_back(
    phone: Any, tmp_path: Path, card_factory: Callable[..., Card]
) -> None:
    (tmp_path / "student.pte").write_text("loudness")
    classifier = Classifier(
        Bundle(tmp_path, card_factory()), AndroidBackend(tmp_path / "student.pte")
    )
    phone.play("tone 3, revoke, zeros 1")
    phone.play("zeros 1.5, tone 3")
    heard: list[Event | Gap | Fault] = []
    over = threading.Event()

    def take(item: Event | Gap | Fault) -> None:
        heard.append(item)
        if isinstance(item, Fault):
            phone.grant("RECORD_AUDIO")
        if sum(isinstance(each, Event) for each in heard) == 3:
            over.set()

    listener = Listener(classifier, AndroidMicrophone(), detection=Detection(smoothing_s=0.0))
    listener.start(take)
    assert over.wait(30)
    listener.stop()
    loud, fault, gap, quiet, again = heard[:5]
    assert isinstance(loud, Event)
    assert isinstance(fault, Fault)
    assert isinstance(gap, Gap)
    assert isinstance(quiet, Event)
    assert isinstance(again, Event)
    assert [event.label for event in (loud, quiet, again)] == ["loud", "quiet", "loud"]
    assert "RECORD_AUDIO isn't granted" in fault.reason
    assert (gap.cause, gap.start_s) == ("outage", fault.start_s)
    assert quiet.start_s >= fault.start_s == pytest.approx(3.0)
    assert again.start_s > quiet.start_s
    assert phone.open == 0


def _java_list(numbers: tuple[int, ...]) -> Any:
    there = android.java("java.util.ArrayList")()
    for number in numbers:
        there.add(number)
    return there
