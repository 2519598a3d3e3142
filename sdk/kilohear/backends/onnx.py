"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import BackendError


class OnnxBackend:
    """Run an .onnx file; see `kilohear.backends.open_backend`."""

    runtime = "onnx"

    def __init__(self, file: Path, threads: int = 1) -> None:
        onnxruntime = extras.load("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        onnxruntime.disable_telemetry_events()  # where somebody else imported it before us
        self.version: str = onnxruntime.__version__
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base class of their own
            raise BackendError(
                f"{file}: ONNX Runtime {self.version} can't load it ({error}); "
                "export the bundle again"
            ) from None
        self._input = self._session.get_inputs()[0].name

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        try:
            return self._session.run(None, {self._input: waveform})[0]
        except Exception as error:  # as above
            raise BackendError(
                f"ONNX Runtime {self.version} can't run the file on a waveform of shape "
                f"{waveform.shape} ({error}); export the bundle again"
            ) from None
