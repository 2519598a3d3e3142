"""Fixtures of the bench's tests: a labelled data set that the tiny bundle gets mostly right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kilohear.bundle import Bundle, Training
from kilohear_bench.subject import Subject


def make_training(config: dict[str, object], dataset: str = "Mine") -> Training:
    return Training(dataset, "none", 4, "by hand", "none", "none", "all folds", 0, config)


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
