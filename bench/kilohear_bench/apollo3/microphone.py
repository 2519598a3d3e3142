"""What the simulated microphone hears: clips, resampled to the rate that the chip samples at."""

from __future__ import annotations

import collections
import dataclasses
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kilohear.errors import AudioError
from kilohear.polyphase import PolyphaseResampler

FULL_SCALE = 32_767


@dataclasses.dataclass(frozen=True)
class Clip:
    """A recording.

    Attributes
    ----------
    samples
        float32 (samples,), full scale 1.0.
    rate_hz
        Of the samples.
    """

    samples: NDArray[np.float32]
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or not np.isfinite(self.samples).all():
            raise AudioError(
                f"a clip has the shape {self.samples.shape}; give finite mono samples (samples,)"
            )


def pcm(clip: Clip, rate_hz: Fraction, gain_db: float = 0.0) -> NDArray[np.int16]:
    """Return the clip as the chip samples it: int16 (samples,) at `rate_hz`, saturated."""
    resampler = PolyphaseResampler(clip.rate_hz * rate_hz.denominator, rate_hz.numerator)
    scaled = resampler.resample(clip.samples).astype(np.float64) * 10 ** (gain_db / 20)
    return np.clip(np.round(scaled * FULL_SCALE), -FULL_SCALE - 1, FULL_SCALE).astype(np.int16)


class Microphone:
    """A queue of clips: each start of the capture plays the next one, then there is silence.

    With `repeat` the last clip is played again at every further start. A clip begins with the
    first sample that the chip takes: the settling of microphone and filters isn't modelled.
    """

    def __init__(self, repeat: bool = True) -> None:
        self.repeat = repeat
        self._clips: collections.deque[Clip] = collections.deque()
        self._last: Clip | None = None

    def queue(self, samples: ArrayLike, rate_hz: int) -> Self:
        """Add a clip, float (samples,) with full scale 1.0; returns the microphone."""
        self._clips.append(Clip(np.asarray(samples, np.float32), rate_hz))
        return self

    def clear(self) -> None:
        """Forget every clip: silence."""
        self._clips.clear()
        self._last = None

    def start(self, rate_hz: Fraction, gain_db: float) -> NDArray[np.int16]:
        """Return what is heard from now on, int16 (samples,) at `rate_hz`; silence follows."""
        clip = self._clips.popleft() if self._clips else self._last if self.repeat else None
        self._last = clip
        return np.zeros(0, np.int16) if clip is None else pcm(clip, rate_hz, gain_db)
