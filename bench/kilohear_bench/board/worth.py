"""What a board's answers are worth: the clips that a simulated one hears, and by which student."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kilohear_bench.board.config import CLIPS
from kilohear_bench.board.students import Student
from kilohear_bench.clips import Clip, spread
from kilohear_bench.config import BenchConfig

_LOGITS_OF = 20  # clips of a student: the serial line takes a second for a map of features
_MAY_DIFFER = {"float32": 0.01, "q15": 0.05}
"""The share of labels that may be others than the reference's, by the board's arithmetic.

The reference's log-mel is float64: now and then a feature falls to a neighbouring integer, and a
label on the edge tips. Of 600 clips of ESC-10 none did in float32, of 160 two in q15.
"""


@dataclasses.dataclass(frozen=True)
class Play:
    """A clip that a student hears.

    Attributes
    ----------
    student, clip
        Who hears what.
    scored
        Whether the student never saw it, so that its label says what the student is worth.
    logits
        Whether its logits are compared as well.
    conditions
        Of its measurements.
    """

    student: Student
    clip: Clip
    scored: bool
    logits: bool
    conditions: dict[str, Any]


def plays(
    own: Student,
    tested: Student,
    unseen: Sequence[Clip],
    clips: Sequence[Clip],
    config: BenchConfig,
) -> list[Play]:
    """Return what is heard at a rate: unseen clips first, then others up to the number wanted.

    Parameters
    ----------
    own
        The student of the rate's work; it hears the others, which are only compared.
    tested
        The student that never saw `unseen`; these are scored.
    clips
        All of the data set.
    config
        Names the data set, the arithmetic, and how many clips in all; None: every unseen one, and
        others up to `CLIPS`.
    """
    dataset, most = config.dataset or "", config.clips
    chosen = spread(unseen, most)
    folds = ", ".join(str(fold) for fold in sorted({clip.fold for clip in chosen}))
    common = {"dataset": Path(dataset).stem, "may_differ": _MAY_DIFFER[config.arithmetic]}
    scored = common | {"note": f"{len(chosen)} clips of fold {folds}, kept from training"}
    promised = tested.promised(dataset)
    if promised is not None:
        scored["card_score"] = promised
    seen = set(unseen)
    rest = [clip for clip in clips if clip not in seen]
    others = spread(rest, max(0, (most or CLIPS) - len(chosen)))
    return [
        *(Play(tested, clip, True, i < _LOGITS_OF, scored) for i, clip in enumerate(chosen)),
        *(Play(own, clip, False, i < _LOGITS_OF, common) for i, clip in enumerate(others)),
    ]
