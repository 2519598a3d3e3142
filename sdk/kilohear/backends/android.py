"""ExecuTorch on Android, through its AAR and pyjnius.

It hasn't run on a phone yet: it is tested on a desktop's JVM, against classes with the signatures
of the AAR's.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear import android
from kilohear.errors import BackendError

AAR = "org.pytorch:executorch-android:1.5.1"
"""What the app's Gradle file names; its classes don't tell their version."""


class AndroidBackend:
    """Run a .pte file; see `kilohear.backends.open_backend`. Make it in the app's main thread.

    The window goes into one direct buffer that the tensor looks at: it is made anew only where the
    window's length changes.
    """

    runtime = "executorch"
    version = f"{AAR.rpartition(':')[2]} (pinned)"

    def __init__(self, file: Path, threads: int = 1) -> None:
        try:
            module, self._tensor, self._value = (
                android.java(f"org.pytorch.executorch.{name}")
                for name in ("Module", "Tensor", "EValue")
            )
        except android.java_error() as error:
            raise BackendError(
                f"ExecuTorch isn't in this app ({android.why(error)}); add {AAR} to "
                "android.gradle_dependencies, and open the bundle in the app's main thread"
            ) from None
        try:
            self._module = module.load(str(file), module.LOAD_MODE_FILE, threads)
            # Loading alone doesn't read the program. A code of 0 is success, as is no code.
            code = self._module.loadMethod("forward")
        except android.java_error() as error:
            raise self._cannot_load(file, android.why(error)) from None
        if code:
            raise self._cannot_load(file, f"error {code:#x}")
        self._shape: tuple[int, ...] = ()
        self._bytes: Any = None
        self._input: Any = None
        self._lock = threading.Lock()  # the buffer is one
        self._in_app = android.in_app(self._forward)

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        with self._lock:
            try:
                self._fill(waveform)
                return self._in_app()
            except android.java_error() as error:
                reason = android.why(error)
        raise BackendError(
            f"ExecuTorch {self.version} can't run the file on a waveform of shape "
            f"{waveform.shape} ({reason}); export the bundle again"
        )

    def _fill(self, waveform: NDArray[np.float32]) -> None:
        if waveform.shape != self._shape:
            order = android.java("java.nio.ByteOrder").nativeOrder()
            buffer = android.java("java.nio.ByteBuffer")
            self._bytes = buffer.allocateDirect(waveform.nbytes).order(order)
            tensor = self._tensor.fromBlob(self._bytes.asFloatBuffer(), list(waveform.shape))
            self._input = getattr(self._value, "from")(tensor)
            self._shape = waveform.shape
        window = waveform.tobytes()
        self._bytes.clear()
        self._bytes.put(window)

    def _forward(self) -> NDArray[np.float32]:
        outputs = self._module.forward(self._input)  # a list here would be an array in an array
        if not outputs:
            raise BackendError(
                f"ExecuTorch {self.version} gives no output: its module is destroyed; open the "
                "bundle again"
            )
        tensor = outputs[0].toTensor()
        return np.array(tensor.getDataAsFloatArray(), np.float32).reshape(tensor.shape())

    def _cannot_load(self, file: Path, reason: str) -> BackendError:
        return BackendError(
            f"{file}: ExecuTorch {self.version} can't load it ({reason}); export the bundle again"
        )
