"""AudioToolbox's recording queue, through ctypes.

Structures, constants and what each function promises: AudioQueue.h and CoreAudioBaseTypes.h of
Apple's SDK.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import MicrophoneBusy, NoMicrophone, SourceLost

BUFFERS = 6
"""Blocks that the system may fill while Python is busy with something else."""

HAND_OVER_S = 2.0
"""What may wait for its reader; more is dropped and counted."""

JITTER_S = 0.025
"""Jumps of the sample time that are no loss: a converted stream's may wobble by one slice of the
hardware's, 1,024 samples at 44.1 kHz being 23 ms. Smaller losses add up until they are seen."""

_LIBRARY = "/System/Library/Frameworks/AudioToolbox.framework/AudioToolbox"


def _code(four: str) -> int:
    return struct.unpack(">i", four.encode())[0]


_LINEAR_PCM = _code("lpcm")
_FLOAT_PACKED = 1 | 8  # kAudioFormatFlagIsFloat | kAudioFormatFlagIsPacked, little-endian
_IS_RUNNING = _code("aqrn")
_STREAM_DESCRIPTION = _code("aqft")
_SAMPLE_TIME_VALID = 1

_MEANINGS = {
    -66681: "the queue can't start",
    -66680: "there is no input device",
    -66676: "it isn't permitted",
    -66671: "the system's audio services were restarted",
    -66665: "the hardware is being set up",
    _code("fmt?"): "the format isn't offered",
    _code("!cat"): "the session's category doesn't record",
    _code("!int"): "an app off the screen can't start the microphone",
    _code("!pri"): "a call or another app goes first",
    _code("!rec"): "recording can't start",
    _code("inac"): "the session isn't active",
    _code("msrv"): "the system's audio services were restarted",
    _code("siri"): "Siri is listening",
}


class StreamDescription(ctypes.Structure):
    """AudioStreamBasicDescription."""

    _fields_ = (
        ("mSampleRate", ctypes.c_double),
        ("mFormatID", ctypes.c_uint32),
        ("mFormatFlags", ctypes.c_uint32),
        ("mBytesPerPacket", ctypes.c_uint32),
        ("mFramesPerPacket", ctypes.c_uint32),
        ("mBytesPerFrame", ctypes.c_uint32),
        ("mChannelsPerFrame", ctypes.c_uint32),
        ("mBitsPerChannel", ctypes.c_uint32),
        ("mReserved", ctypes.c_uint32),
    )


class Buffer(ctypes.Structure):
    """AudioQueueBuffer."""

    _fields_ = (
        ("mAudioDataBytesCapacity", ctypes.c_uint32),
        ("mAudioData", ctypes.c_void_p),
        ("mAudioDataByteSize", ctypes.c_uint32),
        ("mUserData", ctypes.c_void_p),
        ("mPacketDescriptionCapacity", ctypes.c_uint32),
        ("mPacketDescriptions", ctypes.c_void_p),
        ("mPacketDescriptionCount", ctypes.c_uint32),
    )


class TimeStamp(ctypes.Structure):
    """AudioTimeStamp; the SMPTE time, which nothing here reads, is bytes."""

    _fields_ = (
        ("mSampleTime", ctypes.c_double),
        ("mHostTime", ctypes.c_uint64),
        ("mRateScalar", ctypes.c_double),
        ("mWordClockTime", ctypes.c_uint64),
        ("mSMPTETime", ctypes.c_uint32 * 6),
        ("mFlags", ctypes.c_uint32),
        ("mReserved", ctypes.c_uint32),
    )


_Reference = ctypes.POINTER(Buffer)
_InputCallback = ctypes.CFUNCTYPE(
    None,
    *(ctypes.c_void_p, ctypes.c_void_p, _Reference, ctypes.POINTER(TimeStamp)),
    *(ctypes.c_uint32, ctypes.c_void_p),
)
_PropertyListener = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)


def load() -> ctypes.CDLL:
    """Return AudioToolbox; raises NoMicrophone off Apple's systems."""
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise NoMicrophone(
            f"AudioToolbox can't be loaded ({error}); it is part of iOS: elsewhere use the "
            "microphone through sounddevice"
        ) from None


def declare(toolbox: ctypes.CDLL) -> None:
    """Declare the functions: without, ctypes would cut 64-bit pointers."""
    queue, flag, number = ctypes.c_void_p, ctypes.c_ubyte, ctypes.c_uint32
    listening = [queue, number, _PropertyListener, ctypes.c_void_p]
    prototypes = {
        "AudioQueueNewInput": [
            *(ctypes.POINTER(StreamDescription), _InputCallback, ctypes.c_void_p),
            *(ctypes.c_void_p, ctypes.c_void_p, number, ctypes.POINTER(queue)),
        ],
        "AudioQueueAllocateBuffer": [queue, number, ctypes.POINTER(_Reference)],
        "AudioQueueEnqueueBuffer": [queue, _Reference, number, ctypes.c_void_p],
        "AudioQueueStart": [queue, ctypes.POINTER(TimeStamp)],
        "AudioQueueStop": [queue, flag],
        "AudioQueueDispose": [queue, flag],
        "AudioQueueGetProperty": [queue, number, ctypes.c_void_p, ctypes.POINTER(number)],
        "AudioQueueAddPropertyListener": listening,
        "AudioQueueRemovePropertyListener": listening,
    }
    for name, arguments in prototypes.items():
        function = getattr(toolbox, name)
        function.argtypes, function.restype = arguments, ctypes.c_int32


def describe(status: int) -> str:
    """Return an OSStatus as a person reads it: a four-character code as text, and its meaning."""
    four = struct.pack(">i", status)
    shown = f"'{four.decode()}'" if all(32 <= byte < 127 for byte in four) else str(status)
    return f"{shown}, {_MEANINGS[status]}" if status in _MEANINGS else shown


def refusal(toolbox: ctypes.CDLL, rate_hz: int) -> str | None:
    """Return why a queue can't give mono float32 at a rate; None where it can."""
    queue, callback = ctypes.c_void_p(), _InputCallback(lambda *_: None)
    status = _new(toolbox, rate_hz, callback, queue)
    if status:
        return describe(status)
    given = StreamDescription()
    size = ctypes.c_uint32(ctypes.sizeof(given))
    status = toolbox.AudioQueueGetProperty(
        queue, _STREAM_DESCRIPTION, ctypes.byref(given), ctypes.byref(size)
    )
    toolbox.AudioQueueDispose(queue, True)
    if status:
        return describe(status)
    return None if given.mSampleRate == rate_hz else f"gives {given.mSampleRate:g} Hz instead"


class Timeline:
    """Finds losses in the sample times of successive buffers.

    Apple doesn't say whether a converting queue counts its own samples or the hardware's. The
    second buffer shows it: it begins nearer to one of the two.

    Parameters
    ----------
    rate_hz, hardware_hz
        The queue's and the hardware's rates; a hardware's that isn't known is 0.
    """

    def __init__(self, rate_hz: int, hardware_hz: int) -> None:
        self._scales = (1.0, (hardware_hz or rate_hz) / rate_hz)
        self._jitter = JITTER_S * rate_hz
        self._begin(0.0)

    def lost_before(self, sample_time: float | None, samples: int) -> int:
        """Return how many samples are missing before a buffer; None: its time isn't known."""
        if sample_time is None:
            self._begin(0.0)
            return 0
        if not self._heard:
            self._begin(sample_time)
        elapsed = sample_time - self._origin
        if self._heard and self._scale is None:
            self._scale = min(self._scales, key=lambda scale: abs(elapsed - scale * self._heard))
        gap = elapsed / (self._scale or 1.0) - self._heard
        lost = round(gap) if gap >= self._jitter else 0
        if gap <= -self._jitter:  # the system has begun to count anew
            self._begin(sample_time)
        self._heard += lost + samples
        return lost

    def _begin(self, sample_time: float) -> None:
        self._origin, self._heard = sample_time, 0
        self._scale: float | None = None


class AudioQueue:
    """A queue that records; close it, or it goes on.

    The system calls back on a thread of its own: a block is copied out, its buffer overwritten with
    zeros and given back.

    Parameters
    ----------
    toolbox
        AudioToolbox, with its functions declared.
    rate_hz
        Of the blocks, mono float32.
    hardware_hz
        Of the hardware, which the queue converts from; 0: not known.
    block
        Samples of a block.

    Attributes
    ----------
    lost
        Samples lost since the last block that waits or was read; once closed, since the last that
        was read, without those that waited.

    Raises
    ------
    SourceLost
        Where it can't be made or started, with the system's reason.
    """

    def __init__(self, toolbox: ctypes.CDLL, rate_hz: int, hardware_hz: int, block: int) -> None:
        self._toolbox = toolbox
        self._limit = max(1, round(HAND_OVER_S * rate_hz / block))
        self._timeline = Timeline(rate_hz, hardware_hz)
        self._waiting: deque[tuple[int, NDArray[np.float32]]] = deque()
        self.lost = 0
        self._has_run = self._has_stopped = self._closing = False
        self._failure: str | None = None
        self._changed = threading.Condition()
        self._buffers: list[ctypes._Pointer[Buffer]] = []
        # The system holds their addresses only: they must live as long as the queue.
        self._callback, self._listener = _InputCallback(self._take), _PropertyListener(self._look)
        self._queue = ctypes.c_void_p()
        self._require(_new(toolbox, rate_hz, self._callback, self._queue))
        try:
            self._start(4 * block)
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> tuple[int, NDArray[np.float32]]:
        """Return how many samples were lost before a block, and the block (samples,).

        Raises
        ------
        SourceLost
            Where the queue was stopped by the system, has failed, or gives nothing in time.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._has_stopped or self._failure, timeout_s
            )
            if self._waiting:
                return self._waiting.popleft()
            if self._has_stopped:
                raise MicrophoneBusy(
                    "a call, Siri, an alarm or another app took the microphone; it comes back when "
                    "that is over and the app is on the screen"
                )
            if self._failure:
                raise SourceLost(f"{self._failure}; it is opened again")
        self._is_running()  # says so where the system's audio services are gone
        raise SourceLost(
            f"it gave nothing for {timeout_s:g} s; see whether another app records, and restart "
            "this one"
        )

    def close(self) -> None:
        """Stop at once; nothing is called back from here on, and no sound is kept."""
        self._closing = True
        toolbox, queue = self._toolbox, self._queue
        toolbox.AudioQueueRemovePropertyListener(queue, _IS_RUNNING, self._listener, None)
        toolbox.AudioQueueStop(queue, True)
        for buffer in self._buffers:
            _overwrite(buffer.contents)
        toolbox.AudioQueueDispose(queue, True)
        for lost, block in self._waiting:
            self.lost += lost
            block.fill(0)
        self._waiting.clear()

    def _start(self, size: int) -> None:
        toolbox, queue = self._toolbox, self._queue
        self._require(
            toolbox.AudioQueueAddPropertyListener(queue, _IS_RUNNING, self._listener, None)
        )
        for _ in range(BUFFERS):
            buffer = _Reference()
            self._require(toolbox.AudioQueueAllocateBuffer(queue, size, ctypes.byref(buffer)))
            self._buffers.append(buffer)
            self._require(toolbox.AudioQueueEnqueueBuffer(queue, buffer, 0, None))
        self._require(toolbox.AudioQueueStart(queue, None))

    def _take(
        self,
        _user: object,
        queue: int,
        reference: ctypes._Pointer[Buffer],
        time: ctypes._Pointer[TimeStamp],
        *_: object,
    ) -> None:
        """Take a filled buffer's block; the system's thread is in here."""
        try:
            self._hand_over(reference.contents, time.contents)
        except BaseException as error:  # must not pass through the system's frames
            self._fail(repr(error))
        _overwrite(reference.contents)
        if self._closing:
            return
        status = self._toolbox.AudioQueueEnqueueBuffer(queue, reference, 0, None)
        if status and not self._closing:
            self._fail(describe(status))

    def _hand_over(self, buffer: Buffer, time: TimeStamp) -> None:
        samples = buffer.mAudioDataByteSize // 4
        with self._changed:
            self._has_run = True
            at = time.mSampleTime if time.mFlags & _SAMPLE_TIME_VALID else None
            self.lost += self._timeline.lost_before(at, samples)
            if self._closing or not samples:
                return
            if len(self._waiting) >= self._limit:
                self.lost += samples
                return
            block = np.empty(samples, np.float32)
            ctypes.memmove(block.ctypes.data, buffer.mAudioData, block.nbytes)
            self._waiting.append((self.lost, block))
            self.lost = 0
            self._changed.notify()

    def _look(self, *_: object) -> None:
        """See whether the queue runs; the system's thread is in here."""
        try:
            is_running = self._is_running()
        except BaseException as error:  # as above
            self._fail(str(error))
            return
        with self._changed:
            self._has_stopped |= self._has_run and not is_running
            self._has_run |= is_running
            self._changed.notify()

    def _is_running(self) -> bool:
        value = ctypes.c_uint32()
        size = ctypes.c_uint32(ctypes.sizeof(value))
        self._require(
            self._toolbox.AudioQueueGetProperty(
                self._queue, _IS_RUNNING, ctypes.byref(value), ctypes.byref(size)
            )
        )
        return bool(value.value)

    def _fail(self, why: str) -> None:
        with self._changed:
            self._failure = self._failure or why
            self._changed.notify()

    def _require(self, status: int) -> None:
        if status:
            raise SourceLost(f"{describe(status)}; it is opened again")


def _new(
    toolbox: ctypes.CDLL, rate_hz: int, callback: ctypes._CFunctionType, queue: ctypes.c_void_p
) -> int:
    """Make a queue for mono float32, called back on a thread of the system's."""
    wanted = StreamDescription(rate_hz, _LINEAR_PCM, _FLOAT_PACKED, 4, 1, 4, 1, 32, 0)
    return toolbox.AudioQueueNewInput(
        ctypes.byref(wanted), callback, None, None, None, 0, ctypes.byref(queue)
    )


def _overwrite(buffer: Buffer) -> None:
    ctypes.memset(buffer.mAudioData, 0, buffer.mAudioDataBytesCapacity)
