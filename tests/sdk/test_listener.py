"""The listener: windows, events and their times; what was heard is overwritten."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kilohear
from kilohear.bundle import Bundle, Card
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, BundleError, ConfigError, RateError
from kilohear.event_log import EventLog
from kilohear.events import Detection, Event
from kilohear.listener import Listener

STEADY = Detection(smoothing_s=0.0)


@pytest.fixture
def classifier(card_factory: Callable[..., Card], loudness: Any) -> Classifier:
    return Classifier(Bundle(Path("nowhere"), card_factory()), loudness)


def _scene(*loud: bool, rate_hz: int = 8_000) -> np.ndarray:
    """A second of a 200 Hz tone for each True, of silence for each False."""
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate_hz) / rate_hz)
    return np.concatenate([tone * is_loud for is_loud in loud]).astype(np.float32)


def test_events_have_the_time_of_their_windows(classifier: Classifier, array_source: Any) -> None:
    source = array_source(_scene(False, False, True, True, False, False), 8_000)
    events = list(Listener(classifier, source, detection=STEADY, report="both"))
    found = [(e.label, e.start_s, e.end_s) for e in events]
    # A window that is half loud is loud: windows of 1 s every 0.5 s.
    assert found == [
        ("quiet", 0.0, None),
        ("quiet", 0.0, 2.0),
        ("loud", 1.5, None),
        ("quiet", 4.0, None),
        ("loud", 1.5, 4.5),
        ("quiet", 4.0, 6.0),
    ]


@pytest.mark.parametrize(("report", "number"), [("onset", 2), ("ended", 2), ("both", 4)])
def test_report_chooses_beginnings_and_ends(
    classifier: Classifier, array_source: Any, report: Any, number: int
) -> None:
    source = array_source(_scene(False, True, True), 8_000)
    events = list(Listener(classifier, source, detection=STEADY, report=report))
    assert len(events) == number
    assert report == "both" or all((e.end_s is None) == (report == "onset") for e in events)


@pytest.mark.parametrize(
    ("samples", "spans_s"),
    [
        (300, [(0.0, 0.3)]),
        (1_000, [(0.0, 1.0)]),
        (1_249, [(0.0, 1.0)]),
        (1_250, [(0.0, 1.0), (0.5, 1.25)]),
        (1_500, [(0.0, 1.0), (0.5, 1.5)]),
    ],
)
def test_what_is_left_is_padded_from_half_a_hop(
    classifier: Classifier,
    loudness: Any,
    array_source: Any,
    samples: int,
    spans_s: list[tuple[float, float]],
) -> None:
    listener = Listener(classifier, array_source(np.ones(samples, np.float32), 1_000))
    assert [(w.start_s, w.end_s) for w in listener.windows()] == spans_s
    start_s, end_s = spans_s[-1]
    last = loudness.waveforms[-1][0]
    heard = round((end_s - start_s) * 1_000)
    assert np.all(last[:heard] == 1.0)
    assert not last[heard:].any()


def test_windows_are_those_of_the_whole_clip_decimated(
    classifier: Classifier, loudness: Any, array_source: Any
) -> None:
    clip = np.random.default_rng(0).uniform(-1, 1, 3 * 44_100).astype(np.float32)
    list(Listener(classifier, array_source(clip, 44_100, block=441)).windows())
    low = kilohear.decimate(clip, 44_100, 1_000)
    for i, waveform in enumerate(loudness.waveforms):
        np.testing.assert_array_equal(waveform[0], low[i * 500 : i * 500 + 1_000])
    assert len(loudness.waveforms) == 5


def test_every_block_is_overwritten(classifier: Classifier, array_source: Any) -> None:
    source = array_source(_scene(True, True), 8_000)
    list(Listener(classifier, source))
    assert source.given
    assert not any(block.any() for block in source.given)


def test_the_three_rates_are_told_apart(classifier: Classifier, array_source: Any) -> None:
    source = array_source(_scene(True, rate_hz=16_000), 16_000)
    source.requested_hz = 8_000
    listener = Listener(classifier, source)
    rates = listener.requested_hz, listener.granted_hz, listener.effective_hz
    assert rates == (8_000, 16_000, (1_000,))


def test_a_rate_below_the_students_is_refused_before_listening(
    classifier: Classifier, array_source: Any
) -> None:
    with pytest.raises(RateError, match=r"800 Hz.*1,000 Hz"):
        Listener(classifier, array_source(np.zeros(800, np.float32), 800))


def test_a_stream_may_be_heard_again(classifier: Classifier, array_source: Any) -> None:
    listener = Listener(classifier, array_source(_scene(True, False), 8_000))
    next(iter(listener))  # leaves a stream half heard
    assert list(listener) == list(listener) != []


def test_a_sample_that_is_no_number_stops_the_loop(
    classifier: Classifier, array_source: Any
) -> None:
    clip = _scene(True, True)
    clip[100] = np.nan
    with pytest.raises(AudioError, match="nan"):
        list(Listener(classifier, array_source(clip, 8_000)))


def test_the_three_lines_of_the_readme(
    bundle_path: Path, recording_factory: Callable[..., Path]
) -> None:
    path = recording_factory(_scene(True, True))
    events = [(e.label, e.start_s) for e in kilohear.Listener(bundle_path, path)]
    assert events == [("loud", 0.0)]
    bundle = Bundle.load(bundle_path)
    assert [e.label for e in kilohear.Listener(bundle, str(path), runtime="onnx")] == ["loud"]


def test_what_cannot_be_used_is_refused_at_once(
    bundle_path: Path, recording_factory: Callable[..., Path]
) -> None:
    path = recording_factory(_scene(True))
    with pytest.raises(BundleError, match="no bundle at nowhere"):
        Listener("nowhere", path)
    with pytest.raises(AudioError, match="no such file"):
        Listener(bundle_path, "gone.wav")


def test_two_students_share_a_microphone(
    card_factory: Callable[..., Card], loudness: Any, array_source: Any
) -> None:
    low, high = (
        Classifier(Bundle(Path("nowhere"), card), loudness)
        for card in (
            card_factory(name="low"),
            card_factory(
                name="high", rate_hz=2_000, front_end=kilohear.FrontEnd.preset("native", 2_000)
            ),
        )
    )
    listener = Listener([low, high], array_source(_scene(True, True), 8_000), detection=STEADY)
    assert listener.effective_hz == (1_000, 2_000)
    assert {(e.bundle, e.label) for e in listener} == {("low", "loud"), ("high", "loud")}
    assert {waveform.shape[1] for waveform in loudness.waveforms} == {1_000, 2_000}
    with pytest.raises(ConfigError, match="low, low: two have one name"):
        Listener([low, low], array_source(_scene(True), 8_000))
    with pytest.raises(ConfigError, match="needs a bundle"):
        Listener([], array_source(_scene(True), 8_000))


def test_gaps_and_faults_are_heard_logged_and_counted(
    classifier: Classifier, live_source: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    act = [_scene(True), 800, _scene(True), *[np.zeros(4_000, np.float32)] * 5]
    log = EventLog(tmp_path / "events.jsonl")
    listener = Listener(
        classifier, live_source(act, rate_hz=8_000), detection=STEADY, report="both", log=log
    )
    kinds = [type(heard).__name__ for heard in listener.hear()]
    assert (kinds.count("Gap"), kinds.count("Fault")) == (2, 1)
    assert len(log.path.read_text().splitlines()) == len(kinds)
    assert listener.statistics.lost_s == pytest.approx(0.1 + 2.5)
    assert listener.statistics.faults == 1
    again = Listener(classifier, live_source(act, rate_hz=8_000), detection=STEADY)
    assert all(isinstance(heard, Event) for heard in again)
    assert "Gap(start_s=1.0" in caplog.text
    assert "muted" in caplog.text


def test_the_gates_saving_is_reported(classifier: Classifier, array_source: Any) -> None:
    source = array_source(_scene(True, True, False, False, False), 8_000)
    listener = Listener(classifier, source, detection=STEADY, gate_db=-20.0, report="ended")
    assert [(e.label, e.start_s) for e in listener] == [("loud", 0.0)]
    statistics = listener.statistics
    assert (statistics.windows, statistics.skipped) == (9, 5)
    assert statistics.saving == pytest.approx(5 / 9)


def test_events_come_to_callbacks_and_coroutines_too(
    classifier: Classifier, array_source: Any
) -> None:
    listener = Listener(
        classifier, array_source(_scene(True, False), 8_000), detection=STEADY, report="both"
    )
    expected = list(listener)

    async def gather() -> list[object]:
        return [heard async for heard in listener]

    assert asyncio.run(gather()) == expected
    called: list[object] = []
    done = threading.Event()

    def call(heard: object) -> None:
        called.append(heard)
        if len(called) == len(expected):
            done.set()

    listener.start(call)
    assert done.wait(10)
    listener.stop()
    assert called == expected


def test_a_paused_microphone_is_let_go_and_resumed(
    classifier: Classifier, live_source: Any
) -> None:
    paused, source = threading.Event(), live_source(rate_hz=8_000)

    def endless() -> Iterator[np.ndarray]:
        while True:
            paused.wait(0.001)
            yield _scene(True)[:800]

    opened: list[int] = []

    class Endless(type(source)):
        def blocks(self) -> Iterator[np.ndarray]:
            opened.append(1)
            try:
                yield from endless()
            finally:
                opened.append(-1)

    source.__class__ = Endless
    listener = Listener(classifier, source, detection=STEADY)
    first = threading.Event()
    listener.start(lambda heard: first.set())
    assert first.wait(10)
    listener.pause()
    _until(lambda: sum(opened) == 0)
    with pytest.raises(ConfigError, match="listened to already"):
        listener.start(print)
    listener.resume()
    _until(lambda: sum(opened) == 1)
    listener.stop()
    assert sum(opened) == 0


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
