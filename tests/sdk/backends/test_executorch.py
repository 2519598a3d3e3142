"""ExecuTorch without torch: our shim over its libraries, and what happens where it can't be had."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import kilohear
from kilohear.backends import available, executorch_shim, open_backend
from kilohear.backends.executorch import BindingsBackend, ShimBackend
from kilohear.errors import BackendError

FILE = kilohear.shipped()["esc10-1khz"] / "student.pte"
WAVEFORM = np.random.default_rng(0).normal(0, 0.1, (1, 5_000)).astype(np.float32)


@pytest.fixture
def no_shim_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache, so that the shim would have to be compiled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    executorch_shim.library.cache_clear()
    yield tmp_path
    executorch_shim.library.cache_clear()


def test_a_first_result_needs_no_torch() -> None:
    program = (
        "import sys, numpy, kilohear\n"
        "classifier = kilohear.Bundle.load('esc10-1khz').open('executorch')\n"
        "print(classifier(numpy.zeros(5000, numpy.float32)).shape)\n"
        "print([name for name in ('torch', 'executorch') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.splitlines(), done.stderr) == (["(10,)", "[]"], "")


def test_shim_and_bindings_give_the_same_and_live_in_one_process() -> None:
    shim = open_backend("executorch", FILE)
    assert isinstance(shim, ShimBackend)
    bindings = BindingsBackend(FILE, threads=1)
    for backend in (shim, bindings, shim):
        np.testing.assert_allclose(backend.run(WAVEFORM), shim.run(WAVEFORM), atol=1e-6)
    assert shim.version == bindings.version


def test_a_shim_is_compiled_once(no_shim_yet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_backend("executorch", FILE), ShimBackend)
    assert len(list((no_shim_yet / "cache" / "kilohear" / "executorch").iterdir())) == 1
    executorch_shim.library.cache_clear()
    monkeypatch.setenv("PATH", str(no_shim_yet))  # no compiler from here on
    assert isinstance(open_backend("executorch", FILE), ShimBackend)


def test_without_a_compiler_the_bindings_do_it_and_say_why(
    no_shim_yet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(no_shim_yet))
    monkeypatch.delenv("CXX", raising=False)
    assert not executorch_shim.may_work()
    assert "executorch" in available()  # torch is here
    with pytest.warns(UserWarning, match=r"bindings, which take 400 MB: no C\+\+ compiler"):
        backend = open_backend("executorch", FILE)
    assert isinstance(backend, BindingsBackend)
    assert backend.run(WAVEFORM).shape == (1, 10)


def test_a_compiler_that_fails_is_quoted(
    no_shim_yet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = no_shim_yet / "c++"
    compiler.write_text("#!/bin/sh\necho 'shim.cpp:1: error: out of ideas' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(BackendError, match="out of ideas"):
        executorch_shim.library()
    assert list((no_shim_yet / "cache").rglob("*.so*")) == []


def test_without_compiler_and_torch_there_is_no_executorch(
    no_shim_yet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(no_shim_yet))
    monkeypatch.delenv("CXX", raising=False)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    assert available() == ("onnx",)
    with pytest.raises(BackendError, match=r"no C\+\+ compiler is here; install g\+\+, or torch"):
        open_backend("executorch", FILE)
