"""Streaming change of sampling rate by a rational factor, in one polyphase stage."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import RateError

T = TypeVar("T", bound=np.generic)

PASS_EDGE = 0.9
"""Pass-band edge over the lower Nyquist frequency; the stop band begins at 1.0."""

STOP_DB = 92.0
"""Design attenuation; leaves room for float32 coefficients under the promised 80 dB."""

_MOST_RATIO = 50_000
"""Of the filter's rate to the Nyquist frequency: some 3 million taps, 12 MB."""


def kaiser_low_pass(pass_hz: float, stop_hz: float, rate_hz: float) -> NDArray[np.float64]:
    """Return a linear-phase low-pass of odd length, unity gain at 0 Hz, shape (taps,).

    Length and shape parameter are Kaiser's formulas (Oppenheim & Schafer, Discrete-Time Signal
    Processing, 3rd ed., eq. 7.75 and 7.76).
    """
    width = 2 * math.pi * (stop_hz - pass_hz) / rate_hz
    half = math.ceil((STOP_DB - 8.0) / (2.285 * width) / 2)
    beta = 0.1102 * (STOP_DB - 8.7)
    cutoff = (pass_hz + stop_hz) / rate_hz  # over Nyquist
    taps = cutoff * np.sinc(cutoff * np.arange(-half, half + 1)) * np.kaiser(2 * half + 1, beta)
    return taps / taps.sum()


def strided_rows(samples: NDArray[T], start: int, length: int, step: int, count: int) -> NDArray[T]:
    """Return overlapping stretches of contiguous `samples` as a view, shape (count, length).

    Row `i` begins at `start + i * step`. numpy's `sliding_window_view` does the same, but costs as
    much as filtering a short block does. Raises ValueError where a row leaves the samples.
    """
    size = samples.itemsize
    shape, strides = (count, length), (step * size, size)
    return np.ndarray(shape, samples.dtype, samples.data, start * size, strides)


class PolyphaseResampler:
    """Change the rate of a stream of blocks; a stream equals the whole clip bit for bit.

    Output `n` stands for the time `n / rate_out_hz` of the input: the filter is centred, so
    nothing is shifted, and an output is given `delay_s` after its time, when the input that it
    needs has come. Each output is one dot product of fixed length, whatever the block sizes.

    Parameters
    ----------
    rate_in_hz, rate_out_hz
        Whole numbers of samples per second.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        for name, rate_hz in (("input", rate_in_hz), ("output", rate_out_hz)):
            if rate_hz != int(rate_hz) or rate_hz <= 0:
                raise RateError(f"the {name} rate is {rate_hz!r} Hz; give a whole number above 0")
        self.rate_in_hz, self.rate_out_hz = int(rate_in_hz), int(rate_out_hz)
        common = math.gcd(self.rate_in_hz, self.rate_out_hz)
        self._up, self._down = self.rate_out_hz // common, self.rate_in_hz // common
        if self._up == self._down:
            taps = np.ones(1)
        else:
            nyquist_hz = min(rate_in_hz, rate_out_hz) / 2
            # From Kaiser's formula: the taps grow with what both rates have to be raised to.
            if rate_in_hz * self._up / nyquist_hz > _MOST_RATIO:
                raise RateError(
                    f"{int(rate_in_hz):,} Hz to {int(rate_out_hz):,} Hz needs a filter of "
                    "millions of taps; record at a common rate such as 16,000 or 44,100 Hz"
                )
            taps = kaiser_low_pass(PASS_EDGE * nyquist_hz, nyquist_hz, rate_in_hz * self._up)
        self._half = len(taps) // 2
        per_phase = -(-len(taps) // self._up)
        padded = np.zeros(per_phase * self._up)
        padded[: len(taps)] = taps * self._up
        phases = padded.reshape(per_phase, self._up).T[:, ::-1]
        self._phases = np.ascontiguousarray(phases, dtype=np.float32)  # (up, taps per phase)
        self.reset()

    @property
    def delay_s(self) -> float:
        """How long after its time an output can be given, in seconds."""
        return self._half / (self._up * self.rate_in_hz)

    def reset(self) -> None:
        """Forget the stream: the next block starts a new one."""
        per_phase = self._phases.shape[1]
        self._pending = np.zeros(per_phase - 1, np.float32)  # starts with silence
        self._first = 1 - per_phase  # input index of _pending[0]
        self._taken = 0  # input samples so far
        self._given = 0  # output samples so far

    def push(self, block: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take the next input block, shape (samples,); return the outputs it completes."""
        self._taken += len(block)
        return self._advance(np.asarray(block, np.float32))

    def flush(self) -> NDArray[np.float32]:
        """End the stream: return the outputs that were waiting, as if silence followed."""
        total = -(-self._taken * self._up // self._down)
        waiting = total - self._given
        rest = self._advance(np.zeros(self._half // self._up + 1, np.float32))[: max(waiting, 0)]
        self.reset()
        return rest

    def resample(self, clip: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the whole clip (samples,) at the output rate; any stream under way is lost."""
        self.reset()
        return np.concatenate([self.push(clip), self.flush()])

    def whole_factor_kernel(self) -> tuple[NDArray[np.float32], int]:
        """Return the up-sampler as one correlation: kernels (up, taps) and zeros to put ahead.

        Over the clip with `lead` zeros ahead and `taps - 1 - lead` behind, kernel `p` gives the
        outputs `p, p + up, ...`. Raises RateError where the factor isn't whole.
        """
        if self._down != 1:
            raise RateError(
                f"{self.rate_out_hz:,} Hz isn't a multiple of {self.rate_in_hz:,} Hz; "
                "only whole factors have one kernel"
            )
        per_phase = self._phases.shape[1]
        ends, phases = np.divmod(np.arange(self._up) + self._half, self._up)
        lead = per_phase - 1 - int(ends.min())
        kernel = np.zeros((self._up, per_phase + 1), np.float32)
        for row, (end, phase) in enumerate(zip(ends - ends.min(), phases, strict=True)):
            kernel[row, end : end + per_phase] = self._phases[phase]
        return kernel, lead

    def _advance(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        up, down, half = self._up, self._down, self._half
        per_phase = self._phases.shape[1]
        samples = np.concatenate([self._pending, block])
        self._pending.fill(0)
        last = self._first + len(samples) - 1  # newest input index at hand
        # Output n ends at input (n * down + half) // up.
        ready = max(((last + 1) * up - half - 1) // down + 1, self._given)
        outputs = np.empty(ready - self._given, np.float32)
        if len(outputs):
            # Outputs `up` apart share a phase, and their windows lie `down` apart: no copies.
            for n in range(self._given, min(self._given + up, ready)):
                end, phase = divmod(n * down + half, up)
                own = outputs[n - self._given :: up]
                start = end - per_phase + 1 - self._first
                rows = strided_rows(samples, start, per_phase, down, len(own))
                own[:] = _row_dots(rows, self._phases[phase])
        self._given = ready
        keep_from = (ready * down + half) // up - per_phase + 1
        drop = min(max(keep_from - self._first, 0), len(samples))
        self._pending = samples[drop:].copy()
        samples.fill(0)
        self._first += drop
        return outputs


def _row_dots(rows: NDArray[np.float32], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one dot product of fixed length a row: no dependence on the rows beside it."""
    if hasattr(np, "vecdot"):
        return np.vecdot(rows, taps)
    return np.array([row @ taps for row in rows])  # numpy below 2, as on iOS
