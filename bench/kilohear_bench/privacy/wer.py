"""Word error rate: (substitutions + deletions + insertions) / words said, with its interval."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import DataError

NORMALISER = "kilohear-english-1"
"""Name of `normalise`; a change of it that changes a rate gets another."""

_RESAMPLES = 10_000
_LEAST_CLIPS = 2
_ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "dr": "doctor",
    "st": "saint",
    "prof": "professor",
    "capt": "captain",
    "col": "colonel",
    "gen": "general",
    "lieut": "lieutenant",
    "rev": "reverend",
    "hon": "honorable",
    "esq": "esquire",
}
# fmt: off
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
_TENS = (
    "zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
# fmt: on


def normalise(text: str) -> str:
    """Return text as words to compare: lower case, no punctuation, numbers and titles as words.

    In this order: lower case; remarks in brackets go (`[BLANK_AUDIO]`, `(music)`); apostrophes go
    (`don't` is `dont`); a comma within a number goes; everything that is neither letter nor digit
    parts words, hyphens too; titles are written out; whole numbers below a million are spelled.
    British and American spellings stay different words, ordinals in digits stay as they are, and a
    year is spelled as the number that it is.
    """
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>", " ", text.lower())
    text = re.sub(r"['\u2019\u2018]", "", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text).replace("&", " and ")
    words = re.sub(r"[^\w]|_", " ", text).split()
    return " ".join(_spelled(_ABBREVIATIONS.get(word, word)) for word in words)


@dataclasses.dataclass(frozen=True)
class Errors:
    """What one clip adds.

    Attributes
    ----------
    group
        The clip; transcripts of one clip by several listeners share it.
    words
        Words said, 1 or more.
    errors
        Substitutions, deletions and insertions; with insertions there can be more than words.
    """

    group: str
    words: int
    errors: int

    def __post_init__(self) -> None:
        if self.words < 1 or self.errors < 0:
            raise DataError(
                f"{self.group}: {self.errors} errors in {self.words} words; a rate needs a word"
            )

    @property
    def rate(self) -> float:
        """Word error rate of this clip, uncapped, as a fraction."""
        return self.errors / self.words


def compare(group: str, said: str, understood: str) -> Errors:
    """Count the word errors of `understood` against `said`, both normalised here.

    Raises
    ------
    DataError
        Where `said` has no words.
    """
    jiwer = extras.load("jiwer")
    reference, hypothesis = normalise(said), normalise(understood)
    if not reference:
        raise DataError(f"{group}: {said!r} has no words; remove the clip")
    counts = jiwer.process_words(reference, hypothesis)
    errors = counts.substitutions + counts.deletions + counts.insertions
    return Errors(group, len(reference.split()), errors)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A value with its 95% interval, fractions."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f}% ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclasses.dataclass(frozen=True)
class Score:
    """Word error rates over clips, in four ways.

    Attributes
    ----------
    pooled, pooled_uncapped
        All errors over all words; capped: no clip counts more errors than it has words.
    mean, mean_uncapped
        Mean of the clips' rates; capped: none above 1.
    clips, transcripts
        How many there were.
    """

    pooled: Rate
    pooled_uncapped: Rate
    mean: Rate
    mean_uncapped: Rate
    clips: int
    transcripts: int


def score(results: Sequence[Errors]) -> Score:
    """Return the rates with the central 95% of 10,000 bootstrap samples, drawn from one seed.

    Clips are drawn, with all transcripts of each; speakers aren't, so the interval holds for more
    clips of the same speakers. A single clip has no spread, its interval is its value. Source:
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), the percentile method.

    Raises
    ------
    DataError
        Where there are no results.
    """
    if not results:
        raise DataError("nothing was transcribed, so there is no word error rate; run some clips")
    groups = sorted({result.group for result in results})
    drawn = _draws(len(groups))
    at = [groups.index(result.group) for result in results]
    words = np.array([result.words for result in results], np.float64)
    errors = np.array([result.errors for result in results], np.float64)
    capped, ones = np.minimum(errors, words), np.ones(len(results))

    def rate(above: NDArray[np.float64], below: NDArray[np.float64]) -> Rate:
        tops = np.bincount(at, above, len(groups))
        bottoms = np.bincount(at, below, len(groups))
        ratios = tops[drawn].sum(axis=1) / bottoms[drawn].sum(axis=1)
        low, high = np.percentile(ratios, [2.5, 97.5])
        return Rate(float(tops.sum() / bottoms.sum()), float(low), float(high))

    return Score(
        pooled=rate(capped, words),
        pooled_uncapped=rate(errors, words),
        mean=rate(capped / words, ones),
        mean_uncapped=rate(errors / words, ones),
        clips=len(groups),
        transcripts=len(results),
    )


def difference(after: Sequence[Errors], before: Sequence[Errors]) -> Rate:
    """Return how much higher the capped rate over all words is `after` than `before`.

    The same clips are drawn on both sides, so what makes a clip hard falls out of the interval.

    Raises
    ------
    DataError
        Where they aren't one result each of the same clips.
    """
    first = {result.group: result for result in after}
    second = {result.group: result for result in before}
    if not first or first.keys() != second.keys() or len(after) + len(before) != 2 * len(first):
        raise DataError("a difference needs one result of each clip on both sides; run the same")
    groups = sorted(first)
    words = np.array([first[group].words for group in groups], np.float64)
    more = np.array(
        [
            min(first[group].errors, first[group].words)
            - min(second[group].errors, second[group].words)
            for group in groups
        ],
        np.float64,
    )
    drawn = _draws(len(groups))
    low, high = np.percentile(more[drawn].sum(axis=1) / words[drawn].sum(axis=1), [2.5, 97.5])
    return Rate(float(more.sum() / words.sum()), float(low), float(high))


def _draws(count: int) -> NDArray[np.int64]:
    """Return bootstrap samples of `count` clips, a row each; a single clip is itself."""
    if count < _LEAST_CLIPS:
        return np.arange(count)[None, :]
    return np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))


def _spelled(word: str) -> str:
    """Return a whole number below a million in words, anything else as it is."""
    if not re.fullmatch(r"[0-9]{1,6}", word):
        return word
    return " ".join(_number(int(word)))


def _number(value: int) -> list[str]:
    if value < len(_ONES):
        return [_ONES[value]]
    if value < 100:
        return [_TENS[value // 10], *(_number(value % 10) if value % 10 else [])]
    if value < 1_000:
        rest = ["and", *_number(value % 100)] if value % 100 else []
        return [_ONES[value // 100], "hundred", *rest]
    rest = _number(value % 1_000) if value % 1_000 else []
    return [*_number(value // 1_000), "thousand", *rest]
