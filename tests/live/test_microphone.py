"""The microphone on a real audio server: what is played is heard, and what goes wrong is said.

Sound goes from a player through PipeWire's null sink, its monitor, ALSA's plugin and PortAudio.
When a play began is known by a mark, a loud blip: the ear says at which sample it rises, and every
time is counted from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.live.conftest import Ear

from kilohear import Listener
from kilohear.capture import MICROPHONE_BLOCK_S
from kilohear.capture.feed import SILENT_S
from kilohear.capture.synthetic import Scene
from kilohear_bench.audio_server import AudioServer
from kilohear_bench.clips import read_clips
from kilohear_bench.live import MARK_LEVEL, Agreement, compare_events, read_at

RATE_HZ = 16_000
HOP_S = 0.25
LEAD_S = 1.5
STUDENT = "esc10-1khz"


def noise(seconds: float) -> NDArray[np.float32]:
    """So faint that it is silence, and no exact zero."""
    random = np.random.default_rng(0)
    return (1e-4 * random.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def tone(seconds: float, peak: float = 0.4) -> NDArray[np.float32]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32)


def marked(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a faint lead and a mark of 20 ms ahead of a clip that stays below it."""
    quieter = clip * np.float32(0.5 / max(0.5, float(np.abs(clip).max())))
    return np.concatenate([noise(LEAD_S), tone(0.02, 0.95), noise(0.48), quieter, noise(1.0)])


def play(server: AudioServer, clip: NDArray[np.float32]) -> None:
    with server.player(RATE_HZ) as loudspeaker:
        loudspeaker.write((clip * 32_767).astype("<i2").tobytes())


@pytest.fixture
def loudness(bundle_factory: Callable[..., Path]) -> dict[str, Any]:
    """A student that tells loud from quiet every quarter of a second."""
    path = bundle_factory(window_s=HOP_S, hop_s=HOP_S)
    return {"bundle": str(path), "detection": {"smoothing_s": 0.0}, "mark_level": MARK_LEVEL}


def mark_s(ear: Ear) -> float:
    return ear.wait_for("mark")["sample"] / ear.heard[0]["granted_hz"]


def heard_live_and_from_file(
    server: AudioServer,
    listen: Callable[..., Ear],
    recording_factory: Callable[..., Path],
    clip: NDArray[np.float32],
) -> tuple[Ear, Agreement, list[dict[str, Any]]]:
    """Let the shipped student hear a clip both ways, from the same sample on."""
    ear = listen(bundle=STUDENT, mark_level=MARK_LEVEL)
    play(server, clip)
    ear.end()
    begins = round((LEAD_S - mark_s(ear)) * RATE_HZ)
    same = clip[begins:] if begins > 0 else np.concatenate([np.zeros(-begins, np.float32), clip])
    listener = Listener(STUDENT, recording_factory(same, RATE_HZ), runtime="onnx", report="ended")
    file = [vars(event) for event in listener]
    card, end_s = listener.classifiers[0].card, len(same) / RATE_HZ

    def common(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out what was heard in windows that reach beyond the recording's end."""
        inside = [event for event in events if event["start_s"] + card.window_s <= end_s]
        return [event | {"end_s": min(event["end_s"], end_s)} for event in inside]

    return ear, compare_events(common(ear.events()), common(file), card.hop_s), file


def test_sounds_are_heard_at_their_times(
    server: AudioServer, listen: Callable[..., Ear], loudness: dict[str, Any]
) -> None:
    ear = listen(**loudness)
    bursts_s = [(1.0, 2.0), (3.5, 4.1), (5.0, 6.3)]
    clip = noise(7.0)
    for start_s, end_s in bursts_s:
        clip[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] = tone(end_s - start_s)
    play(server, marked(clip))
    ear.end()
    assert [ear.heard[0][f"{kind}_hz"] for kind in ("requested", "granted", "effective")] == [
        8_000,
        8_000,
        1_000,
    ]
    clip_s = mark_s(ear) + 0.5
    loud = [e for e in ear.events() if e["label"] == "loud" and e["start_s"] > clip_s]
    assert len(loud) == len(bursts_s)
    for event, (start_s, end_s) in zip(loud, bursts_s, strict=True):
        assert event["start_s"] - clip_s == pytest.approx(start_s, abs=HOP_S)
        assert event["end_s"] - clip_s == pytest.approx(end_s, abs=HOP_S)
    assert ear.heard[-1]["lost_samples"] == 0


def test_live_and_from_file_are_the_same_events(
    server: AudioServer, listen: Callable[..., Ear], recording_factory: Callable[..., Path]
) -> None:
    # Wherever windows begin in this scene, no probability comes within 0.02 of a threshold.
    clip = marked(Scene(10.0, RATE_HZ, seed=5).clip())
    ear, agreement, file = heard_live_and_from_file(server, listen, recording_factory, clip)
    assert file
    assert agreement.same == agreement.first == agreement.second, agreement
    assert agreement.worst_probability < 0.05
    assert ear.all("gap") == []


@pytest.mark.data
def test_recordings_are_known_by_their_sound(
    server: AudioServer,
    listen: Callable[..., Ear],
    recording_factory: Callable[..., Path],
    data_dir: Path,
) -> None:
    # The path is tested here, not the student: clips that it knows, and as above no near thing.
    names = {"1-17367-A-10": "rain", "1-39923-A-1": "rooster"}
    clips = {clip.path.stem: clip for clip in read_clips("esc10")}
    assert {name: clips[name].label for name in names} == names
    wanted = list(names.values())
    known = [read_at(clips[name].path, RATE_HZ) for name in names]
    clip = np.concatenate(known) + noise(sum(map(len, known)) / RATE_HZ)
    ear, agreement, _ = heard_live_and_from_file(server, listen, recording_factory, marked(clip))
    starts_s = {e["label"]: e["start_s"] - mark_s(ear) - 0.5 for e in ear.events()}
    assert starts_s.keys() >= set(wanted)
    for i, label in enumerate(wanted):
        # A window that holds most of it begins within a window of where it begins.
        assert starts_s[label] == pytest.approx(5.0 * i, abs=5.0)
    assert agreement.same == agreement.first == agreement.second, agreement


def hears_a_sound(server: AudioServer, ear: Ear) -> None:
    """Play a loud second, and wait until it has been heard."""
    before = len(ear.heard)
    play(server, np.concatenate([noise(0.5), tone(1.0), noise(0.5)]))
    ear.wait_for("event", lambda event: event in ear.heard[before:] and is_loud(event))


def is_loud(event: dict[str, Any]) -> bool:
    return event["label"] == "loud" and event["end_s"] is not None


@pytest.fixture
def ear(server: AudioServer, listen: Callable[..., Ear], loudness: dict[str, Any]) -> Ear:
    """One that is known to hear."""
    ear = listen(**loudness)
    hears_a_sound(server, ear)
    return ear


def assert_it_came_back(ear: Ear, least_s: float) -> None:
    """The outage is as long as the silence was, and sound after it is at the time it had."""
    gap = ear.wait_for("gap", lambda gap: gap["cause"] == "outage")
    began_at = ear.heard[0]["at"]
    # Silence is counted in whole blocks, but for the one in which it begins and ends. What is said
    # is a buffer and a block late, and the stream begins after "listening".
    assert least_s - 2 * MICROPHONE_BLOCK_S <= gap["lost_s"] <= gap["at"] - began_at
    back_s = gap["start_s"] + gap["lost_s"]
    assert gap["at"] - began_at - 2.0 <= back_s <= gap["at"] - began_at
    first = next(e for e in ear.events() if is_loud(e) and e["end_s"] > back_s)
    assert back_s <= first["start_s"] <= back_s + 1.5


@contextmanager
def a_tone(server: AudioServer, ear: Ear) -> Iterator[None]:
    """A tone that is heard, and goes on until the end or until its loudspeaker is gone."""
    over = threading.Event()

    def play_on() -> None:
        with suppress(OSError), server.player(RATE_HZ) as loudspeaker:
            while not over.is_set():
                loudspeaker.write((tone(0.1) * 32_767).astype("<i2").tobytes())

    before = len(ear.heard)
    player = threading.Thread(target=play_on)
    player.start()
    try:
        ear.wait_for("event", lambda e: e in ear.heard[before:] and e["label"] == "loud")
        yield
    finally:
        over.set()
        player.join()


def test_an_unplugged_microphone_is_a_fault_and_comes_back(server: AudioServer, ear: Ear) -> None:
    with a_tone(server, ear):
        unplugged_s = time.monotonic()
        server.unplug()
        fault = ear.wait_for("fault")
    assert "unplugged" in fault["reason"]
    assert fault["at"] > unplugged_s + SILENT_S - 1.0, "it was silent before"
    server.plug()
    silent_s = time.monotonic() - unplugged_s
    hears_a_sound(server, ear)
    assert_it_came_back(ear, silent_s)


def test_a_muted_microphone_is_a_fault(server: AudioServer, ear: Ear) -> None:
    with a_tone(server, ear):
        muted_s = time.monotonic()
        server.mute(True)
        fault = ear.wait_for("fault")
        server.mute(False)
        silent_s = time.monotonic() - muted_s
    assert "muted" in fault["reason"]
    assert fault["at"] > muted_s + SILENT_S - 1.0, "it was silent before"
    hears_a_sound(server, ear)
    assert_it_came_back(ear, silent_s)


def test_an_audio_server_that_dies_is_a_fault_and_comes_back(server: AudioServer, ear: Ear) -> None:
    died_s = time.monotonic()
    server.stop("pipewire-pulse")
    assert "plug it in" in ear.wait_for("fault")["reason"]
    server.start_pulse()
    server.plug()
    silent_s = time.monotonic() - died_s
    hears_a_sound(server, ear)
    assert_it_came_back(ear, silent_s)
