"""The microphone on a stand-in for PortAudio: rates, losses, a device that goes and returns."""

from __future__ import annotations

import itertools
import sys
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kilohear.capture import microphone as module
from kilohear.capture import open_source
from kilohear.capture.microphone import Microphone, devices
from kilohear.errors import AudioError, RateError, SourceLost


class PortAudioError(Exception):
    """As sounddevice's."""


RATE_HZ = 16_000


class Clock:
    """Seconds that pass while somebody sleeps, and by a millisecond each time somebody looks."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        self.now_s += 0.001
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Stream:
    """A device that records while the clock goes, from its opening until `ends_s` after it.

    What it records comes in bursts. A hole (after_s, length_s, flagged) is sound that it loses, and
    says so with the next read or never. `drift` is how much faster its own clock goes.
    """

    def __init__(
        self,
        clock: Clock,
        ends_s: float = 1e9,
        burst_s: float = 0.01,
        hole: tuple[float, float, bool] | None = None,
        drift: float = 0.0,
    ) -> None:
        self.clock, self.ends_s, self.burst_s = clock, ends_s, burst_s
        self.hole, self.drift = hole, drift
        self.given, self.overflow_due = 0, hole is not None and hole[2]
        self.opened_s = 0.0

    def __enter__(self) -> Stream:
        self.opened_s = self.clock.now_s
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def read_available(self) -> int:
        bursts = int((self.clock.now_s - self.opened_s) * (1 + self.drift) / self.burst_s)
        return round(RATE_HZ * self._heard_s(bursts * self.burst_s)) - self.given

    def read(self, size: int) -> tuple[Any, bool]:
        assert size <= self.read_available, "a read that would wait"
        frames = np.arange(self.given, self.given + size, dtype=np.float32)[:, None] / 65_536
        self.given += size
        is_past = self.hole is not None and self.given > RATE_HZ * self.hole[0]
        overflowed = is_past and self.overflow_due
        self.overflow_due = self.overflow_due and not overflowed
        return frames, overflowed

    def _heard_s(self, elapsed_s: float) -> float:
        elapsed_s = min(elapsed_s, self.ends_s)
        if self.hole is None or elapsed_s <= self.hole[0]:
            return elapsed_s
        return max(self.hole[0], elapsed_s - self.hole[1])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two microphones and a loudspeaker; the default grants no 8 kHz."""
    there = [("Loud", 0), ("Built-in", 2), ("USB", 1)]

    def query_devices() -> list[dict[str, Any]]:
        return [
            {"name": name, "index": i, "max_input_channels": channels}
            for i, (name, channels) in enumerate(there)
        ]

    def check_input_settings(index: int, samplerate: int, **_: object) -> None:
        if samplerate not in fake.rates_hz[index]:
            raise PortAudioError("Invalid sample rate")

    def input_stream(**settings: Any) -> Stream:
        fake.opened.append(settings)
        return fake.streams.pop(0)

    fake = SimpleNamespace(
        PortAudioError=PortAudioError,
        default=SimpleNamespace(device=(1, 0)),
        there=there,
        rates_hz={1: (16_000, 48_000), 2: (8_000,)},
        opened=[],
        streams=[],
        scans=0,
        query_devices=query_devices,
        check_input_settings=check_input_settings,
        InputStream=input_stream,
        _terminate=lambda: None,
        _initialize=lambda: setattr(fake, "scans", fake.scans + 1),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_the_lowest_rate_that_is_granted_is_taken(portaudio: SimpleNamespace) -> None:
    default, other = open_source("microphone"), open_source("microphone:usb")
    assert (default.name, default.requested_hz, default.rate_hz) == ("Built-in", 8_000, 16_000)
    assert (other.name, other.rate_hz) == ("USB", 8_000)
    assert [(d.name, d.is_default, d.rates_hz) for d in devices()] == [
        ("Built-in", True, (16_000, 48_000)),
        ("USB", False, (8_000,)),
    ]


def test_what_is_not_there_or_grants_nothing_is_refused(portaudio: SimpleNamespace) -> None:
    with pytest.raises(AudioError, match=r"no microphone 'radio' here; there are: Built-in, USB"):
        Microphone("radio")
    with pytest.raises(RateError, match=r"Built-in: grants none of 11,025 Hz"):
        Microphone(rates_hz=(11_025,))
    portaudio.there[:] = [("Loud", 0)]
    with pytest.raises(AudioError, match="there are: none"):
        Microphone()


def test_a_device_that_stalls_is_lost_and_opened_again(
    portaudio: SimpleNamespace, clock: Clock
) -> None:
    portaudio.streams += [Stream(clock, ends_s=0.25), Stream(clock, ends_s=0.1)]
    source = Microphone(block_s=0.1)
    heard: list[int] = []
    for _ in range(2):
        with pytest.raises(SourceLost, match=r"Built-in: it gave nothing for 2 s; plug it in"):
            heard.extend(len(block) for block in source.blocks())
    assert heard == [1_600, 1_600, 1_600]
    assert portaudio.scans == 2
    assert [settings["samplerate"] for settings in portaudio.opened] == [16_000, 16_000]


@pytest.mark.parametrize("block_s", [0.1, 3.0])
def test_a_block_of_any_length_comes_and_finds_room(
    portaudio: SimpleNamespace, clock: Clock, block_s: float
) -> None:
    portaudio.streams.append(Stream(clock))
    assert len(next(Microphone(block_s=block_s).blocks())) == round(block_s * RATE_HZ)
    assert portaudio.opened[-1]["latency"] >= max(1.0, 2 * block_s)


def listened(stream: Stream, seconds: float) -> Microphone:
    """Read about so many seconds from a device."""
    sounddevice = sys.modules["sounddevice"]
    sounddevice.streams.append(stream)
    source = Microphone()
    with closing(source.blocks()) as blocks:  # pyright: ignore[reportArgumentType]
        for block in itertools.islice(blocks, round(2 * seconds)):
            assert len(block) == RATE_HZ / 2
    return source


@pytest.mark.usefixtures("portaudio")
@pytest.mark.parametrize("flagged", [True, False])
def test_a_loss_has_the_length_that_the_clock_says(clock: Clock, flagged: bool) -> None:
    stream = Stream(clock, hole=(40.2, 0.8, flagged))
    assert listened(stream, 40).lost_samples == 0
    stream = Stream(clock, hole=(40.2, 0.8, flagged))
    lost_s = listened(stream, 80).lost_samples / RATE_HZ
    assert lost_s == pytest.approx(0.8, abs=0.05)


@pytest.mark.usefixtures("portaudio")
def test_a_flagged_loss_is_known_at_once(clock: Clock) -> None:
    lost_s = listened(Stream(clock, hole=(40.2, 0.8, True)), 41).lost_samples / RATE_HZ
    assert lost_s == pytest.approx(0.8, abs=0.05)


@pytest.mark.usefixtures("portaudio")
@pytest.mark.parametrize("burst_s", [0.001, 0.17, 0.4, 0.5])
@pytest.mark.parametrize("drift", [-1e-4, 0.0, 1e-4])
def test_bursts_and_another_clock_are_no_loss(clock: Clock, burst_s: float, drift: float) -> None:
    assert listened(Stream(clock, burst_s=burst_s, drift=drift), 1_000).lost_samples == 0
