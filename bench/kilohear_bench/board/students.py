"""Students that the board runs: those that ship with the SDK, and some that are its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kilohear.bundle import Bundle, shipped
from kilohear.errors import BundleError, DataError
from kilohear.student_image import StudentImage
from kilohear_bench.accuracy import expected_score, unseen_clips
from kilohear_bench.clips import Clip
from kilohear_bench.subject import Subject

STUDENTS = Path(__file__).parents[1] / "apollo3" / "students"
"""Bundles for the board alone: rates that ship nowhere else, and students that kept a fold."""


@dataclasses.dataclass(frozen=True)
class Student:
    """A student that the board listens by.

    Attributes
    ----------
    bundle
        Its bundle.
    flashed
        Whether it was flashed into the user slot; elsewhere it is the firmware's own.
    """

    bundle: Bundle
    flashed: bool

    @property
    def subject(self) -> Subject:
        """What results call it."""
        return Subject(self.bundle, self.bundle.export("c", "int8"))

    @property
    def name(self) -> str:
        """Bundle, runtime and precision."""
        return self.subject.name

    @property
    def rate_hz(self) -> int:
        """Nominal."""
        return self.bundle.card.rate_hz

    @property
    def image(self) -> StudentImage:
        """What the board runs."""
        return image_of(self.bundle)

    def promised(self, dataset: str) -> float | None:
        """Return the macro accuracy that its card promises on clips that it never saw; or None.

        A student for the board has no score of its own: the one holds that its weights had
        before they were made integers, which the exporter lets lose little.
        """
        scores = self.bundle.card.scores
        method = next((score for score in scores if score.metric == "macro_accuracy"), None)
        subject = self.subject
        export = dataclasses.replace(subject.export, score=subject.export.score or method)
        return expected_score(Subject(self.bundle, export), dataset)


def board_students() -> dict[str, Path]:
    """Return every bundle with a student for the board, by name."""
    own = {card.parent.name: card.parent for card in sorted(STUDENTS.glob("*/card.json"))}
    return shipped() | own


def bundle_of(name: str, rate_hz: int) -> Bundle:
    """Return the bundle of a student that the firmware holds, by the name that the board says."""
    path = board_students().get(name)
    if path is None:
        raise BundleError(
            f"the board's student at {rate_hz:,} Hz is {name!r}, which isn't among "
            f"{', '.join(board_students())}; give its bundle with --bundle"
        )
    return Bundle.load(path)


def image_of(bundle: Bundle) -> StudentImage:
    """Return the student that the board runs of a bundle."""
    return StudentImage.load(bundle.path / bundle.export("c", "int8").file)


def load_student(bundle: str) -> Bundle:
    """Load a bundle by path, or by a name of `board_students`."""
    return Bundle.load(board_students().get(bundle, bundle))


def unseen_by(
    bundle: Bundle | None, rate_hz: int, dataset: str, clips: Sequence[Clip]
) -> tuple[Bundle, list[Clip]]:
    """Return a student and the clips that it never saw in training.

    Without a bundle it is one of `board_students` that kept clips of `dataset`.

    Raises
    ------
    DataError
        Where there is no such student, or the bundle saw every clip.
    """
    if bundle is not None:
        return bundle, unseen_clips(bundle.card, dataset, clips)[0]
    return held_out(rate_hz, dataset, clips)


def held_out(rate_hz: int, dataset: str, clips: Sequence[Clip]) -> tuple[Bundle, list[Clip]]:
    """Return a student of a rate that kept clips of `dataset` from its training, and those clips.

    Raises
    ------
    DataError
        Where there is none.
    """
    for path in sorted(STUDENTS.glob("*/card.json")):
        bundle = Bundle.load(path.parent)
        if bundle.card.rate_hz != rate_hz:
            continue
        try:
            return bundle, unseen_clips(bundle.card, dataset, clips)[0]
        except DataError:
            continue
    raise DataError(
        f"no student for the board at {rate_hz:,} Hz kept a clip of {dataset} from training; "
        "give one with --bundle"
    )
