"""What can be computed again is never trusted blindly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.files import write_array
from kilohear.frontend import FrontEnd
from kilohear_training.data.cache import read_array
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.features import load_features


def test_a_sound_file_is_read_back(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_array(tmp_path / "a.npy", array)
    read = read_array(tmp_path / "a.npy", (2, None))
    assert read is not None
    np.testing.assert_array_equal(read, array)


def test_a_missing_file_is_nothing_to_tell(tmp_path: Path) -> None:
    said: list[str] = []
    assert read_array(tmp_path / "a.npy", report=said.append) is None
    assert said == []


@given(st.integers(0, 150))
def test_a_truncated_file_is_said_and_taken_as_missing(
    tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    path = tmp_path_factory.mktemp("cache") / "a.npy"
    write_array(path, np.zeros((2, 3), np.float32))  # 128 bytes of header, 24 of values
    path.write_bytes(path.read_bytes()[:kept])
    said: list[str] = []
    assert read_array(path, (2, 3), said.append) is None
    assert len(said) == 1
    assert "it is computed again" in said[0]


def test_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    said: list[str] = []
    write_array(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    assert read_array(tmp_path / "a.npy", (2, 4), said.append) is None
    write_array(tmp_path / "a.npy", np.zeros((2, 3), np.float64))
    assert read_array(tmp_path / "a.npy", (2, 3), said.append) is None
    assert len(said) == 2


def test_spoilt_features_are_computed_again(recordings: Path, tmp_path: Path) -> None:
    dataset, front_end = load_dataset(str(recordings)), FrontEnd.preset("native", 1_000)
    first = load_features(dataset, front_end, 1.0, tmp_path)
    file = next(tmp_path.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:1_000])
    said: list[str] = []
    again = load_features(dataset, front_end, 1.0, tmp_path, report=said.append)
    np.testing.assert_array_equal(first, again)
    assert file.name in said[0]
    np.testing.assert_array_equal(np.load(file), first)
