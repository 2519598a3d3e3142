"""Core ML on a Mac, on a stand-in for coremltools."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import kilohear
from kilohear.backends import available, open_backend
from kilohear.errors import BackendError, BundleError


class MLModel:
    """Gives each of 10 classes the same probability, as coremltools gives it."""

    def __init__(self, path: str, compute_units: str) -> None:
        if not Path(path).is_dir():
            raise RuntimeError("not a package")
        assert compute_units == "cpu only"

    def get_spec(self) -> Any:
        def named(name: str) -> list[Any]:
            return [SimpleNamespace(name=name)]

        return SimpleNamespace(
            description=SimpleNamespace(input=named("sound"), output=named("share"))
        )

    def predict(self, features: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        if features["sound"].shape != (1, 5_000):
            raise RuntimeError("wrong shape")
        return {"share": np.full((1, 10), 0.1, np.float32)}


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    coremltools = SimpleNamespace(
        __version__="9.0",
        ComputeUnit=SimpleNamespace(CPU_ONLY="cpu only"),
        models=SimpleNamespace(MLModel=MLModel),
    )
    monkeypatch.setitem(sys.modules, "coremltools", coremltools)
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.usefixtures("mac")
def test_a_bundle_runs_by_core_ml(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = kilohear.Bundle.load("esc10-1khz")
    classifier = bundle.open(runtime="coreml")
    np.testing.assert_allclose(classifier(np.zeros(5_000, np.float32)), np.full(10, 0.1))
    backend = classifier.backend
    assert (classifier.runtime, backend.version) == ("coreml", "9.0 on macOS")
    with pytest.raises(BackendError, match=r"shape \(1, 4999\)"):
        backend.run(np.zeros((1, 4_999), np.float32))
    with pytest.raises(BundleError, match="no coreml file in int8; the bundle holds"):
        bundle.open("coreml", precision="int8")


@pytest.mark.usefixtures("mac")
def test_a_file_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"can't load it.*not a package.*export the bundle"):
        open_backend("coreml", tmp_path / "student.mlpackage")


def test_elsewhere_it_names_what_to_use(tmp_path: Path) -> None:
    assert "coreml" not in available()
    with pytest.raises(BackendError, match="macOS and iOS only; use onnx or executorch here"):
        open_backend("coreml", tmp_path / "student.mlpackage")
