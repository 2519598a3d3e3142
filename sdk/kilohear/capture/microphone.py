"""The desktop's microphones, through PortAudio."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import AudioError, RateError, SourceLost

REQUESTED_HZ = (8_000, 16_000, 48_000)
"""Asked for in this order; the lowest that is granted leaves the least to decimate."""

STALL_S = 2.0
"""A device that gives nothing for longer is lost."""


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
    AudioError
        Where no device records, or none has that name, naming those there are.
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
        block_s: float = 0.1,
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
                latency="high",
            )
            with stream:
                yield from self._read(stream)
        except (sounddevice.PortAudioError, AudioError) as error:
            _rescan(sounddevice)
            raise SourceLost(f"{self.name}: {error}; plug it in or check its permission") from None

    def _read(self, stream: Any) -> Iterator[NDArray[np.float32]]:
        began, heard, lost = time.monotonic(), 0, self.lost_samples
        while True:
            self._wait(stream)
            frames, overflowed = stream.read(self._block)  # (samples, 1)
            if overflowed:
                # PortAudio doesn't say how much; the clock does.
                due = round((time.monotonic() - began) * self.rate_hz)
                missing = due - heard - self._block - stream.read_available
                self.lost_samples = lost + max(self.lost_samples - lost, missing, 1)
                heard = max(heard, due - self._block - stream.read_available)
            heard += len(frames)
            yield frames[:, 0].copy()
            frames.fill(0)

    def _wait(self, stream: Any) -> None:
        """Return once a block is there: a plain read would wait for a dead device for ever."""
        until = time.monotonic() + STALL_S
        while stream.read_available < self._block:
            if time.monotonic() > until:
                raise AudioError(f"it gave nothing for {STALL_S:g} s")
            time.sleep(self._block / self.rate_hz / 8)


def _portaudio() -> Any:
    try:
        return extras.load("sounddevice")
    except OSError as error:  # the package is there, the library isn't
        raise AudioError(f"PortAudio can't be loaded ({error}); install libportaudio2") from None


def _find(sounddevice: Any, name: str | None) -> tuple[int, str]:
    found = [d for d in sounddevice.query_devices() if d["max_input_channels"] > 0]
    if name is None:
        default = sounddevice.default.device[0]
        found.sort(key=lambda device: device["index"] != default)
    chosen = [d for d in found if name is None or name.lower() in d["name"].lower()]
    if not chosen:
        there = ", ".join(d["name"] for d in found) or "none"
        wanted = "microphone" if name is None else f"microphone {name!r}"
        raise AudioError(f"no {wanted} here; there are: {there}")
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
