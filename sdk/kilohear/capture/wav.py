"""Recordings as a source: checked whole when opened, then streamed block by block."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import AudioError, ConfigError
from kilohear.finite import require_finite
from kilohear.frontend import MOST_HZ

_UNKNOWN_BYTES = 0x7FFFF000  # from here up a data chunk's size means "streamed, unknown"
_MOST_CHANNELS = 64
_MOST_CHUNKS = 10_000
_UNKNOWN_FRAMES = 2**62  # libsndfile's announcement where a header gives no length


class Recording:
    """A recording on disk, down-mixed to mono by the mean of its channels.

    Opening decodes the file once, so that a bad one is refused before anything listens. WAV and
    FLAC announce their length and are refused when truncated; other formats don't always.

    Parameters
    ----------
    path
        A file that soundfile reads: WAV (8 to 32 bit, float), FLAC, Ogg, AIFF, ...
    block_s
        Length of a block, seconds.

    Raises
    ------
    AudioError
        Where the file is missing, empty, truncated, no audio, or holds NaN or infinite samples.
    """

    lost_samples = 0

    def __init__(self, path: str | Path, block_s: float = 0.1) -> None:
        self.path = Path(path)
        self.name = self.path.name
        if not block_s > 0:
            raise ConfigError(f"block_s is {block_s}; give a length above 0 s")
        _refuse_empty(self.path)
        with self._open() as file:
            self.rate_hz = int(file.samplerate)
            self._announced = int(file.frames)
            self._refuse_strange_header(int(file.channels))
        self.requested_hz = self.rate_hz
        self._block = max(1, math.ceil(block_s * self.rate_hz))
        _refuse_truncated_wav(self.path)
        self.samples = sum(len(block) for block in self.blocks())
        self._refuse_wrong_length()

    @property
    def duration_s(self) -> float:
        """Length of the recording, seconds."""
        return self.samples / self.rate_hz

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield mono blocks (samples,) from the start of the recording to its end."""
        decoder_error = extras.load("soundfile").SoundFileError
        with self._open() as file:
            taken = 0
            while True:
                try:
                    frames = file.read(self._block, dtype="float32", always_2d=True)
                except decoder_error as error:
                    raise AudioError(
                        f"{self.path}: the audio can't be decoded beyond "
                        f"{taken / self.rate_hz:.3f} s ({error}); the file is damaged or "
                        "truncated, copy or record it again"
                    ) from None
                if not len(frames):
                    return
                block = frames.mean(axis=1, dtype=np.float32)  # (samples,)
                frames.fill(0)
                require_finite(
                    block,
                    self.rate_hz,
                    taken,
                    where=f"{self.path}: ",
                    advice="repair or record the file again",
                )
                taken += len(block)
                yield block

    def _open(self) -> Any:
        soundfile = extras.load("soundfile")
        try:
            return soundfile.SoundFile(self.path)
        except (soundfile.SoundFileError, TypeError) as error:
            raise AudioError(
                f"{self.path}: not audio that can be read ({error}); give a WAV or FLAC recording"
            ) from None

    def _refuse_strange_header(self, channels: int) -> None:
        if not 1 <= self.rate_hz <= MOST_HZ or not 1 <= channels <= _MOST_CHANNELS:
            raise AudioError(
                f"{self.path}: its header announces {channels:,} channels at {self.rate_hz:,} Hz; "
                f"give a recording of at most {_MOST_CHANNELS} channels at 1 to {MOST_HZ:,} Hz"
            )

    def _refuse_wrong_length(self) -> None:
        if not self.samples:
            raise AudioError(f"{self.path}: holds 0 samples; give a recording with sound in it")
        if self.samples < self._announced < _UNKNOWN_FRAMES:
            raise AudioError(
                f"{self.path}: truncated, {self.samples} of the {self._announced} samples its "
                "header announces are there; copy or record it again"
            )


def _refuse_empty(path: Path) -> None:
    if not path.exists():
        raise AudioError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise AudioError(f"{path}: not a file; give a WAV or FLAC recording")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: empty, 0 bytes; copy or record it again")


def _refuse_truncated_wav(path: Path) -> None:
    """Hold a WAV's announced data against its size: libsndfile reads what is left in silence."""
    with path.open("rb") as file:
        announced = _wav_data_bytes(file)
        there = path.stat().st_size - file.tell()
    if announced is not None and there < announced < _UNKNOWN_BYTES:
        raise AudioError(
            f"{path}: truncated, {there} of the {announced} bytes of sound its header announces "
            "are there; copy or record it again"
        )


def _wav_data_bytes(file: BinaryIO) -> int | None:
    """Return the data chunk's announced size and stop at its start; None where there is none."""
    order = {b"RIFF": "<", b"RIFX": ">"}.get(file.read(12)[:4])
    for _ in range(_MOST_CHUNKS if order else 0):
        header = file.read(8)
        if len(header) < 8:
            return None
        chunk, size = struct.unpack(f"{order}4sI", header)
        if chunk == b"data":
            return size
        file.seek(size + size % 2, 1)
    return None
