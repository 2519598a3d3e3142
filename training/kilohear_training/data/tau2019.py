"""TAU Urban Acoustic Scenes 2019 Mobile, development set, in its official layout.

Mesaros, Heittola, Virtanen 2018 and DCASE 2019 task 1B: 10 s clips at 44.1 kHz of ten scenes, by
device a, and fewer by b and c. Names are `scene-city-location-segment-device.wav`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from kilohear.errors import DataError
from kilohear_training.data.dataset import Clip, Dataset, find_clip, order_labels, read_rows

TEST, VALIDATION, TRAINING = 1, 2, 3
"""The folds: the official test part, and the official training part in two."""

VALIDATION_SHARE = 0.25
_COLUMNS = ("filename", "scene_label")
_SEED = 0


def load_tau2019(root: Path, labels: tuple[str, ...] | None = None) -> Dataset:
    """Load the official split from the folder that holds `audio/` and `evaluation_setup/`.

    A quarter of each scene's training clips is kept for validation, whole locations at a time, by
    a fixed draw. Clips that the official split leaves unused are left out.

    Raises
    ------
    DataError
        Where a table, a column or a clip is missing, a name isn't of the official form, or its
        scene isn't the table's.
    """
    setup = root / "evaluation_setup"
    training = _read(root, setup / "fold1_train.csv")
    kept = _locations_for_validation(training)
    clips = [
        Clip(path, scene, VALIDATION if source in kept else TRAINING, source, device)
        for path, scene, source, device in training
    ]
    clips += [
        Clip(path, scene, TEST, source, device)
        for path, scene, source, device in _read(root, setup / "fold1_evaluate.csv")
    ]
    return Dataset(
        name="TAU 2019 Mobile",
        licence="Tampere University, non-commercial",
        labels=order_labels({clip.label for clip in clips}, labels, setup),
        clips=tuple(clips),
        window_s=10.0,
        official=(TEST, VALIDATION),
    )


_Row = tuple[Path, str, str, str]
"""Path, scene, source (city and location), device."""


def _read(root: Path, table: Path) -> list[_Row]:
    rows: list[_Row] = []
    for row in read_rows(table, _COLUMNS, delimiter="\t"):
        parts = Path(row["filename"]).stem.split("-")
        if len(parts) != 5 or parts[0] != row["scene_label"]:
            raise DataError(
                f"{table}: {row['filename']!r} with scene {row['scene_label']!r} isn't named "
                "scene-city-location-segment-device.wav; restore the official file"
            )
        _, city, location, _, device = parts
        path = find_clip(root, row["filename"], table)
        rows.append((path, row["scene_label"], f"{city}-{location}", device))
    return rows


def _locations_for_validation(rows: list[_Row]) -> set[str]:
    """Draw locations of each scene until a quarter of its clips is reached."""
    clips: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, scene, source, _ in rows:
        clips[scene][source] += 1
    random = np.random.default_rng(_SEED)
    kept: set[str] = set()
    for scene in sorted(clips):
        own = clips[scene]
        wanted = VALIDATION_SHARE * sum(own.values())
        for source in random.permutation(sorted(own)).tolist():
            if sum(count for name, count in own.items() if name in kept) >= wanted:
                break
            kept.add(source)
    return kept
