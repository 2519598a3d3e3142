"""The microphone of an iPhone or iPad: AudioQueue for the sound, AVAudioSession for the rest.

Written against Apple's and pyobjus's sources, and run against stand-ins for both; no iPhone has run
it yet.

AVAudioSession tells of interruptions and route changes by notification. pyobjus receives none: its
delegates need a protocol that declares the method, and notifications have none. So the queue's own
property listener tells that it was stopped, and what else may have changed is looked at every
`LOOK_S` of sound.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from kilohear.capture import audio_queue
from kilohear.capture.audio_queue import AudioQueue
from kilohear.capture.microphone import REQUESTED_HZ, STALL_S
from kilohear.errors import (
    ConfigError,
    MicrophoneBusy,
    PermissionRefused,
    RateError,
    SourceLost,
)
from kilohear.objc import Objc, items, read, text

LOOK_S = 1.0
"""How often the session is looked at; each of pyobjus's calls leaks some 32 bytes."""

# AVAudioSession.h: the constants' values are their names, the permission is a four-character code.
_CATEGORY = "AVAudioSessionCategoryRecord"
_MODE = "AVAudioSessionModeMeasurement"
_NOTIFY_OTHERS = 1
_DENIED = b"deny"


class IosMicrophone:
    """The phone's microphone, or what is plugged in in its place.

    The app needs `NSMicrophoneUsageDescription` in its Info.plist. iOS asks the user when listening
    begins for the first time, and gives zeros until then.

    Parameters
    ----------
    rates_hz
        Asked for in this order; the queue converts from the hardware's, so the first is granted as
        a rule.
    block_s
        Length of a block, seconds.
    toolbox, objc
        AudioToolbox and Objective-C; None: the system's.

    Attributes
    ----------
    hardware_hz
        The rate of the hardware when listening began last, as AVAudioSession says; None before. It
        is asked for `rate_hz` and often keeps 48,000 Hz.

    Raises
    ------
    RateError
        Where none of the rates is granted.
    SourceLost
        Where the app's audio session can't record.
    AudioError, ExtraError
        Where AudioToolbox or pyobjus isn't here.
    """

    live = True
    name = "microphone"

    def __init__(
        self,
        rates_hz: tuple[int, ...] = REQUESTED_HZ,
        block_s: float = 0.1,
        *,
        toolbox: ctypes.CDLL | None = None,
        objc: Objc | None = None,
    ) -> None:
        if not rates_hz or min(rates_hz) < 1 or not block_s > 0:
            raise ConfigError(
                f"{self.name}: rates_hz is {rates_hz} and block_s is {block_s}; give numbers "
                "above 0"
            )
        self._toolbox = toolbox or audio_queue.load()
        audio_queue.declare(self._toolbox)
        self._session = _Session(objc or Objc())
        self._session.prepare(rates_hz[0])
        self.requested_hz = rates_hz[0]
        self.rate_hz = self._granted(rates_hz)
        self.hardware_hz: int | None = None
        self.lost_samples = 0
        self._block = max(1, round(block_s * self.rate_hz))

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,) until closed; raises SourceLost where the microphone is gone.

        It is gone where the user denies it, a call or another app takes it, another one is plugged
        in or pulled out, or the system's audio services are restarted.
        """
        try:
            with self._session.active(self.rate_hz) as self.hardware_hz:
                queue = AudioQueue(self._toolbox, self.rate_hz, self.hardware_hz, self._block)
                try:
                    yield from self._read(queue)
                finally:
                    queue.close()
                    self.lost_samples += queue.lost
        except SourceLost as error:
            raise type(error)(f"{self.name}: {error}") from None

    def _read(self, queue: AudioQueue) -> Iterator[NDArray[np.float32]]:
        port = self._session.port()
        looks_at = max(1, round(LOOK_S * self.rate_hz / self._block))
        while True:
            for _ in range(looks_at):
                lost, block = queue.read(STALL_S)
                # Not before: what is counted lies before the block that is given next.
                self.lost_samples += lost
                yield block
            self._session.require(port)

    def _granted(self, rates_hz: tuple[int, ...]) -> int:
        refused = {}
        for rate_hz in rates_hz:
            why = audio_queue.refusal(self._toolbox, rate_hz)
            if why is None:
                return rate_hz
            refused[rate_hz] = why
        reasons = "; ".join(f"{hz:,} Hz: {why}" for hz, why in refused.items())
        raise RateError(f"{self.name}: grants none of the rates ({reasons}); ask for others")


class _Session:
    """The app's AVAudioSession."""

    def __init__(self, objc: Objc) -> None:
        self._objc = objc
        with objc.calls():
            (sessions,) = objc.load("AVFoundation", "AVAudioSession")
            self._shared = sessions.sharedInstance()

    def prepare(self, rate_hz: int) -> None:
        """Let the app record; it isn't active yet, and others go on playing."""
        with self._objc.calls():
            done = self._shared.setCategory_mode_options_error_(_CATEGORY, _MODE, 0, None)
            # A preference: what the hardware does is read later.
            self._shared.setPreferredSampleRate_error_(float(rate_hz), None)
        if not done:
            raise MicrophoneBusy(
                "the app's audio session can't be set to recording; end the call or the app that "
                "uses the microphone"
            )

    @contextmanager
    def active(self, rate_hz: int) -> Iterator[int]:
        """Be active, and give the hardware's rate."""
        self.prepare(rate_hz)
        self._require_permission()
        with self._objc.calls():
            is_there = read(self._shared, "isInputAvailable")
            is_active = is_there and self._shared.setActive_error_(True, None)
        if not is_there:
            raise SourceLost("no microphone is connected; plug one in")
        if not is_active:
            raise MicrophoneBusy(
                "the app's audio session can't be activated; end the call or the app that uses the "
                "microphone, and bring this one to the screen"
            )
        try:
            with self._objc.calls():
                hardware_hz = round(read(self._shared, "sampleRate"))
            yield hardware_hz
        finally:
            # Music that listening has stopped goes on; a refusal leaves nothing to do.
            with self._objc.calls():
                self._shared.setActive_withOptions_error_(False, _NOTIFY_OTHERS, None)

    def port(self) -> tuple[str, str]:
        """Return the identifier and the name of the port that records; empty: there is none."""
        with self._objc.calls():
            ports = items(read(read(self._shared, "currentRoute"), "inputs"))
            if not ports:
                return "", ""
            return text(read(ports[0], "UID")), text(read(ports[0], "portName"))

    def require(self, port: tuple[str, str]) -> None:
        """Refuse to go on without permission, or on another port than `port`."""
        self._require_permission()
        now = self.port()
        if now[0] != port[0]:
            raise SourceLost(
                f"the microphone has changed from {port[1] or 'none'} to {now[1] or 'none'}; it is "
                "opened again"
            )

    def _require_permission(self) -> None:
        with self._objc.calls():
            permission = struct.pack(">I", read(self._shared, "recordPermission"))
        if permission == _DENIED:
            raise PermissionRefused(
                "the user has denied the microphone; allow it in Settings > Privacy & Security > "
                "Microphone"
            )
