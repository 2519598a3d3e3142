"""What the board has to answer for a clip: its stages in Python, the student in exact integers.

Capture, decimator and student agree bit for bit; the log-mel here is numpy's in float64, the
firmware's float32, so that now and then a feature is rounded to a neighbouring integer.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from kilohear.backends import integer
from kilohear.student_image import StudentImage
from kilohear_bench.apollo3.decimator import HalfRate
from kilohear_bench.apollo3.microphone import FULL_SCALE, Clip, pcm
from kilohear_bench.apollo3.rates import rate_of


@dataclasses.dataclass(frozen=True)
class Answer:
    """The first window of a clip.

    Attributes
    ----------
    label
        Of the highest logit, the first of equals.
    logits
        int8 (classes,).
    features
        int8 (frames, bands).
    """

    label: str
    logits: NDArray[np.int8]
    features: NDArray[np.int8]


def heard(clip: Clip, rate_hz: int, samples: int) -> NDArray[np.int16]:
    """Return what a student of nominal `rate_hz` gets of a clip: int16 (samples,), then silence."""
    rate = rate_of(rate_hz)
    captured = pcm(clip, rate.sampled_hz)
    captured = np.pad(captured, (0, max(0, samples * rate.by - len(captured))))
    low = HalfRate().push(captured) if rate.by == 2 else captured
    return low[:samples]


def answer(clip: Clip, image: StudentImage) -> Answer:
    """Return what the board must say of the first window of a clip."""
    samples = heard(clip, image.rate_hz, image.samples)
    features = integer.quantise(image, integer.log_mel(image, samples / (FULL_SCALE + 1)))
    logits = integer.infer(image, features)
    return Answer(image.labels[int(logits.argmax())], logits, features)
