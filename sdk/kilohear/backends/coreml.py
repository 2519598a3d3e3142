"""Core ML on a Mac, through coremltools; no Mac has run it yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import BackendError
from kilohear.system import system


class CoremlBackend:
    """Run an .mlpackage; see `kilohear.backends.open_backend`.

    On the CPU, as on a phone; Core ML chooses its threads itself, whatever `threads` is.
    """

    runtime = "coreml"

    def __init__(self, file: Path, threads: int = 1) -> None:
        if system() != "macos":
            raise BackendError(
                f"{file}: Core ML runs on macOS and iOS only; use onnx or executorch here"
            )
        coremltools = extras.load("coremltools")
        self.version = f"{coremltools.__version__} on macOS"
        try:
            self._model = coremltools.models.MLModel(
                str(file), compute_units=coremltools.ComputeUnit.CPU_ONLY
            )
            description = self._model.get_spec().description
            (self._input,) = (each.name for each in description.input)
            (self._output,) = (each.name for each in description.output)
        except Exception as error:  # its exceptions share no base class of their own
            raise BackendError(
                f"{file}: coremltools {self.version} can't load it ({error}); "
                "export the bundle again"
            ) from None

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        try:
            return self._model.predict({self._input: waveform})[self._output]
        except Exception as error:  # as above
            raise BackendError(
                f"coremltools {self.version} can't run the file on a waveform of shape "
                f"{waveform.shape} ({error}); export the bundle again"
            ) from None
