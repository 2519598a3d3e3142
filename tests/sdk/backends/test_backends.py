"""Backends: each runs its file, and refuses what isn't one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kilohear.backends import available, open_backend
from kilohear.errors import BackendError, ExtraError


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"'abacus'.*executorch, coreml, onnx"):
        open_backend("abacus", tmp_path / "student.abc")


def test_onnx_runs_its_file(bundle_path: Path) -> None:
    backend = open_backend("onnx", bundle_path / "student.onnx")
    probabilities = backend.run(np.zeros((1, 1_000), np.float32))
    assert probabilities.shape == (1, 3)
    assert probabilities.dtype == np.float32
    assert (backend.runtime, bool(backend.version)) == ("onnx", True)


def test_onnx_refuses_another_length(bundle_path: Path) -> None:
    backend = open_backend("onnx", bundle_path / "student.onnx")
    with pytest.raises(BackendError, match=r"shape \(1, 999\)"):
        backend.run(np.zeros((1, 999), np.float32))


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "student").write_text("no model")
    with pytest.raises(BackendError, match="can't load it"):
        open_backend(runtime, tmp_path / "student")


def test_executorch_runs_its_file_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "student.pte"
    _export_softmax(file)
    capfd.readouterr()
    backend = open_backend("executorch", file)
    first = backend.run(np.array([[0.0, 0.0, 0.0, 0.0]], np.float32))
    second = backend.run(np.array([[1.0, 2.0, 3.0, 4.0]], np.float32))
    np.testing.assert_allclose(first, np.full((1, 4), 0.25), atol=1e-6)
    expected = np.exp([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(second, [expected / expected.sum()], atol=1e-6)
    assert (backend.runtime, bool(backend.version)) == ("executorch", True)
    assert capfd.readouterr().err == ""
    with pytest.raises(BackendError, match=r"shape \(1, 5\)"):
        backend.run(np.zeros((1, 5), np.float32))


def test_executorch_uses_the_threads_it_is_given(tmp_path: Path) -> None:
    from executorch.extension.pybindings import portable_lib

    _export_softmax(tmp_path / "student.pte")
    for threads in (2, 1):
        open_backend("executorch", tmp_path / "student.pte", threads)
        assert portable_lib._threadpool_get_thread_count() == threads


def test_what_is_missing_is_not_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert available() == ("executorch", "onnx")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ExtraError, match=r"'kilohear\[onnx\]'"):
        open_backend("onnx", tmp_path / "student.onnx")


def _export_softmax(file: Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(torch.nn.Softmax(dim=1), (torch.zeros(1, 4),))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    file.write_bytes(lowered.to_executorch().buffer)
