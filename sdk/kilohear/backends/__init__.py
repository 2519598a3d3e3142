"""Backends: what runs a bundle's file. One protocol, one module a runtime."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import BackendError
from kilohear.system import system

__all__ = ["PACKAGES", "Backend", "available", "open_backend"]

PACKAGES = {"executorch": "executorch", "coreml": "coremltools", "onnx": "onnxruntime"}
"""What each runtime needs on a desktop; on phones the system brings it."""


class Backend(Protocol):
    """A loaded model file.

    Attributes
    ----------
    runtime, version
        What runs the file, and that runtime's version.
    """

    @property
    def runtime(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> str: ...  # noqa: D102

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        ...


def available() -> tuple[str, ...]:
    """Return the runtimes that can be used here, the preferred one first."""
    here = system()
    if here == "android":
        return ("executorch",)
    if here == "ios":
        return ("coreml",)
    there = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]
    if here != "macos" and "coreml" in there:
        there.remove("coreml")  # elsewhere coremltools writes models and can't run them
    if "executorch" in there and importlib.util.find_spec("torch") is None:
        from kilohear.backends.executorch_shim import may_work

        if not may_work():
            there.remove("executorch")
    return tuple(there)


def open_backend(runtime: str, file: Path, threads: int = 1) -> Backend:
    """Load a model file into a runtime.

    Parameters
    ----------
    runtime
        `executorch`, `coreml`, `onnx`, or `c` (the board's integers in numpy: `auto` never takes
        it).
    file
        The bundle's file for that runtime.
    threads
        Threads that one inference may use.

    Raises
    ------
    BackendError
        Where the runtime is unknown or refuses the file.
    ExtraError
        Where the runtime isn't installed.
    """
    if threads < 1:
        raise BackendError(f"threads is {threads}; give 1 or more")
    here = system()
    if runtime == "executorch" and here == "android":
        from kilohear.backends.android import AndroidBackend

        return AndroidBackend(file, threads)
    if runtime == "executorch":
        from kilohear.backends.executorch import open_executorch

        return open_executorch(file, threads)
    if runtime == "coreml" and here == "ios":
        from kilohear.backends.ios import IosBackend

        return IosBackend(file, threads)
    if runtime == "coreml":
        from kilohear.backends.coreml import CoremlBackend

        return CoremlBackend(file, threads)
    if runtime == "onnx":
        from kilohear.backends.onnx import OnnxBackend

        return OnnxBackend(file, threads)
    if runtime == "c":
        from kilohear.backends.integer import IntegerBackend

        return IntegerBackend(file, threads)
    raise BackendError(f"no backend runs {runtime!r} here; use one of {', '.join(PACKAGES)}, c")
