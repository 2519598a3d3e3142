"""Core ML on an iPhone, on a stand-in for its classes as pyobjus gives them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sdk.apple import CoreML, MultiArray, Phone

import kilohear
from kilohear.backends import available, ios, open_backend
from kilohear.backends.ios import IosBackend
from kilohear.errors import BackendError
from kilohear.objc import Objc

WAVEFORM = np.linspace(-0.5, 0.75, 1_000, dtype=np.float32)[None]


@pytest.fixture
def coreml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CoreML:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return CoreML(tmp_path, 1_000)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    file = tmp_path / "student.mlpackage"
    (file / "Data").mkdir(parents=True)
    (file / "Data" / "model").write_text("a model")
    return file


@pytest.fixture
def backend(iphone: Phone, coreml: CoreML, package: Path) -> Callable[[], IosBackend]:
    return lambda: IosBackend(package, objc=Objc(coreml.pyobjus(), iphone.toolbox))


def test_a_waveform_gives_probabilities(backend: Callable[[], IosBackend], coreml: CoreML) -> None:
    loaded = backend()
    first = loaded.run(WAVEFORM)
    second = loaded.run(WAVEFORM / np.float32(3))
    np.testing.assert_allclose(first, [[0.75, 0.25]], atol=1e-6)
    np.testing.assert_allclose(second, [[0.25, 0.75]], atol=1e-6)
    assert first.dtype == np.float32
    assert (loaded.runtime, loaded.version) == ("coreml", "iOS Version 1")
    assert coreml.computes_on == 0  # no GPU
    assert len(coreml.features) == 1  # allocated once, whatever is run


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("stride", [2, 16])
def test_probabilities_are_read_as_they_lie(
    backend: Callable[[], IosBackend], coreml: CoreML, dtype: type, stride: int
) -> None:
    coreml.output = MultiArray((1, 2), dtype, stride)
    probabilities = backend().run(WAVEFORM)
    np.testing.assert_allclose(probabilities, [[0.75, 0.25]], atol=1e-3)
    coreml.output.memory[:] = 0
    assert probabilities.any()  # a copy
    assert probabilities.dtype == np.float32


def test_a_package_is_compiled_once_for_its_content(
    backend: Callable[[], IosBackend], coreml: CoreML, package: Path
) -> None:
    for _ in range(2):
        backend().run(WAVEFORM)
    assert coreml.compiled == [package]
    kept = list((coreml.folder / "cache" / "kilohear" / "coreml").iterdir())
    assert [file.suffix for file in kept] == [".mlmodelc"]
    (package / "Data" / "model").write_text("another model")
    backend()
    assert len(coreml.compiled) == 2


def test_what_the_system_has_cleared_in_part_is_compiled_again(
    backend: Callable[[], IosBackend], coreml: CoreML
) -> None:
    coreml.loads = lambda compiled: (compiled / "Data" / "model").is_file()
    backend()
    (kept,) = (coreml.folder / "cache" / "kilohear" / "coreml").iterdir()
    (kept / "Data" / "model").unlink()
    backend().run(WAVEFORM)
    assert len(coreml.compiled) == 2
    assert (kept / "Data" / "model").is_file()


def test_a_cache_that_cant_be_written_isnt_needed(
    backend: Callable[[], IosBackend], coreml: CoreML
) -> None:
    (coreml.folder / "cache").write_text("in the way")
    assert backend().run(WAVEFORM).shape == (1, 2)


def test_what_cannot_be_loaded_is_refused(
    backend: Callable[[], IosBackend], coreml: CoreML, package: Path
) -> None:
    coreml.inputs = ["sound", "text"]
    with pytest.raises(BackendError, match=r"2 inputs or outputs \(sound, text\), not one"):
        backend()
    coreml.loads = lambda compiled: False
    with pytest.raises(BackendError, match=r"student.mlpackage: Core ML on iOS .* can't load it"):
        backend()
    coreml.compiles = False
    with pytest.raises(BackendError, match=r"it can't be compiled.*export the bundle again"):
        backend()
    package.rename(package.with_name("elsewhere"))
    with pytest.raises(BackendError, match="it is no package"):
        backend()


def test_what_cannot_be_run_is_refused(
    backend: Callable[[], IosBackend], coreml: CoreML, iphone: Phone
) -> None:
    loaded = backend()
    with pytest.raises(BackendError, match=r"shape \(1, 999\) \(it takes \(1, 1000\)\)"):
        loaded.run(WAVEFORM[:, :999])
    coreml.output.dataType = 0x20000 | 32
    with pytest.raises(BackendError, match="type 0x20020"):
        loaded.run(WAVEFORM)
    coreml.predicts = False
    with pytest.raises(BackendError, match="Core ML gives no reason"):
        loaded.run(WAVEFORM)


def test_an_iphone_runs_core_ml_by_itself(
    iphone: Phone, coreml: CoreML, monkeypatch: pytest.MonkeyPatch
) -> None:
    coreml.samples, coreml.output = 5_000, MultiArray((1, 10))
    objc: Any = Objc(coreml.pyobjus(), iphone.toolbox)
    monkeypatch.setattr(ios, "Objc", lambda: objc)
    monkeypatch.setattr(sys, "platform", "ios")
    assert available() == ("coreml",)
    package = kilohear.shipped()["esc10-1khz"] / "student.mlpackage"
    assert isinstance(open_backend("coreml", package), IosBackend)
    classifier = kilohear.Bundle.load("esc10-1khz").open()
    assert classifier.runtime == "coreml"
    assert classifier(np.ones(5_000, np.float32)).shape == (10,)
