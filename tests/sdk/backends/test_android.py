"""ExecuTorch's AAR on stand-ins for its classes; run by test_on_java.py."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohear import android
from kilohear.backends import available, open_backend
from kilohear.backends.android import AndroidBackend
from kilohear.errors import BackendError


def _model(folder: Path, computes: str) -> Path:
    """A file for the stand-in of `Module`, which computes what the file's text says."""
    (folder / "student.pte").write_text(computes)
    return folder / "student.pte"


def _moments(waveform: np.ndarray) -> np.ndarray:
    x = waveform[0].astype(np.float64)
    return np.array([[(x * np.arange(len(x))).sum() / len(x), x[0], x[-1]]])


def test_every_sample_arrives_in_its_place(phone: Any, tmp_path: Path) -> None:
    assert available() == ("executorch",)
    backend = open_backend("executorch", _model(tmp_path, "moments"), threads=2)
    assert isinstance(backend, AndroidBackend)
    assert android.java("org.pytorch.executorch.Module").threads == 2
    random = np.random.default_rng(0)
    for samples in (5_000, 5_000, 1_000, 80_000):
        waveform = random.standard_normal((1, samples)).astype(np.float32)
        found = backend.run(waveform)
        assert (found.shape, found.dtype) == ((1, 3), np.float32)
        np.testing.assert_allclose(found, _moments(waveform), rtol=1e-5, atol=1e-5)
    assert (backend.runtime, backend.version) == ("executorch", "1.5.1 (pinned)")


def test_it_runs_in_threads_that_python_started(phone: Any, tmp_path: Path) -> None:
    backend = open_backend("executorch", _model(tmp_path, "moments"))
    waveforms = [np.full((1, 400), i, np.float32) for i in range(8)]
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: backend.run(waveforms[i])}))
        for i in range(len(waveforms))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i][0, 1] for i in range(8)] == list(range(8))
    assert "org.jnius.NativeInvocationHandler" in phone.stack


@pytest.mark.parametrize(
    ("computes", "message"),
    [("no model", r"student.pte: .*can't load it \(error 0x23\)"), (None, "Cannot load model")],
)
def test_a_file_that_is_no_model_is_refused(
    phone: Any, tmp_path: Path, computes: str | None, message: str
) -> None:
    file = tmp_path / "student.pte" if computes is None else _model(tmp_path, computes)
    with pytest.raises(BackendError, match=message):
        AndroidBackend(file)


def test_what_the_runtime_refuses_names_the_shape(phone: Any, tmp_path: Path) -> None:
    backend = AndroidBackend(_model(tmp_path, "moments"))
    with pytest.raises(BackendError, match=r"shape \(1, 2\) \(IllegalArgumentException: shape"):
        backend.run(np.zeros((1, 2), np.float32))
    assert backend.run(np.zeros((1, 3), np.float32)).shape == (1, 3)
    backend._module.destroy()
    with pytest.raises(BackendError, match="gives no output"):
        backend.run(np.zeros((1, 3), np.float32))


def test_an_app_without_the_aar_is_told_what_to_add(
    phone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = android.java
    monkeypatch.setattr(android, "java", lambda name: java(name.replace("pytorch", "nowhere")))
    with pytest.raises(BackendError, match=r"org/nowhere.*executorch-android:1\.5\.1"):
        AndroidBackend(_model(tmp_path, "moments"))
