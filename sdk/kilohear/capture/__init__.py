"""Capture: where sound comes from. One protocol for recordings, microphones and phones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Source", "open_source"]


@runtime_checkable
class Source(Protocol):
    """A mono stream of sound.

    Attributes
    ----------
    name
        What a person calls it: a file's or a device's name.
    requested_hz
        The rate that was asked for; a recording's is its own.
    rate_hz
        The rate that was granted: that of the blocks.
    lost_samples
        Samples the source had to drop so far. Never hidden: callers report it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def requested_hz(self) -> int: ...  # noqa: D102

    @property
    def rate_hz(self) -> int: ...  # noqa: D102

    @property
    def lost_samples(self) -> int: ...  # noqa: D102

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,) in [-1, 1] until the source ends.

        Each block is the receiver's to overwrite; the source keeps no copy.
        """
        ...


def open_source(path: str | Path, block_s: float = 0.1) -> Source:
    """Open a recording: WAV, FLAC or anything else that soundfile reads.

    Parameters
    ----------
    path
        The recording. Several channels are averaged into one.
    block_s
        Length of a block, seconds.

    Raises
    ------
    AudioError
        Where the file is missing, empty, truncated, no audio, or holds NaN or infinite samples.
    ExtraError
        Where soundfile isn't installed.
    """
    from kilohear.capture.wav import Recording  # soundfile is needed from here on only

    return Recording(path, block_s)
