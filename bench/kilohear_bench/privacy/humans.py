"""Transcripts that people made: a CSV `clip,rate_hz,listener,transcript`, scored as ours are.

With it the paper's listening study can be repeated: ten listeners, nine clips, three at each rate.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kilohear.errors import DataError
from kilohear_bench.privacy.speech import RATE_HZ, Utterance
from kilohear_bench.privacy.wer import Errors, compare

COLUMNS = ("clip", "rate_hz", "listener", "transcript")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a listener understood of a clip at a rate, counted against what is said in it."""

    rate_hz: int
    listener: str
    result: Errors


def read_answers(table: Path, utterances: Sequence[Utterance]) -> list[Answer]:
    """Read and count a study's transcripts; an empty one means that nothing was understood.

    Parameters
    ----------
    table
        A CSV with COLUMNS: the clip's name in the corpus, the rate in Hz at which it was played,
        any name for the listener (a number will do), and what the listener wrote.
    utterances
        The corpus.

    Raises
    ------
    DataError
        Naming the row, where a column is missing, the clip isn't in the corpus, the rate is no
        rate, the listener has no name, or an answer stands twice; where there is no row.
    """
    if not table.is_file():
        raise DataError(f"{table}: no such file; write a CSV with the columns {','.join(COLUMNS)}")
    said = {utterance.name: utterance.transcript for utterance in utterances}
    answers: list[Answer] = []
    seen: set[tuple[str, int, str]] = set()
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(f"{table}: no column {missing[0]!r}; it needs {','.join(COLUMNS)}")
            for row in rows:
                where = f"{table}, line {rows.line_num}"
                clip, rate_hz, listener, transcript = _fields(row, where)
                if clip not in said:
                    raise DataError(f"{where}: no clip {clip!r} in the corpus; correct its name")
                if (clip, rate_hz, listener) in seen:
                    raise DataError(
                        f"{where}: listener {listener} on {clip} at {rate_hz} Hz stands twice; "
                        "keep one"
                    )
                seen.add((clip, rate_hz, listener))
                answers.append(Answer(rate_hz, listener, compare(clip, said[clip], transcript)))
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    if not answers:
        raise DataError(f"{table}: no transcripts in it; a row is {','.join(COLUMNS)}")
    return answers


def _fields(row: dict[str, str], where: str) -> tuple[str, int, str, str]:
    if None in row or None in row.values():
        raise DataError(
            f"{where}: not {len(COLUMNS)} cells; put a transcript with commas in quotes"
        )
    clip, rate, listener, transcript = (row[name] for name in COLUMNS)
    if not rate.strip().isdecimal() or not 0 < int(rate) <= RATE_HZ:
        raise DataError(f"{where}: the rate {rate!r} is no whole number of Hz up to {RATE_HZ:,}")
    if not listener.strip():
        raise DataError(f"{where}: no listener; give each a name or a number")
    return clip.strip(), int(rate), listener.strip(), transcript
