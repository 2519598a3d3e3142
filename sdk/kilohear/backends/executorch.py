"""ExecuTorch with XNNPACK: through our shim over its C++ libraries, else through its bindings."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.backends import Backend, executorch_shim
from kilohear.errors import BackendError

_MOST_NUMBERS = 4096
"""Room for one output, (1, classes); AudioSet has 527 classes."""


def open_executorch(file: Path, threads: int = 1) -> Backend:
    """Load a .pte file; see `kilohear.backends.open_backend`.

    ExecuTorch has one thread pool a process: the last file opened sets `threads` for all. Where the
    shim can't be had a warning says why, and the bindings take its place: they import torch.
    """
    if executorch_shim.may_work():
        try:
            shim = executorch_shim.library()
        except BackendError as error:
            reason = str(error)
        else:
            return ShimBackend(shim, file, threads)
    else:
        reason = "no C++ compiler is here"
    if importlib.util.find_spec("torch") is None:
        raise BackendError(
            f"ExecuTorch can't be used: {reason}; install g++, or torch for its Python bindings"
        )
    backend = BindingsBackend(file, threads)
    warnings.warn(
        f"ExecuTorch runs through its Python bindings, which take 400 MB: {reason}", stacklevel=2
    )
    return backend


class ShimBackend:
    """Run a .pte file by the C++ libraries alone.

    Parameters
    ----------
    shim
        As `executorch_shim.library` returns it.
    """

    runtime = "executorch"

    def __init__(self, shim: ctypes.CDLL, file: Path, threads: int) -> None:
        self._shim = shim
        self._student = ctypes.c_void_p()
        with _quiet_stderr():
            error = shim.kilohear_open(os.fsencode(file), threads, ctypes.byref(self._student))
        if error:
            raise _cannot_load(file, self.version, error.decode(errors="replace"))
        weakref.finalize(self, shim.kilohear_close, self._student)

    @property
    def version(self) -> str:
        """ExecuTorch's version; looked up where it is asked for."""
        return _version()

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        probabilities = np.empty(_MOST_NUMBERS, np.float32)
        size, columns = ctypes.c_int64(len(probabilities)), ctypes.c_int64()
        numbers = ctypes.POINTER(ctypes.c_float)
        error = self._shim.kilohear_run(
            self._student,
            waveform.ctypes.data_as(numbers),
            waveform.size,
            probabilities.ctypes.data_as(numbers),
            ctypes.byref(size),
            ctypes.byref(columns),
        )
        if error:
            raise _cannot_run(waveform, self.version, error.decode(errors="replace"))
        return probabilities[: size.value].reshape(-1, columns.value).copy()


class BindingsBackend:
    """Run a .pte file by the wheel's Python bindings, which import torch."""

    runtime = "executorch"

    def __init__(self, file: Path, threads: int) -> None:
        with _quiet_stderr():
            self._torch = extras.load("torch")
            bindings = extras.load("executorch.extension.pybindings.portable_lib")
            runtime = extras.load("executorch.runtime")
            if bindings._threadpool_get_thread_count() != threads:
                bindings._unsafe_reset_threadpool(threads)
        self.version = _version()
        try:
            program = runtime.Runtime.get().load_program(file)
            method = program.load_method("forward")
        except Exception as error:  # the bindings raise plain RuntimeError and others
            raise _cannot_load(file, self.version, error) from None
        if method is None:
            raise BackendError(f"{file}: holds no method 'forward'; export the bundle again")
        self._method = method

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        try:
            outputs = self._method.execute([self._torch.from_numpy(waveform)])
        except RuntimeError as error:
            raise _cannot_run(waveform, self.version, error) from None
        return outputs[0].numpy().copy()  # the runtime reuses its output memory


def _version() -> str:
    import importlib.metadata  # it loads slower than a student

    return importlib.metadata.version("executorch")


def _cannot_load(file: Path, version: str, why: object) -> BackendError:
    return BackendError(
        f"{file}: ExecuTorch {version} can't load it ({why}); export the bundle again"
    )


def _cannot_run(waveform: NDArray[np.float32], version: str, why: object) -> BackendError:
    return BackendError(
        f"ExecuTorch {version} can't run the file on a waveform of shape {waveform.shape} "
        f"({why}); export the bundle again"
    )


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what torch, torchao and the thread pool print while loading; errors still raise.

    Part of it is printed by C++, so the file descriptor itself is turned away.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
