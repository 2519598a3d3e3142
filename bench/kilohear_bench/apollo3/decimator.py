"""The firmware's decimator to half the rate, bit for bit: int16 in, int16 out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HALF_TAPS: NDArray[np.int64] = np.array(
    [
        28015,
        11154,
        -4282,
        -5357,
        1549,
        3625,
        -467,
        -2708,
        -114,
        2085,
        459,
        -1606,
        -664,
        1217,
        778,
        -890,
        -826,
        614,
        827,
        -379,
        -790,
        183,
        725,
        -24,
        -640,
        -99,
        544,
        189,
        -445,
        -253,
        342,
        286,
        -249,
        -302,
        160,
        297,
        -82,
        -276,
        18,
        245,
        32,
        -208,
        -69,
        168,
        94,
        -127,
        -107,
        89,
        112,
        -52,
        -105,
        26,
        99,
        1,
        -83,
        -16,
        72,
        33,
        -54,
        -39,
        46,
        52,
        -48,
        -132,
        -114,
        -40,
        7,
        10,
    ]
)
"""The second half of the symmetric low-pass, 65536 = 1, (68,); bench/apollo3/tables.py designs it.

Flat within 0.08 dB up to 0.9 of the new Nyquist frequency, 82 dB down from that frequency up.
"""

TAPS: NDArray[np.int64] = np.concatenate([HALF_TAPS[::-1], HALF_TAPS])

DELAY = (len(TAPS) - 1) / 2
"""Input samples by which the output lags, for all frequencies."""


class HalfRate:
    """Halve the rate of a stream of int16 samples, as bench/apollo3/stages/decimator.c does.

    Output `m` is the rounded, saturated sum over the taps of the inputs up to `2 m + 1`; before
    the stream there was silence. Other block sizes change no bit.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next block starts a new one."""
        self._samples = np.zeros(len(TAPS) - 2, np.int16)

    def push(self, block: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take the next samples (n,); return the outputs they complete, (n / 2 or one more,)."""
        self._samples = np.concatenate([self._samples, np.asarray(block, np.int16)])
        count = (len(self._samples) - len(TAPS) + 2) // 2
        if not count:
            return np.empty(0, np.int16)
        rows = np.lib.stride_tricks.sliding_window_view(self._samples, len(TAPS))[::2][:count]
        sums = (rows @ TAPS + (1 << 15)) >> 16
        self._samples = self._samples[2 * count :].copy()
        return sums.clip(-32_768, 32_767).astype(np.int16)
