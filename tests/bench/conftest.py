"""Fixtures of the bench's tests: a labelled data set that the tiny bundle gets mostly right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from kilohear.bundle import Bundle, Training
from kilohear_bench.devices import host
from kilohear_bench.meters.rapl import Rapl
from kilohear_bench.privacy.speech import RATE_HZ, Utterance, read_utterances
from kilohear_bench.subject import Subject

SAID = {
    "7-1-0000": "HE COULD WAIT NO LONGER",
    "7-1-0001": "STUFF IT INTO YOU HIS BELLY COUNSELLED HIM",
    "8-2-0000": "MISTER JONES HAD TWENTY ONE APPLES",
}


def make_corpus(folder: Path) -> list[Utterance]:
    """Three clips of 1 s of noise with transcripts, in LibriSpeech's layout."""
    import soundfile

    random = np.random.default_rng(0)
    for name, said in SAID.items():
        speaker, chapter, _ = name.split("-")
        place = folder / "test-made" / speaker / chapter
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"{name}.flac", 0.1 * random.standard_normal(RATE_HZ), RATE_HZ)
        with (place / f"{speaker}-{chapter}.trans.txt").open("a") as file:
            file.write(f"{name} {said}\n")
    return read_utterances(folder)


def make_training(config: dict[str, object], dataset: str = "Mine") -> Training:
    return Training(dataset, "none", 4, "by hand", "none", "none", "all folds", 0, config)


@pytest.fixture(autouse=True)
def _no_energy_meter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run takes the same steps on every computer: real energy takes real seconds."""
    monkeypatch.setattr(host, "Rapl", partial(Rapl, tmp_path / "no-powercap"))


@pytest.fixture
def training_factory() -> Callable[..., Training]:
    return make_training


@pytest.fixture
def subject(bundle_path: Path) -> Subject:
    bundle = Bundle.load(bundle_path)
    return Subject(bundle, bundle.card.exports[0])


@pytest.fixture
def labelled_csv(tmp_path: Path) -> Path:
    """Six clips of 1 s in folds 1 and 2; the loud one of fold 2 is labelled quiet by mistake."""
    import soundfile

    folder = tmp_path / "mine"
    folder.mkdir()
    rows = ["filename,category,fold,source"]
    clips = [("quiet", 1, 0.01), ("loud", 1, 0.4), ("loud", 1, 0.3)]
    clips += [("quiet", 2, 0.01), ("loud", 2, 0.4), ("quiet", 2, 0.5)]
    tone = np.sin(2 * np.pi * 100 * np.arange(8_000) / 8_000)
    for i, (label, fold, gain) in enumerate(clips):
        soundfile.write(folder / f"{i}.wav", gain * tone, 8_000)
        rows.append(f"{i}.wav,{label},{fold},{i}")
    table = folder / "mine.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    return make_corpus(tmp_path / "corpus")
