"""Speech with transcripts in LibriSpeech's layout: PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt.

Source: Panayotov et al., LibriSpeech: an ASR corpus based on public domain audio books (2015).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.capture import open_source
from kilohear.errors import DataError
from kilohear.files import data_root

RATE_HZ = 16_000
"""Of every recording of the corpus."""


@dataclasses.dataclass(frozen=True)
class Utterance:
    """A recording, its name `SPEAKER-CHAPTER-NUMBER` and what is said in it."""

    name: str
    path: Path
    transcript: str

    def __post_init__(self) -> None:
        if not self.transcript.split():
            raise DataError(f"{self.name}: the transcript is empty; remove its line")

    def read(self) -> NDArray[np.float32]:
        """Return the samples (samples,) at RATE_HZ.

        Raises
        ------
        AudioError
            Where the file is empty, truncated, or no audio.
        DataError
            Where its rate isn't RATE_HZ.
        """
        source = open_source(self.path)
        if source.rate_hz != RATE_HZ:
            raise DataError(
                f"{self.path}: {source.rate_hz:,} Hz, LibriSpeech has {RATE_HZ:,} Hz; resample it"
            )
        return np.concatenate(list(source.blocks()))


def speech_root() -> Path:
    """Return where the corpus is looked for: `librispeech` in `kilohear.files.data_root`."""
    return data_root() / "librispeech"


def read_utterances(folder: Path) -> list[Utterance]:
    """Return the utterances under `folder`, at any depth, sorted by name.

    Raises
    ------
    DataError
        Where there is no transcript, a line has no words, a recording is missing or a name stands
        twice.
    """
    utterances: dict[str, Utterance] = {}
    for table in sorted(folder.rglob("*.trans.txt")):
        for line in table.read_text(encoding="utf-8").splitlines():
            name, _, transcript = line.strip().partition(" ")
            if not name:
                continue
            if name in utterances:
                raise DataError(f"{table}: {name} stands twice under {folder}; remove one")
            utterances[name] = Utterance(name, _recording(table.parent, name), transcript)
    if not utterances:
        raise DataError(
            f"{folder}: no SPEAKER-CHAPTER.trans.txt in it; unpack a part of LibriSpeech there "
            "(test-clean, test-other), or give --speech its folder"
        )
    return [utterances[name] for name in sorted(utterances)]


def choose(utterances: Sequence[Utterance], count: int | None) -> list[Utterance]:
    """Return `count` of the utterances, spread evenly over them; None or too many: all."""
    if count is None or count >= len(utterances):
        return list(utterances)
    return [utterances[i * len(utterances) // count] for i in range(count)]


def fingerprint(utterances: Sequence[Utterance]) -> str:
    """Return the SHA-256 over names, transcripts and recordings: what was listened to."""
    digest = hashlib.sha256()
    for utterance in utterances:
        recording = hashlib.sha256(utterance.path.read_bytes()).hexdigest()
        digest.update(f"{utterance.name}\t{utterance.transcript}\t{recording}\n".encode())
    return digest.hexdigest()


def _recording(folder: Path, name: str) -> Path:
    for ending in (".flac", ".wav"):
        path = folder / f"{name}{ending}"
        if path.is_file():
            return path
    raise DataError(f"{folder / name}.flac: no such recording, but a transcript names it; add it")
