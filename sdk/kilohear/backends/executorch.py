"""ExecuTorch with XNNPACK, through the wheel's Python bindings (which import torch)."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import BackendError


class ExecutorchBackend:
    """Run a .pte file; see `kilohear.backends.open_backend`.

    ExecuTorch has one thread pool a process: the last backend opened sets `threads` for all.
    """

    runtime = "executorch"

    def __init__(self, file: Path, threads: int = 1) -> None:
        with _quiet_stderr():
            self._torch = extras.load("torch")
            bindings = extras.load("executorch.extension.pybindings.portable_lib")
            runtime = extras.load("executorch.runtime")
            if bindings._threadpool_get_thread_count() != threads:
                bindings._unsafe_reset_threadpool(threads)
        self.version = importlib.metadata.version("executorch")
        try:
            program = runtime.Runtime.get().load_program(file)
            method = program.load_method("forward")
        except Exception as error:  # the bindings raise plain RuntimeError and others
            raise BackendError(
                f"{file}: ExecuTorch {self.version} can't load it ({error}); "
                "export the bundle again"
            ) from None
        if method is None:
            raise BackendError(f"{file}: holds no method 'forward'; export the bundle again")
        self._method = method

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        try:
            outputs = self._method.execute([self._torch.from_numpy(waveform)])
        except RuntimeError as error:
            raise BackendError(
                f"ExecuTorch {self.version} can't run the file on a waveform of shape "
                f"{waveform.shape} ({error}); export the bundle again"
            ) from None
        return outputs[0].numpy().copy()  # the runtime reuses its output memory


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
