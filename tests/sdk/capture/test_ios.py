"""An iPhone's microphone on stand-ins for AudioToolbox and AVAudioSession."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.sdk.apple import (
    BUFFERS,
    ENQUEUE,
    FORGET_TIME,
    INTERRUPT,
    INVALIDATE,
    JUMP,
    NEW_INPUT,
    NO_TIME,
    QUEUES,
    SOUND,
    START,
    THREADS,
    WAIT,
    ZEROS,
    Phone,
    sine,
)

from kilohear.bundle import Bundle, Card
from kilohear.capture import Source, audio_queue, feed, ios, open_source
from kilohear.capture.feed import Feed, Item, Switch
from kilohear.capture.ios import IosMicrophone
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, ConfigError, RateError, SourceLost
from kilohear.events import Detection, Event, Fault, Gap
from kilohear.listener import Listener

Blocks = Generator[NDArray[np.float32], None, None]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RETRY_S", 0.0)


def _microphone(iphone: Phone, **options: Any) -> IosMicrophone:
    return IosMicrophone(toolbox=iphone.toolbox, objc=iphone.objc, **options)


def _blocks(source: IosMicrophone) -> Blocks:
    return cast(Blocks, source.blocks())


def _heard(source: IosMicrophone, match: str) -> NDArray[np.float32]:
    """Return all until the source is lost, whose reason must match."""
    heard = [np.zeros(0, np.float32)]
    with pytest.raises(SourceLost, match=match):
        heard.extend(source.blocks())
    return np.concatenate(heard)


def test_the_sound_comes_whole_and_three_rates_are_told_apart(iphone: Phone) -> None:
    iphone.act((SOUND, 7), INTERRUPT)
    source = _microphone(iphone)
    assert isinstance(source, Source)
    assert (source.live, source.hardware_hz) == (True, None)
    np.testing.assert_allclose(_heard(source, "a call"), sine(5_600), atol=1e-6)
    assert (source.requested_hz, source.rate_hz, source.hardware_hz) == (8_000, 8_000, 48_000)
    assert source.lost_samples == 0


def test_the_session_records_and_lets_others_go_on_afterwards(iphone: Phone) -> None:
    iphone.act((SOUND, 1), WAIT)
    source = _microphone(iphone)
    assert iphone.session.set == {
        "category": "AVAudioSessionCategoryRecord",
        "mode": "AVAudioSessionModeMeasurement",
        "options": 0,
        "rate_hz": 8_000.0,
    }
    blocks = _blocks(source)
    next(blocks)
    assert iphone.session.set["active"]
    blocks.close()
    assert (iphone.session.set["active"], iphone.session.set["others_are_told"]) == (False, True)


def test_the_lowest_rate_that_is_granted_is_taken(iphone: Phone) -> None:
    iphone.rates(lowest=16_000)
    source = _microphone(iphone)
    assert (source.requested_hz, source.rate_hz) == (8_000, 16_000)
    assert iphone.count(QUEUES) == 0
    iphone.act((SOUND, 2), INTERRUPT)
    np.testing.assert_allclose(_heard(source, "a call"), sine(3_200, 16_000), atol=1e-6)


def test_where_no_rate_is_granted_the_reasons_are_given(iphone: Phone) -> None:
    iphone.rates(lowest=96_000)
    with pytest.raises(RateError, match=r"8,000 Hz: 'fmt\?', the format.*48,000 Hz: 'fmt\?'"):
        _microphone(iphone)
    iphone.rates(lowest=0, reported=44_100)
    with pytest.raises(RateError, match="8,000 Hz: gives 44100 Hz instead"):
        _microphone(iphone, rates_hz=(8_000,))
    with pytest.raises(ConfigError, match="above 0"):
        _microphone(iphone, block_s=0)


def test_what_is_denied_is_said_with_the_way_out(iphone: Phone) -> None:
    iphone.session.permit("deny")
    assert len(_heard(_microphone(iphone), "microphone: the user has denied.*Settings >")) == 0


def test_denied_while_ios_asks_ends_the_zeros(
    iphone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ios, "LOOK_S", 0.1)
    iphone.session.permit("undt")
    iphone.act((ZEROS, 3), WAIT)
    blocks = _blocks(_microphone(iphone))
    assert not next(blocks).any()
    iphone.session.permit("deny")
    with pytest.raises(SourceLost, match="denied"):
        next(blocks)


def test_a_session_that_is_refused_is_lost(iphone: Phone) -> None:
    source = _microphone(iphone)
    iphone.session.activations = [False]
    _heard(source, "can't be activated; end the call")
    iphone.session.is_input_available = False
    _heard(source, "no microphone is connected; plug one in")
    iphone.session.category_refused = True
    _heard(source, "can't be set to recording")
    with pytest.raises(AudioError, match="can't be set to recording"):
        _microphone(iphone)


def test_a_queue_that_is_refused_is_lost_and_opened_again(iphone: Phone) -> None:
    source = _microphone(iphone)
    iphone.fail(START, int.from_bytes(b"!int", "big"))
    _heard(source, "'!int', an app off the screen can't start the microphone")
    iphone.fail(NEW_INPUT, -66671)
    _heard(source, "audio services were restarted")
    iphone.act((SOUND, 1), INTERRUPT)
    assert len(_heard(source, "a call")) == 800


def test_another_microphone_is_a_loss_and_is_taken_then(
    iphone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ios, "LOOK_S", 0.2)
    iphone.act((SOUND, 9), WAIT)
    source = _microphone(iphone)
    blocks = _blocks(source)
    next(blocks)
    iphone.session.ports, iphone.session.sampleRate = ["Headset"], 16_000.0
    next(blocks)
    with pytest.raises(SourceLost, match="changed from Built-in to Headset; it is opened again"):
        next(blocks)
    iphone.act((SOUND, 9), WAIT)
    blocks = _blocks(source)
    next(blocks)
    assert source.hardware_hz == 16_000
    iphone.session.ports = []
    next(blocks)
    with pytest.raises(SourceLost, match="changed from Headset to none"):
        next(blocks)


def test_a_queue_whose_buffers_never_come_back_is_lost(
    iphone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ios, "STALL_S", 0.5)
    iphone.act((SOUND, 1), WAIT, (SOUND, 1))
    source = _microphone(iphone)
    assert len(_heard(source, "it gave nothing for 0.5 s; see whether another app")) == 800


def test_restarted_audio_services_are_named(iphone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ios, "STALL_S", 0.5)
    source = _microphone(iphone)
    iphone.act((SOUND, 1), INVALIDATE)
    _heard(source, "audio services were restarted; it is opened again")
    iphone.act((SOUND, 1), WAIT, (SOUND, 1))
    blocks = _blocks(source)
    next(blocks)
    iphone.wait()
    iphone.fail(ENQUEUE, -66671)  # one buffer can't be given back, the queue seems well
    iphone.proceed()
    next(blocks)
    with pytest.raises(SourceLost, match="audio services were restarted; it is opened again"):
        next(blocks)


@pytest.mark.parametrize("per_sample", [1.0, 6.0])
def test_a_jump_of_the_sample_time_is_a_loss(iphone: Phone, per_sample: float) -> None:
    iphone.times(per_sample, wobble=60)
    iphone.act((SOUND, 5), (JUMP, 4_000), (SOUND, 5), INTERRUPT)
    source = _microphone(iphone)
    blocks = _blocks(source)
    counted = []
    for _ in range(10):
        next(blocks)
        counted.append(source.lost_samples)
    blocks.close()
    assert counted[:5] == [0] * 5
    assert counted[5:] == [pytest.approx(4_000, abs=130)] * 5


def test_a_time_that_begins_anew_or_is_missing_is_no_loss(iphone: Phone) -> None:
    iphone.act((SOUND, 3), FORGET_TIME, (SOUND, 3), NO_TIME, (SOUND, 3), INTERRUPT)
    source = _microphone(iphone)
    assert len(_heard(source, "a call")) == 7_200
    assert source.lost_samples == 0


def test_what_waits_too_long_is_lost_and_counted_in_the_end(iphone: Phone) -> None:
    iphone.act((SOUND, 50), WAIT)
    source = _microphone(iphone)
    blocks = _blocks(source)
    next(blocks)
    iphone.wait()
    assert source.lost_samples == 0
    blocks.close()
    assert source.lost_samples in (29 * 800, 30 * 800)  # 20 waited, one was read


def test_what_was_lost_before_a_block_that_waits_is_counted_in_the_end(iphone: Phone) -> None:
    iphone.act((SOUND, 40), WAIT, (SOUND, 5), WAIT)
    source = _microphone(iphone)
    blocks = _blocks(source)
    next(blocks)
    iphone.wait()
    next(blocks)  # makes room for one that knows of the loss before it
    iphone.proceed()
    iphone.wait()
    blocks.close()
    assert source.lost_samples == 23 * 800  # 20 waited, two were read


def test_blocks_are_the_readers_alone(iphone: Phone) -> None:
    iphone.act((SOUND, 3), INTERRUPT)
    blocks = _blocks(_microphone(iphone))
    given = []
    for block in (next(blocks) for _ in range(3)):
        given.append(block.copy())
        block.fill(0)
    blocks.close()
    np.testing.assert_allclose(np.concatenate(given), sine(2_400), atol=1e-6)


def test_two_hundred_rounds_leave_nothing_behind(iphone: Phone) -> None:
    source = _microphone(iphone)
    for _ in range(200):
        iphone.act((SOUND, 1_000_000))
        blocks = _blocks(source)
        assert next(blocks).any()
        blocks.close()  # the callback is running or about to
        assert [iphone.count(what) for what in (QUEUES, BUFFERS, THREADS)] == [0, 0, 0]


def test_the_address_of_a_phones_microphone(iphone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "ios")
    monkeypatch.setattr(ios, "Objc", lambda: iphone.objc)
    monkeypatch.setattr(audio_queue, "load", lambda: iphone.toolbox)
    assert isinstance(open_source("microphone"), IosMicrophone)


@pytest.fixture
def classifier(card_factory: Callable[..., Card], loudness: Any) -> Classifier:
    return Classifier(Bundle(Path("nowhere"), card_factory()), loudness)


def test_a_listener_hears_on_after_an_interruption(
    iphone: Phone, classifier: Classifier, loudness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_queue, "HAND_OVER_S", 60.0)  # the script plays at once
    iphone.act((SOUND, 20), (ZEROS, 10), (SOUND, 10), INTERRUPT)
    iphone.act((SOUND, 1_000_000))
    listener = Listener(classifier, _microphone(iphone), detection=Detection(smoothing_s=0.0))
    iphone.session.activations = [True, False, False, False]  # while the call lasts
    heard = []
    for item in listener.hear():
        heard.append(item)
        if isinstance(item, Gap) and item.cause == "outage":
            listener.stop()
    faults = [item for item in heard if isinstance(item, Fault)]
    outages = [item for item in heard if isinstance(item, Gap) and item.cause == "outage"]
    assert [fault.reason.partition(":")[0] for fault in faults] == ["microphone"]
    assert "Siri" in faults[0].reason
    assert faults[0].start_s == pytest.approx(4.0)
    assert [outage.start_s for outage in outages] == [pytest.approx(4.0)]
    before = [item for item in heard if isinstance(item, Event) and item.start_s < 4]
    assert [event.label for event in before] == ["loud", "quiet", "loud"]
    assert listener.effective_hz == (1_000,)
    assert {waveform.shape for waveform in loudness.waveforms} == {(1, 1_000)}


def test_a_feed_asks_again_until_the_user_allows(iphone: Phone) -> None:
    iphone.session.permit("deny")
    iphone.act((SOUND, 2), WAIT)
    switch = Switch()
    source = _microphone(iphone)
    marks: list[Item] = []
    for item in Feed(source, frozenset((1_000,)), switch).items():
        if isinstance(item, Fault | Gap):
            marks.append(item)
            iphone.session.permit("grnt")
        else:
            switch.set(stopped=any(isinstance(mark, Gap) for mark in marks))
    assert [type(mark) for mark in marks] == [Fault, Gap]
    assert "denied" in cast(Fault, marks[0]).reason


def test_muted_zeros_are_a_fault(iphone: Phone) -> None:
    iphone.act((ZEROS, 21), WAIT)
    switch = Switch()
    faults = []
    for item in Feed(_microphone(iphone), frozenset((1_000,)), switch).items():
        if isinstance(item, Fault):
            faults.append(dataclasses.replace(item, start_s=0.0))
            switch.set(stopped=True)
    assert len(faults) == 1
    assert "exact zeros for 2 s" in faults[0].reason
