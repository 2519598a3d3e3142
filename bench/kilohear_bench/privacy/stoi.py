"""STOI, a second measure: how much of the original's short-time envelopes is left, 0 to 1.

Source: Taal et al., An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy
Speech (2011), as pystoi computes it: 15 third-octave bands from 150 Hz up, at 10 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear_bench.privacy.treatments import Heard, resample


def stoi(original: NDArray[np.floating], rate_hz: int, heard: Heard) -> float:
    """Return STOI of what is heard, brought back to `rate_hz`, against `original` (samples,)."""
    pystoi = extras.load("pystoi")
    back = resample(heard.samples, heard.rate_hz, rate_hz)
    length = min(len(original), len(back))
    return float(pystoi.stoi(original[:length], back[:length], rate_hz))
