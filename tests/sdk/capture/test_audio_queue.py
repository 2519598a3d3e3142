"""AudioToolbox's queue on a stand-in in C: times, losses, and that nothing is left of it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sdk.apple import (
    ALLOCATE,
    DIRTY,
    ENQUEUE,
    LISTEN,
    NEW_INPUT,
    SOUND,
    START,
    WAIT,
    Phone,
    sine,
)

from kilohear.capture import audio_queue
from kilohear.capture.audio_queue import AudioQueue, Timeline, describe
from kilohear.errors import AudioError, SourceLost


def _queue(iphone: Phone) -> AudioQueue:
    audio_queue.declare(iphone.toolbox)
    return AudioQueue(iphone.toolbox, 8_000, 48_000, 800)


def test_structures_have_the_size_they_have_in_c() -> None:
    assert ctypes.sizeof(audio_queue.StreamDescription) == 40
    assert ctypes.sizeof(audio_queue.Buffer) == 56
    assert ctypes.sizeof(audio_queue.TimeStamp) == 64


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (0x666D743F, "'fmt?', the format isn't offered"),
        (0x21707269, "'!pri', a call or another app goes first"),
        (-66671, "-66671, the system's audio services were restarted"),
        (-50, "-50"),
        (0x61626364, "'abcd'"),
    ],
)
def test_a_status_is_readable(status: int, shown: str) -> None:
    assert describe(status) == shown


@given(
    blocks=st.lists(
        st.tuples(st.integers(1, 4_000), st.sampled_from([0, 0, 300, 5_000])), min_size=3
    ),
    hardware_hz=st.sampled_from([0, 8_000, 44_100, 48_000]),
    counts_hardware=st.booleans(),
    start=st.floats(0, 1e12),
)
def test_losses_are_found_whoever_counts(
    blocks: list[tuple[int, int]], hardware_hz: int, counts_hardware: bool, start: float
) -> None:
    scale = (hardware_hz or 8_000) / 8_000 if counts_hardware else 1.0
    timeline = Timeline(8_000, hardware_hz)
    found, made = [], 0
    for i, (samples, lost) in enumerate(blocks):
        lost = lost if i > 1 else 0  # the first two show what is counted
        made += lost
        found.append(timeline.lost_before(start + scale * made, samples) == lost)
        made += samples
    assert all(found)


def test_small_losses_add_up_and_jitter_is_none() -> None:
    timeline = Timeline(8_000, 8_000)
    wobbling = [timeline.lost_before(800 * i + 90 * (-1) ** i, 800) for i in range(100)]
    assert sum(wobbling) == 0
    timeline = Timeline(8_000, 8_000)
    losing = [timeline.lost_before(850 * i, 800) for i in range(100)]
    assert 50 * 99 - 200 < sum(losing) <= 50 * 99


def test_a_time_that_begins_anew_is_no_loss() -> None:
    timeline = Timeline(8_000, 48_000)
    times = [0, 4_800, 9_600, 0, 4_800, 14_400, None, 500_000, 504_800, 514_400]
    lost = [timeline.lost_before(at, 800) for at in times]
    assert lost == [0] * 5 + [800] + [0] * 3 + [800]


@pytest.mark.parametrize("function", [NEW_INPUT, ALLOCATE, ENQUEUE, START, LISTEN])
def test_whatever_fails_leaves_nothing_open(iphone: Phone, function: int) -> None:
    iphone.fail(function, -66681)
    with pytest.raises(SourceLost, match="-66681, the queue can't start"):
        _queue(iphone)


def test_what_the_reader_leaves_waiting_is_bounded_and_counted(iphone: Phone) -> None:
    iphone.act((SOUND, 50), WAIT)
    queue = _queue(iphone)
    iphone.wait()
    first = [queue.read(1.0) for _ in range(20)]
    assert [lost for lost, _ in first] == [0] * 20
    np.testing.assert_allclose(
        np.concatenate([block for _, block in first]), sine(16_000), atol=1e-6
    )
    assert queue.lost == 30 * 800
    queue.close()


def test_the_loss_lies_before_the_block_that_follows_it(iphone: Phone) -> None:
    iphone.act((SOUND, 30), WAIT, (SOUND, 1))
    queue = _queue(iphone)
    iphone.wait()
    for _ in range(20):
        queue.read(1.0)
    iphone.proceed()
    lost, block = queue.read(1.0)
    assert lost == 10 * 800
    np.testing.assert_allclose(block, sine(800, start=30 * 800), atol=1e-6)
    queue.close()


def test_every_buffer_is_overwritten_and_so_is_what_waits(iphone: Phone) -> None:
    iphone.act((SOUND, 10), WAIT)
    queue = _queue(iphone)
    iphone.wait()
    waiting = [block for _, block in queue._waiting]
    assert len(waiting) == 10
    assert all(block.any() for block in waiting)
    queue.close()
    assert not any(block.any() for block in waiting)
    assert iphone.count(DIRTY) == 0


def test_an_error_in_the_callback_is_the_readers(
    iphone: Phone, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Timeline, "lost_before", fail)
    iphone.act((SOUND, 3))
    queue = _queue(iphone)
    with pytest.raises(SourceLost, match="no room"):
        queue.read(5.0)
    queue.close()
    assert capfd.readouterr().err == ""


def test_elsewhere_there_is_no_audio_toolbox() -> None:
    with pytest.raises(AudioError, match="part of iOS: elsewhere use the microphone through"):
        audio_queue.load()
