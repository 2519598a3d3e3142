"""TAU 2019 Mobile by its official names: the whole path on a generated tree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kilohear.errors import DataError
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.fit import Folders
from kilohear_training.methods import Recipe
from kilohear_training.study import Arm, Study, run_study
from kilohear_training.workers import local_workers

SCENES = {"airport": 90.0, "tram": 240.0}
CITIES = ("helsinki", "lyon")
RATE_HZ = 44_100
SECONDS = 0.5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder: 2 scenes x 2 cities x 6 locations x 2 segments, device a; b and c fewer."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "tau2019-mobile"
    (folder / "audio").mkdir(parents=True)
    (folder / "evaluation_setup").mkdir()
    random = np.random.default_rng(0)
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "evaluate": [], "unused": []}
    location = 0
    for scene, hz in SCENES.items():
        for city in CITIES:
            for number in range(6):
                part = "train" if number < 4 else "evaluate" if number < 5 else "unused"
                for segment in range(2):
                    for device in "abc" if segment == 0 else "a":
                        name = f"{scene}-{city}-{location}-{segment}-{device}.wav"
                        t = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
                        tone = 0.3 * np.sin(2 * np.pi * hz * t)
                        clip = tone + 0.05 * random.standard_normal(len(t))
                        soundfile.write(folder / "audio" / name, clip, RATE_HZ)
                        parts[part].append((f"audio/{name}", scene))
                location += 1
    for part in ("train", "evaluate"):
        lines = ["filename\tscene_label", *("\t".join(row) for row in parts[part])]
        table = folder / "evaluation_setup" / f"fold1_{part}.csv"
        table.write_text("\n".join(lines) + "\n")
    return data


@pytest.fixture
def dataset(root: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("KILOHEAR_DATA", str(root))
    return load_dataset("tau2019-mobile")


def test_the_official_split_is_kept(dataset: Dataset) -> None:
    by_fold = Counter(clip.fold for clip in dataset.clips)
    assert by_fold[1] == 2 * 2 * 4  # a scene's and a city's one location: a, b, c and a again
    assert by_fold[2] + by_fold[3] == 2 * 2 * 4 * 4
    assert dataset.folds_to_test == (1,)
    assert dataset.validation_fold(1) == 2
    assert dataset.never_trained_on(1) == (2,)
    assert dataset.window_s == 10.0
    assert dataset.metric == "macro_accuracy"


def test_validation_is_a_quarter_and_shares_no_location(dataset: Dataset) -> None:
    sources = {fold: {c.source for c in dataset.clips if c.fold == fold} for fold in (1, 2, 3)}
    assert not sources[2] & sources[3]
    assert not sources[1] & (sources[2] | sources[3])
    by_fold = Counter(clip.fold for clip in dataset.clips)
    assert by_fold[2] == (by_fold[2] + by_fold[3]) / 4
    assert {c.label for c in dataset.clips if c.fold == 2} == set(SCENES)
    assert load_dataset("tau2019-mobile") == dataset


def test_devices_are_scored_apart(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    recipe = Recipe("tiny", "native", "none", epochs=2, learning_rate=1e-3, batch=8, window_s=10.0)
    study = Study("tau", ("tau2019-mobile",), (Arm("tiny", recipe),), (2_000,), ("raw", "cssd"))
    folders = Folders(tmp_path / "runs", tmp_path / "cache")
    run_study(study, folders, tmp_path / "results", local_workers(1), lambda _line: None)
    files = sorted((tmp_path / "results").glob("*.json"))
    assert [file.name for file in files] == [
        "tau2019-mobile-tiny-cssd-2000hz-seed1-fold1.json",
        "tau2019-mobile-tiny-raw-2000hz-seed1-fold1.json",
    ]
    for file in files:
        result = json.loads(file.read_text())
        assert result["fit"]["left_out"] == [2]
        per_device = result["scores"]["per_device"]
        assert {device: part["clips"] for device, part in per_device.items()} == {
            "a": 8,
            "b": 4,
            "c": 4,
        }
        assert result["scores"]["clips"] == 16


def test_another_name_or_a_missing_table_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"fold1_train\.csv: no such file"):
        load_dataset("tau2019-mobile")
    setup = tmp_path / "tau2019-mobile" / "evaluation_setup"
    setup.mkdir(parents=True)
    table = setup / "fold1_train.csv"
    table.write_text("filename,scene_label\naudio/a.wav,tram\n")
    with pytest.raises(DataError, match="no column 'filename'"):
        load_dataset("tau2019-mobile")
    table.write_text("filename\tscene_label\naudio/airport-lyon-1-0-a.wav\ttram\n")
    with pytest.raises(DataError, match="isn't named scene-city-location-segment-device"):
        load_dataset("tau2019-mobile")
    table.write_text("filename\tscene_label\naudio/tram-lyon-1-0-a.wav\ttram\n")
    with pytest.raises(DataError, match=r"tram-lyon-1-0-a\.wav: no such clip"):
        load_dataset("tau2019-mobile")
