"""A small corpus in LibriSpeech's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kilohear_bench.privacy.speech import RATE_HZ, Utterance, read_utterances

SAID = {
    "7-1-0000": "HE COULD WAIT NO LONGER",
    "7-1-0001": "STUFF IT INTO YOU HIS BELLY COUNSELLED HIM",
    "8-2-0000": "MISTER JONES HAD TWENTY ONE APPLES",
}


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """Three clips of 1 s of noise with transcripts."""
    import soundfile

    random = np.random.default_rng(0)
    for name, said in SAID.items():
        speaker, chapter, _ = name.split("-")
        folder = tmp_path / "corpus" / "test-made" / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.flac", 0.1 * random.standard_normal(RATE_HZ), RATE_HZ)
        with (folder / f"{speaker}-{chapter}.trans.txt").open("a") as file:
            file.write(f"{name} {said}\n")
    return read_utterances(tmp_path / "corpus")
