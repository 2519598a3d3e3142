"""A small data set of synthetic recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE_HZ = 16_000
CLASSES = {"hum": 120.0, "tone": 330.0}


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV of 24 clips of 1 s in 2 classes and 3 folds: a tone in noise each."""
    folder = tmp_path_factory.mktemp("recordings")
    random = np.random.default_rng(0)
    rows = ["filename,category,fold,source"]
    for label, hz in CLASSES.items():
        for i in range(12):
            t = np.arange(RATE_HZ) / RATE_HZ
            pitch = hz * random.uniform(0.9, 1.1)
            clip = 0.3 * np.sin(2 * np.pi * pitch * t) + 0.05 * random.standard_normal(RATE_HZ)
            soundfile.write(folder / f"{label}{i}.wav", clip, RATE_HZ)
            rows.append(f"{label}{i}.wav,{label},{i % 3 + 1},{label}{i}")
    table = folder / "recordings.csv"
    table.write_text("\n".join(rows) + "\n")
    return table
