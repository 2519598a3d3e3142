"""Android's microphone, through AudioRecord and pyjnius.

It hasn't listened on a phone yet: it is tested on a desktop's JVM, against classes with the
signatures of Android's. It needs API level 24.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from kilohear import android
from kilohear.capture.frame_clock import FrameClock
from kilohear.capture.microphone import REQUESTED_HZ, STALL_S
from kilohear.errors import MicrophoneBusy, PermissionRefused, RateError, SourceLost

BUFFER_S = 1.0
"""What Android holds for us: a reader may be late by so much before samples are dropped."""

_READ_ERRORS = ("ERROR", "ERROR_BAD_VALUE", "ERROR_DEAD_OBJECT", "ERROR_INVALID_OPERATION")


class AndroidMicrophone:
    """The phone's microphone.

    Its source is `UNPROCESSED` where the phone has one, else `VOICE_RECOGNITION`: both are to come
    without noise reduction (Android's Compatibility Definition, 5.11 and 5.4.2). Losses are found
    by `FrameClock` and are reported up to `BUFFER_S` before their place, since they happen when the
    buffer is full.

    Audio focus is neither asked for nor watched: it rules who may play, and takes the microphone
    from nobody. A call or another app does so by silencing us, and is reported as such.

    Parameters
    ----------
    rates_hz
        Asked for in this order.
    block_s
        Length of a block, seconds.

    Attributes
    ----------
    kind
        The source in use, `UNPROCESSED` or `VOICE_RECOGNITION`.

    Raises
    ------
    PermissionRefused
        Where the app has no permission to record.
    AudioError
        Where no app is around this Python.
    RateError
        Where none of the rates is granted.
    ExtraError
        Where pyjnius isn't installed.
    """

    live = True

    def __init__(self, rates_hz: tuple[int, ...] = REQUESTED_HZ, block_s: float = 0.1) -> None:
        self._context = android.app().getApplicationContext()
        service = android.java("android.content.Context").AUDIO_SERVICE
        self._manager = self._context.getSystemService(service)
        self.kind = self._best_source()
        self.name = f"Android microphone ({self.kind})"
        self.requested_hz = rates_hz[0]
        self.lost_samples = 0
        if not self._may_record():
            raise PermissionRefused(self._forbidden())
        self.rate_hz, self._encoding = self._granted(rates_hz)
        self._dtype = _dtype(self._encoding)
        self._block = max(1, round(block_s * self.rate_hz))
        buffer = android.java("java.nio.ByteBuffer")
        size = self._block * self._dtype.itemsize
        # AudioRecord fills the first; only the second's bytes come to Python at once.
        self._direct, self._heap = buffer.allocateDirect(size), buffer.allocate(size)
        self._zeros = bytes(size)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,) until closed; raises SourceLost where the microphone is gone."""
        refused = android.java_error()
        record = None
        try:
            record = self._record(self.rate_hz, self._encoding)
            if record is None:
                self._lose("Android doesn't open it; close other apps that record", MicrophoneBusy)
            record.startRecording()
            if record.getRecordingState() != record.RECORDSTATE_RECORDING:
                self._lose("Android doesn't start it; close other apps that record", MicrophoneBusy)
            yield from self._read(record)
        except refused as error:
            self._lose(f"Android refuses ({android.why(error)}); open it again")
        finally:
            if record is not None:
                with suppress(refused):
                    record.stop()
                record.release()

    def _best_source(self) -> str:
        # The property is "true", "false" or null.
        key = self._manager.PROPERTY_SUPPORT_AUDIO_SOURCE_UNPROCESSED
        return "UNPROCESSED" if self._manager.getProperty(key) == "true" else "VOICE_RECOGNITION"

    def _granted(self, rates_hz: tuple[int, ...]) -> tuple[int, int]:
        """Return the first rate that is granted, and its encoding; float goes before 16 bits."""
        formats = android.java("android.media.AudioFormat")
        for rate_hz in rates_hz:
            for encoding in (formats.ENCODING_PCM_FLOAT, formats.ENCODING_PCM_16BIT):
                record = self._record(rate_hz, encoding)
                if record is not None:
                    record.release()
                    return rate_hz, encoding
        asked = ", ".join(f"{hz:,}" for hz in rates_hz)
        raise RateError(
            f"{self.name}: grants none of {asked} Hz; every phone must grant 8,000, 11,025, "
            "16,000 and 44,100: close other apps that record, or ask for these"
        )

    def _record(self, rate_hz: int, encoding: int) -> Any | None:
        """Return a new AudioRecord, or None where the phone refuses."""
        maker = android.java("android.media.AudioRecord")
        mono = android.java("android.media.AudioFormat").CHANNEL_IN_MONO
        least = maker.getMinBufferSize(rate_hz, mono, encoding)
        if least <= 0:
            return None
        source = getattr(android.java("android.media.MediaRecorder$AudioSource"), self.kind)
        size = max(least, round(BUFFER_S * rate_hz) * _dtype(encoding).itemsize)
        try:
            record = maker(source, rate_hz, mono, encoding, size)
        except android.java_error():
            return None
        if record.getState() == maker.STATE_INITIALIZED:
            return record
        record.release()
        return None

    def _read(self, record: Any) -> Iterator[NDArray[np.float32]]:
        clock = FrameClock(self.rate_hz)
        stamp = android.java("android.media.AudioTimestamp")()
        heard = time.monotonic()
        while True:
            # A read that waits would wait for a dead microphone for ever.
            got = record.read(self._direct, len(self._zeros), record.READ_NON_BLOCKING)
            if got < 0:
                names = [name for name in _READ_ERRORS if getattr(record, name) == got]
                self._lose(f"reading gives {''.join(names) or got}; open it again")
            if got > 0:
                heard = time.monotonic()
                block = self._take(got // self._dtype.itemsize)
                if not block.any():
                    self._refuse_silence(record)
                if record.getTimestamp(stamp, stamp.TIMEBASE_MONOTONIC) == record.SUCCESS:
                    self.lost_samples += clock.lost(stamp.framePosition, stamp.nanoTime)
                yield block
            elif time.monotonic() - heard > STALL_S:
                self._lose(f"it gave nothing for {STALL_S:g} s; open it again")
            time.sleep((len(self._zeros) - got) / self._dtype.itemsize / self.rate_hz)

    def _take(self, samples: int) -> NDArray[np.float32]:
        """Return the block (samples,) in Android's buffer, and overwrite every copy of it."""
        direct, heap, zeros = self._direct, self._heap, self._zeros
        direct.clear()
        heap.clear()
        heap.put(direct)
        raw = heap.array().tostring()
        block = np.frombuffer(raw, self._dtype, samples).astype(np.float32)
        if self._dtype == np.int16:
            block *= 1 / 32_768
        for buffer in (direct, heap):
            buffer.clear()
            buffer.put(zeros)
            buffer.clear()
        # pyjnius has just made these bytes: nobody else holds them.
        ctypes.memset(np.frombuffer(raw, np.uint8).ctypes.data, 0, len(raw))
        return block

    def _refuse_silence(self, record: Any) -> None:
        """Raise SourceLost where a block of exact zeros is Android's doing; see `Feed` for others.

        Before API level 29 an app wasn't told so: there a call is taken for the reason.
        """
        if android.sdk_level() >= 29:
            configuration = record.getActiveRecordingConfiguration()
            is_silenced = configuration is not None and configuration.isClientSilenced()
        else:
            is_silenced = self._is_in_call()
        if is_silenced or not self._may_record():
            self._lose(
                "Android gives silence: another app uses it, it is switched off in the quick "
                "settings, or the app is in the background without a foreground service; see "
                "kilohear.capture.android_service",
                MicrophoneBusy,
            )

    def _lose(self, what: str, kind: type[SourceLost] = SourceLost) -> NoReturn:
        """Raise SourceLost with the likeliest cause; `what` is seen where no other is known."""
        if not self._may_record():
            raise PermissionRefused(self._forbidden()) from None
        if self._is_in_call():
            what, kind = "a call has it; wait until the call is over", MicrophoneBusy
        raise kind(f"{self.name}: {what}") from None

    def _may_record(self) -> bool:
        return android.is_granted(self._context, "RECORD_AUDIO")

    def _forbidden(self) -> str:
        return (
            f"{self.name}: the permission RECORD_AUDIO isn't granted; ask for it with "
            "android.permissions.request_permissions, or grant it in the phone's settings"
        )

    def _is_in_call(self) -> bool:
        manager = self._manager
        return manager.getMode() in (manager.MODE_IN_CALL, manager.MODE_IN_COMMUNICATION)


def _dtype(encoding: int) -> np.dtype[Any]:
    """Return the type of a sample in Android's buffers, which have the phone's byte order."""
    is_float = encoding == android.java("android.media.AudioFormat").ENCODING_PCM_FLOAT
    return np.dtype(np.float32 if is_float else np.int16)
