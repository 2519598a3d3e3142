"""Ears in this process: what they say, in order, and that nothing of them is left."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohear.errors import PermissionRefused
from kilohear.event_log import EventLog
from kilohear.events import Event, Fault, Gap
from kilohear_ui.ears import Cost, Ended, Heard, Level, Said, Started, Trouble, Wish, local
from kilohear_ui.ears.local import LocalEars
from kilohear_ui.scene import DemoScene

Opened = Callable[[Any], None]


class Scripted:
    """A microphone that gives blocks of noise as fast as they are read, until told to end."""

    live = True
    name, requested_hz, rate_hz, lost_samples = "script", 8_000, 8_000, 0

    def __init__(self, blocks: int = 10**9) -> None:
        self.given, self.blocks_left = 0, blocks
        self.errors: list[Exception] = []
        self.went_on = threading.Event()

    def blocks(self) -> Iterator[np.ndarray]:
        random = np.random.default_rng(0)
        while self.blocks_left > 0:
            if self.errors:
                raise self.errors.pop(0)
            self.blocks_left -= 1
            self.given += 1
            time.sleep(0.002)
            self.went_on.set()
            yield random.normal(0, 0.1, 4_000).astype(np.float32)


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Let every source be the one given."""

    def put(source: Any) -> None:
        monkeypatch.setattr(local, "_open", lambda address, block_s: source)

    return put


@pytest.fixture
def ears(tmp_path: Path) -> Iterator[LocalEars]:
    ears = LocalEars(tmp_path, runtime="onnx")
    yield ears
    ears.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("kilohear")]


def until(
    ears: LocalEars, holds: Callable[[list[Said]], object], seconds: float = 30
) -> list[Said]:
    """Return what is said until something holds; fails where it never does."""
    said: list[Said] = []
    deadline_s = time.monotonic() + seconds
    while not holds(said):
        assert time.monotonic() < deadline_s, said[-5:]
        said += ears.take()
        time.sleep(0.005)
    return said


def kinds(said: list[Said], kind: type) -> list[Any]:
    return [each for each in said if isinstance(each, kind)]


def overlaps(event: Event, start_s: float, end_s: float) -> bool:
    return event.end_s is not None and event.start_s < end_s and event.end_s > start_s


def test_the_made_up_scene_is_heard_as_labelled(ears: LocalEars, opens: Opened) -> None:
    scene = DemoScene(synthetic=True, loops=False)
    opens(scene)  # as fast as it is read
    ears.start(Wish(source="demo-synthetic"))
    assert ears.is_listening
    said = until(ears, lambda said: kinds(said, Ended))
    assert not ears.is_listening
    (started,) = kinds(said, Started)
    assert said[0] == started
    assert (started.granted_hz, started.effective_hz) == (16_000, 1_000)
    assert said[-1] == Ended(None)
    assert ears.take() == []
    events = kinds(said, Event)
    right = [
        part
        for part in scene.parts
        if any(e.label == part.label and overlaps(e, part.start_s, part.end_s) for e in events)
    ]
    assert len(right) >= 4
    windows = kinds(said, Heard)
    assert windows
    assert all(len(window.probabilities) == len(started.labels) for window in windows)
    assert all(window.latency_ms is not None and window.latency_ms > 0 for window in windows)
    assert kinds(said, Level)
    lines = [json.loads(line) for line in (ears._log.path).read_text().splitlines()]  # type: ignore
    assert [(line["label"], line["end_s"]) for line in lines] == [
        (event.label, event.end_s) for event in events
    ]


def test_what_it_costs_is_said_each_second(ears: LocalEars, opens: Opened) -> None:
    opens(Scripted())
    ears.start(Wish())
    cost = kinds(until(ears, lambda said: kinds(said, Cost)), Cost)[0]
    assert cost.cpu_share is None or 0 < cost.cpu_share < 3
    assert cost.memory_bytes is None or cost.memory_bytes > 1_000_000
    ears.start(Wish(gate_db=-10.0))
    said = until(ears, lambda said: len(kinds(said, Started)) and len(kinds(said, Cost)) > 1)
    assert kinds(said, Ended) == []


def test_a_new_start_takes_over_and_the_old_is_told_first(ears: LocalEars, opens: Opened) -> None:
    opens(Scripted())
    ears.start(Wish())
    until(ears, lambda said: kinds(said, Heard))
    for rate in ("1khz", "1khz", "2khz"):  # faster than most of them begin
        ears.start(Wish(bundle=f"esc10-{rate}"))

    def has_taken_over(said: list[Said]) -> bool:
        started = kinds(said, Started)
        is_last = bool(started) and started[-1].bundle == "esc10-2khz"
        return is_last and isinstance(said[-1], Heard | Level)

    said = until(ears, has_taken_over)
    assert kinds(said, Ended) == []
    ears.stop()
    assert kinds(until(ears, lambda said: kinds(said, Ended)), Ended) == [Ended(None)]


def test_pause_stands_still_and_resume_goes_on(ears: LocalEars, opens: Opened) -> None:
    source = Scripted()
    opens(source)
    ears.start(Wish())
    ears.pause()  # before anything was opened
    assert ears.is_paused
    until(ears, lambda said: kinds(said, Started))
    time.sleep(0.2)
    ears.take()
    assert source.given <= 1
    ears.resume()
    until(ears, lambda said: kinds(said, Heard))
    assert not ears.is_paused


def test_a_stop_before_anything_began_ends_it(ears: LocalEars, opens: Opened) -> None:
    opens(Scripted())
    ears.start(Wish())
    ears.stop()
    said = until(ears, lambda said: kinds(said, Ended))
    assert len(kinds(said, Ended)) == 1


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        (Wish(bundle="nowhere"), "no_bundle"),
        (Wish(source="nowhere.wav"), "recording"),
        (Wish(source="tcp://127.0.0.1:1?rate_hz=500"), "rate_too_low"),
    ],
)
def test_what_cannot_begin_says_why(ears: LocalEars, wish: Wish, kind: str) -> None:
    ears.start(wish)
    (ended,) = kinds(until(ears, lambda said: kinds(said, Ended)), Ended)
    assert ended.problem.kind == kind
    assert not ears.is_listening


def test_a_full_disk_is_said_once_and_listening_goes_on(
    ears: LocalEars, opens: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(Scripted())
    space = threading.Event()
    append = EventLog._append

    def full(log: EventLog, line: bytes) -> None:
        if not space.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(log, line)

    monkeypatch.setattr(EventLog, "_append", full)
    for _ in range(3):
        ears._say(Gap(0.0, 1.0, "capture"))
    said = ears.take()
    assert len(kinds(said, Gap)) == 3
    assert [trouble.problem.kind for trouble in kinds(said, Trouble)] == ["disk_full"]
    space.set()
    ears._say(Gap(5.0, 1.0, "capture"))
    assert kinds(ears.take(), Trouble) == []
    assert ears._log is not None
    assert [json.loads(line)["start_s"] for line in ears._log.path.read_text().splitlines()] == [
        5.0
    ]


def test_screens_that_freeze_lose_old_levels_and_no_event(tmp_path: Path) -> None:
    ears = LocalEars(None)
    for i in range(5_000):
        ears._say(Level(float(i), -30.0))
        if i % 10 == 0:
            ears._say(Fault(float(i), "why", "busy"))
    said = ears.take()
    assert [fault.start_s for fault in kinds(said, Fault)] == [
        float(i) for i in range(0, 5_000, 10)
    ]
    levels = [level.at_s for level in kinds(said, Level)]
    assert levels == [float(i) for i in range(5_000 - len(levels), 5_000)]
    assert 0 < len(levels) < 1_000
    times_s = [each.at_s if isinstance(each, Level) else each.start_s for each in said]  # type: ignore
    assert times_s == sorted(times_s)
    ears.close()


def test_a_recording_is_heard_at_its_pace(ears: LocalEars, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * 4_000))
    began_s = time.monotonic()
    ears.start(Wish(source=str(path)))
    said = until(ears, lambda said: kinds(said, Ended))
    assert time.monotonic() - began_s >= 0.45
    assert len(kinds(said, Heard)) == 1


def test_the_spectrum_is_there_while_watched(ears: LocalEars, opens: Opened) -> None:
    opens(Scripted())
    ears.start(Wish())
    until(ears, lambda said: kinds(said, Heard))
    assert ears.spectrum() is None
    ears.watch_spectrum(True)
    until(ears, lambda said: (s := ears.spectrum()) is not None and s.after_db.max() > -60)
    ears.watch_spectrum(False)
    assert ears.spectrum() is None


def test_close_doesnt_wait_for_a_source_that_is_stuck(
    ears: LocalEars, opens: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, freed = threading.Event(), threading.Event()

    class Stuck(Scripted):
        def blocks(self) -> Iterator[np.ndarray]:
            yield np.zeros(4_000, np.float32)
            stuck.set()
            freed.wait()

    monkeypatch.setattr(local, "CLOSE_S", 0.05)
    opens(Stuck())
    ears.start(Wish())
    assert stuck.wait(30)
    ears.close()
    assert ears.is_listening  # its thread is still there, and `close` came back
    freed.set()
    monkeypatch.setattr(local, "CLOSE_S", 30.0)
    ears.close()
    assert not ears.is_listening


def test_on_android_listeners_are_made_by_the_caller_and_refusals_said_in_order(
    ears: LocalEars, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[threading.Thread] = []
    refused = False

    def open_here(address: str, block_s: float) -> Scripted:
        makers.append(threading.current_thread())
        if refused:
            raise PermissionRefused("not granted")
        return Scripted()

    monkeypatch.setattr(local, "system", lambda: "android")
    monkeypatch.setattr(local, "_open", open_here)
    ears.start(Wish())
    until(ears, lambda said: kinds(said, Heard))
    refused = True
    ears.start(Wish())
    said = until(ears, lambda said: kinds(said, Ended))
    assert makers == [threading.current_thread()] * 2
    assert said[-1].problem.kind == "no_permission"  # type: ignore[union-attr]
    assert len(kinds(said, Ended)) == 1
