"""The verdict: a device that hears worse than the card says, or otherwise than the host, fails."""

from __future__ import annotations

import math
from collections.abc import Iterable

from kilohear_bench.measurement import Measurement

_Z = 1.96


def shortfalls(measurements: Iterable[Measurement], max_drop: float | None) -> list[str]:
    """Return what fell short, in words; empty: nothing did.

    A macro accuracy must reach the score that its measurement's condition `card_score` names, less
    `max_drop`, or less what chance explains on so many clips. Labels must agree with the host's on
    all clips, but for the share that a measurement's condition `may_differ` names.
    """
    found = []
    for m in measurements:
        if m.name == "macro_accuracy" and m.conditions.get("card_score") is not None:
            expected = m.conditions["card_score"]
            clips = len(m.conditions["clips_true_predicted"])
            allowed = by_chance(expected, clips) if max_drop is None else max_drop
            if m.mean < expected - allowed - 1e-9:
                found.append(
                    f"{m.device}: {m.subject} has a macro accuracy of {m.mean:.3f} on {clips} "
                    f"clips, its card says {expected:.3f}; at most {allowed:.3f} less are allowed"
                )
        if m.name == "label_agreement" and m.mean < 1 - m.conditions.get("may_differ", 0.0) - 1e-9:
            found.append(
                f"{m.device}: {m.subject} gives another label than the host on "
                f"{sum(sample < 1 for sample in m.samples)} of {len(m.samples)} clips"
            )
    return found


def by_chance(score: float, clips: int) -> float:
    """Return how far below `score` the score on so many clips may lie by chance.

    Half of the 95% normal interval of a share, and one clip at least.
    """
    return max(1 / clips, _Z * math.sqrt(score * (1 - score) / clips))
