"""How a clip gets to a low rate, and what an eavesdropper may try to get its words back.

Each takes a whole clip (samples,) at a rate and returns samples at another; nothing is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.decimator import decimate
from kilohear.errors import ConfigError

WIDE_HZ = 16_000
"""What the attack extends the band to."""
TILT_DB_PER_OCTAVE = -6.0
"""Fall of the extended band: long-term speech falls by some 6 dB an octave from 500 Hz on (Byrne
et al., An international comparison of long-term average speech spectra, 1994, figure 2)."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """What comes out of a treatment: samples (samples,) float32 and their rate."""

    samples: NDArray[np.float32]
    rate_hz: int


def resample(clip: NDArray[np.floating], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Return a clip (samples,) at another rate, by soxr's best filter; aligned in time."""
    if from_hz == to_hz:
        return np.asarray(clip, np.float32)
    soxr = extras.load("soxr")
    return np.asarray(soxr.resample(clip, from_hz, to_hz, quality="VHQ"), np.float32)


def extend_band(clip: NDArray[np.floating], rate_hz: int) -> NDArray[np.float32]:
    """Return a clip (samples,) at WIDE_HZ, its band extended by spectral folding.

    Zeros put between the samples repeat the spectrum, mirrored, all the way up; a filter leaves
    the low band as it is and lets the copies fall by TILT_DB_PER_OCTAVE. It is the simple baseline
    of the field (Makhoul and Berouti, High-frequency regeneration in speech coding systems, 1979):
    it knows nothing of speech, and gives the same samples each time.

    Raises
    ------
    ConfigError
        Where WIDE_HZ isn't a multiple of `rate_hz`.
    """
    if WIDE_HZ % rate_hz:
        raise ConfigError(f"the attack needs a rate that divides {WIDE_HZ:,} Hz, got {rate_hz:,}")
    times = WIDE_HZ // rate_hz
    folded = np.zeros(len(clip) * times)
    folded[::times] = clip
    spectrum = np.fft.rfft(folded)
    frequency = np.fft.rfftfreq(len(folded), 1 / WIDE_HZ)
    octaves = np.log2(np.maximum(frequency, rate_hz / 2) / (rate_hz / 2))
    spectrum *= times * 10 ** (TILT_DB_PER_OCTAVE * octaves / 20)
    return np.fft.irfft(spectrum, len(folded)).astype(np.float32)


def _decimator(clip: NDArray[np.floating], from_hz: int, rate_hz: int) -> Heard:
    return Heard(decimate(clip, from_hz, rate_hz), rate_hz)


def _soxr(clip: NDArray[np.floating], from_hz: int, rate_hz: int) -> Heard:
    return Heard(resample(clip, from_hz, rate_hz), rate_hz)


def _band_extension(clip: NDArray[np.floating], from_hz: int, rate_hz: int) -> Heard:
    return Heard(extend_band(decimate(clip, from_hz, rate_hz), rate_hz), WIDE_HZ)


_TREATMENTS: dict[str, Callable[[NDArray[np.floating], int, int], Heard]] = {
    "decimator": _decimator,
    "soxr": _soxr,
    "band-extension": _band_extension,
}
MEANING = {
    "decimator": "kilohear's own decimator, as on the device",
    "soxr": "soxr's best filter, somebody else's decimator",
    "band-extension": "kilohear's decimator, then the attack: spectral folding back to 16 kHz",
}
"""Every treatment by name."""


def treat(name: str, clip: NDArray[np.floating], from_hz: int, rate_hz: int) -> Heard:
    """Bring a clip (samples,) from `from_hz` to `rate_hz` by the treatment called `name`."""
    if name not in _TREATMENTS:
        raise ConfigError(f"no treatment {name!r}; there are {', '.join(_TREATMENTS)}")
    return _TREATMENTS[name](clip, from_hz, rate_hz)
