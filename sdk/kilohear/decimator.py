"""The decimator: from the rate the microphone grants down to the student's rate, in a stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import RateError
from kilohear.finite import require_finite
from kilohear.polyphase import PolyphaseResampler


class Decimator:
    """Reduce the rate of a stream and overwrite what has been read.

    The pass band is flat within 0.1 dB up to 0.9 of the new Nyquist frequency; everything that
    would alias, from the new Nyquist frequency up, is at least 80 dB down. Splitting the input
    into other blocks changes no bit of the output.

    Parameters
    ----------
    granted_hz
        The rate of the input blocks.
    rate_hz
        The student's rate; at most `granted_hz`.

    Raises
    ------
    RateError
        Where `granted_hz` is below `rate_hz`: what the student needs was never captured.
    """

    def __init__(self, granted_hz: int, rate_hz: int) -> None:
        if granted_hz < rate_hz:
            raise RateError(
                f"the input is sampled at {granted_hz:,} Hz, below the student's {rate_hz:,} Hz; "
                f"use a recording at {rate_hz:,} Hz or more, or a bundle for a lower rate"
            )
        self._resampler = PolyphaseResampler(granted_hz, rate_hz)
        self._granted_hz = granted_hz
        self._taken = 0

    @property
    def delay_s(self) -> float:
        """How long after its time an output sample can be given, in seconds."""
        return self._resampler.delay_s

    def push(self, block: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take a block (samples,) at the granted rate; return what it completes at `rate_hz`.

        The block is **overwritten with zeros** where it is writable: nothing above the student's
        band outlives this call, but for the filter's own `2 * delay_s` of memory.

        Raises
        ------
        AudioError
            Where a sample is NaN or infinite, naming its time; nothing of the block is taken.
        """
        require_finite(block, self._granted_hz, self._taken)
        outputs = self._resampler.push(block)
        self._taken += len(block)
        if block.flags.writeable:
            block.fill(0)
        return outputs

    def flush(self) -> NDArray[np.float32]:
        """End the stream and return the samples still waiting; the filter's memory is cleared."""
        self._taken = 0
        return self._resampler.flush()


def decimate(clip: NDArray[np.floating], granted_hz: int, rate_hz: int) -> NDArray[np.float32]:
    """Return a whole clip (samples,) at `rate_hz`, bit-equal to the stream; `clip` is kept."""
    decimator = Decimator(granted_hz, rate_hz)
    return np.concatenate([decimator.push(np.array(clip, np.float32)), decimator.flush()])
