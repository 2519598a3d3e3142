"""Word error rates: known counts, the normaliser, capping, intervals."""

from __future__ import annotations

import pytest

from kilohear.errors import DataError
from kilohear_bench.privacy.wer import Errors, compare, difference, normalise, score


@pytest.mark.parametrize(
    ("said", "understood", "errors"),
    [
        ("HE COULD WAIT NO LONGER", " He could wait, no longer.", 0),
        ("HE COULD WAIT NO LONGER", "", 5),
        ("HE COULD WAIT NO LONGER", "[BLANK_AUDIO]", 5),
        ("HE COULD WAIT NO LONGER", "He could wait for no longer", 1),
        ("HE COULD WAIT NO LONGER", "She would wait longer", 3),
        ("STUFF", "you you you you", 4),
        ("THERE'S IRON", "Theres iron", 0),
        ("MISTER JONES HAD TWENTY ONE", "Mr. Jones had 21", 0),
    ],
)
def test_known_counts(said: str, understood: str, errors: int) -> None:
    assert compare("clip", said, understood) == Errors("clip", len(said.split()), errors)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Well-known, isn\u2019t it?", "well known isnt it"),
        ("1,234 men & (music) 7", "one thousand two hundred and thirty four men and seven"),
        ("90, 100 and 600000", "ninety one hundred and six hundred thousand"),
        ("the 21st, 1234567", "the 21st 1234567"),
        ("DR. ST. MRS", "doctor saint missus"),
    ],
)
def test_the_normaliser(text: str, words: str) -> None:
    assert normalise(text) == words
    assert normalise(words) == words


def test_nothing_said_is_refused() -> None:
    with pytest.raises(DataError, match="no words"):
        compare("clip", "...", "hello")
    with pytest.raises(DataError):
        score([])


def test_pooled_and_mean_capped_and_not() -> None:
    result = score([Errors("a", 1, 4), Errors("b", 3, 0)])
    assert result.pooled.value == 1 / 4
    assert result.pooled_uncapped.value == 1
    assert result.mean.value == 1 / 2
    assert result.mean_uncapped.value == 2
    assert (result.clips, result.transcripts) == (2, 2)


def test_intervals_hold_the_value_and_are_the_same_each_time() -> None:
    results = [Errors(str(i), 10, i % 7) for i in range(30)]
    first = score(results)
    assert first == score(results) == score(results[::-1])
    for rate in (first.pooled, first.mean_uncapped):
        assert rate.low < rate.value < rate.high
    wide = score(results[:7]).pooled
    assert wide.high - wide.low > first.pooled.high - first.pooled.low


def test_transcripts_of_one_clip_are_drawn_together() -> None:
    several = [Errors(name, 10, errors) for name, errors in [("a", 0), ("b", 10)] for _ in range(9)]
    assert (score(several).pooled.low, score(several).pooled.high) == (0, 1)
    assert (score(several).clips, score(several).transcripts) == (2, 18)


def test_a_single_clip_has_no_spread() -> None:
    rate = score([Errors("a", 4, 1)]).pooled
    assert rate.low == rate.value == rate.high == 0.25


def test_a_difference_is_taken_clip_by_clip() -> None:
    before = [Errors(str(i), 10, i % 7) for i in range(30)]
    after = [Errors(result.group, 10, result.errors + 2) for result in before[::-1]]
    points = difference(after, before)
    assert (points.value, points.low, points.high) == pytest.approx((0.2, 0.2, 0.2))
    assert difference(before, after).value == -points.value
    with pytest.raises(DataError, match="each clip"):
        difference(after[1:], before)
