"""The desktop's microphones, through PortAudio."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.capture import MICROPHONE_BLOCK_S
from kilohear.errors import AudioError, MicrophoneBusy, NoMicrophone, RateError, SourceLost

REQUESTED_HZ = (8_000, 16_000, 48_000)
"""Asked for in this order; the lowest that is granted leaves the least to decimate."""

STALL_S = 2.0
"""A device that gives nothing for longer is lost."""

BUFFER_S = 1.0
"""What PortAudio may hold for a reader that is late; shorter than a block, no block would come."""

HOLE_S = 0.05
"""Samples that fall behind the clock by more were lost."""

DRIFT = 5e-4
"""How far a device's clock may be off this computer's; quartz clocks stay well under 1e-4."""

CHECK_EVERY_S, WATCH_S, WATCH_POLL_S = 30.0, 1.0, 0.02
"""How often samples are held against the clock, for how long, and how closely."""

_UNAVAILABLE = -9985
"""PortAudio's number for a device that somebody else holds (portaudio.h, paDeviceUnavailable)."""


@dataclasses.dataclass(frozen=True)
class Device:
    """A device that records.

    `rates_hz` are those of `REQUESTED_HZ` that it grants.
    """

    name: str
    is_default: bool
    channels: int
    rates_hz: tuple[int, ...]


def devices() -> list[Device]:
    """Return the devices that record, the default first."""
    sounddevice = _portaudio()
    default = sounddevice.default.device[0]
    found = [
        Device(
            device["name"],
            device["index"] == default,
            device["max_input_channels"],
            tuple(hz for hz in REQUESTED_HZ if _grants(sounddevice, device["index"], hz)),
        )
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]
    return sorted(found, key=lambda device: not device.is_default)


class Microphone:
    """A microphone of this machine.

    Parameters
    ----------
    device
        A part of its name; None: the default.
    rates_hz
        Asked for in this order.
    block_s
        Length of a block, seconds.

    Raises
    ------
    NoMicrophone
        Where PortAudio isn't there, no device records, or none has that name; it names those there
        are.
    RateError
        Where none of the rates is granted.
    ExtraError
        Where sounddevice isn't installed.
    """

    live = True

    def __init__(
        self,
        device: str | None = None,
        rates_hz: tuple[int, ...] = REQUESTED_HZ,
        block_s: float = MICROPHONE_BLOCK_S,
    ) -> None:
        sounddevice = _portaudio()
        self._device = device
        index, self.name = _find(sounddevice, device)
        self.requested_hz = rates_hz[0]
        granted = next((hz for hz in rates_hz if _grants(sounddevice, index, hz)), None)
        if granted is None:
            asked = ", ".join(f"{hz:,}" for hz in rates_hz)
            raise RateError(f"{self.name}: grants none of {asked} Hz; choose another device")
        self.rate_hz = granted
        self.lost_samples = 0
        self._block = max(1, round(block_s * granted))

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,) until closed; raises SourceLost where the device is gone."""
        sounddevice = _portaudio()
        try:
            index, _ = _find(sounddevice, self._device)
            stream = sounddevice.InputStream(
                samplerate=self.rate_hz,
                device=index,
                channels=1,
                dtype="float32",
                blocksize=0,
                latency=max(BUFFER_S, 4 * self._block / self.rate_hz),
            )
            with stream:
                yield from self._read(stream)
        except (sounddevice.PortAudioError, AudioError) as error:
            _rescan(sounddevice)
            kind = MicrophoneBusy if _UNAVAILABLE in error.args else SourceLost
            raise kind(f"{self.name}: {error}; plug it in or check its permission") from None

    def _read(self, stream: Any) -> Iterator[NDArray[np.float32]]:
        lag = _Lag(self.rate_hz)
        while True:
            self._wait(stream, lag.is_watched)
            frames, overflowed = stream.read(self._block)  # (samples, 1)
            self.lost_samples += lag.push(len(frames), stream.read_available, overflowed)
            yield frames[:, 0].copy()
            frames.fill(0)

    def _wait(self, stream: Any, closely: bool) -> None:
        """Return once a block is there: a plain read would wait for a dead device for ever.

        PortAudio can call back instead; over PulseAudio's plugin for ALSA its thread then spins,
        and takes ten times the processor time.
        """
        until = time.monotonic() + STALL_S + self._block / self.rate_hz
        while (missing := self._block - stream.read_available) > 0:
            if time.monotonic() > until:
                raise AudioError(f"it gave nothing for {STALL_S:g} s")
            time.sleep(WATCH_POLL_S if closely else max(missing, self._block // 4) / self.rate_hz)


class _Lag:
    """How far the samples are behind the clock: where that grew, sound was lost.

    PortAudio says that a buffer overflowed, never by how much; of a hole that the system's audio
    server leaves it knows nothing. Sound comes in bursts, so that the least lag counts, and only
    while it is watched closely: for a second now and then.

    Parameters
    ----------
    rate_hz
        Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._began = self._checked = self._watch_from = time.monotonic()
        self._heard = 0
        self._usual, self._least = math.inf, math.inf

    @property
    def is_watched(self) -> bool:
        """Whether the next block is wanted as soon as it is there."""
        return time.monotonic() >= self._watch_from

    def push(self, samples: int, waiting: int, overflowed: bool) -> int:
        """Count what was read and what waits; return how many samples were lost before it."""
        self._heard += samples
        now = time.monotonic()
        lag = now - self._began - (self._heard + waiting) / self._rate_hz
        if overflowed:
            return self._lose(max(lag - min(self._usual, self._least, lag), 1 / self._rate_hz))
        if now < self._watch_from:
            return 0
        self._least = min(self._least, lag)
        if now < self._watch_from + WATCH_S:
            return 0
        hole = self._least - min(self._usual, self._least)
        self._usual = min(self._least, self._usual + DRIFT * (now - self._checked))
        self._checked, self._watch_from, self._least = now, now + CHECK_EVERY_S, math.inf
        return self._lose(hole) if hole > HOLE_S else 0

    def _lose(self, seconds: float) -> int:
        lost = round(seconds * self._rate_hz)
        self._heard += lost
        return lost


def _portaudio() -> Any:
    try:
        return extras.load("sounddevice")
    except OSError as error:  # the package is there, the library isn't
        raise NoMicrophone(f"PortAudio can't be loaded ({error}); install libportaudio2") from None


def _find(sounddevice: Any, name: str | None) -> tuple[int, str]:
    found = [d for d in sounddevice.query_devices() if d["max_input_channels"] > 0]
    if name is None:
        default = sounddevice.default.device[0]
        found.sort(key=lambda device: device["index"] != default)
    chosen = [d for d in found if name is None or name.lower() in d["name"].lower()]
    if not chosen:
        there = ", ".join(d["name"] for d in found) or "none"
        wanted = "microphone" if name is None else f"microphone {name!r}"
        raise NoMicrophone(f"no {wanted} here; there are: {there}")
    return chosen[0]["index"], chosen[0]["name"]


def _grants(sounddevice: Any, index: int, rate_hz: int) -> bool:
    try:
        sounddevice.check_input_settings(index, channels=1, dtype="float32", samplerate=rate_hz)
    except sounddevice.PortAudioError:
        return False
    return True


def _rescan(sounddevice: Any) -> None:
    """Look for devices anew: PortAudio lists them once, when it starts."""
    sounddevice._terminate()
    sounddevice._initialize()
