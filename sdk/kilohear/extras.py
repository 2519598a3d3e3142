"""Optional packages: imported where used, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from kilohear.errors import ExtraError

EXTRAS = {
    "ai_edge_litert": "peers",
    "coremltools": "coreml",
    "executorch": "executorch",
    "matplotlib": "bench",
    "onnx": "training",
    "onnxruntime": "onnx",
    "onnxscript": "training",
    "pooch": "bench",
    "psutil": "bench",
    "pyobjus": "ios",
    "serial": "serial",
    "sklearn": "training",
    "sounddevice": "microphone",
    "soundfile": "files",
    "torch": "training",
    "torchao": "training",
}
"""Importable name of an optional package to the extra of kilohear that installs it."""


def load(module: str) -> ModuleType:
    """Import the optional `module`; raises ExtraError where its package isn't installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(error) or error from None


def missing(error: ModuleNotFoundError) -> ExtraError | None:
    """Return the error that names the extra to install; None where no extra brings the package."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return ExtraError(f"{package} isn't installed; run: pip install 'kilohear[{EXTRAS[package]}]'")
