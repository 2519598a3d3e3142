"""The microphone on a stand-in for PortAudio: rates, losses, a device that goes and returns."""

from __future__ import annotations

import sys
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


class Stream:
    """Gives `total` samples that count upwards; says once that it overflowed."""

    def __init__(self, total: int, overflow_at: int | None) -> None:
        self.given, self.total, self.overflow_at = 0, total, overflow_at

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def read_available(self) -> int:
        return self.total - self.given

    def read(self, size: int) -> tuple[Any, bool]:
        overflowed = self.overflow_at is not None and self.given >= self.overflow_at
        self.overflow_at = None if overflowed else self.overflow_at
        frames = np.arange(self.given, self.given + size, dtype=np.float32)[:, None] / 65_536
        self.given += size
        return frames, overflowed


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
    monkeypatch.setattr(module, "STALL_S", 0.05)
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


def test_a_device_that_stalls_is_lost_and_opened_again(portaudio: SimpleNamespace) -> None:
    portaudio.streams += [Stream(3_200, None), Stream(1_600, None)]
    source = Microphone()
    heard: list[int] = []
    for _ in range(2):
        with pytest.raises(SourceLost, match=r"Built-in: it gave nothing for .* plug it in"):
            heard.extend(len(block) for block in source.blocks())
    assert heard == [1_600, 1_600, 1_600]
    assert portaudio.scans == 2
    assert [settings["samplerate"] for settings in portaudio.opened] == [16_000, 16_000]


def test_an_overflow_is_counted_by_the_clock(
    portaudio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    portaudio.streams.append(Stream(4_800, overflow_at=1_600))
    ticks = iter([0.0] + [0.1] * 2 + [0.7] * 20)  # half a second passes before the second block
    monkeypatch.setattr(module.time, "monotonic", lambda: next(ticks, 9.0))
    source = Microphone()
    blocks = source.blocks()
    next(blocks)
    assert source.lost_samples == 0
    next(blocks)
    assert source.lost_samples > 1_600
    blocks.close()  # pyright: ignore[reportAttributeAccessIssue]
