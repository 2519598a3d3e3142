"""The check that samples are numbers, for every stage that takes them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import AudioError


def require_finite(
    samples: NDArray[np.floating],
    rate_hz: int,
    taken: int = 0,
    where: str = "",
    advice: str = "check the source",
) -> None:
    """Refuse NaN and infinity; costs one pass where there is none.

    Parameters
    ----------
    samples
        (samples,) at `rate_hz`.
    taken
        Samples of the stream that came before.
    where, advice
        Begin and end the message.

    Raises
    ------
    AudioError
        Naming the first such sample and its time.
    """
    # A NaN or an infinity makes the energy one; only then is it looked for.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(np.dot(samples, samples)):
            return
    wrong = np.flatnonzero(~np.isfinite(samples))
    if len(wrong):  # else the samples are merely huge
        first = taken + int(wrong[0])
        raise AudioError(
            f"{where}sample {first} at {first / rate_hz:.3f} s is {samples[wrong[0]]}, "
            f"expected a finite number; {advice}"
        )
