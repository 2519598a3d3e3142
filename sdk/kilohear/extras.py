"""Optional packages: imported where used, with an error that names the extra to install."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from kilohear.errors import ExtraError

EXTRAS = {
    "adbutils": "phone",
    "ai_edge_litert": "peers",
    "capstone": "board",
    "coremltools": "coreml",
    "elftools": "board",
    "executorch": "executorch",
    "faster_whisper": "privacy",
    "jiwer": "privacy",
    "jnius": "android",
    "jinja2": "bench",
    "joulescope": "joulescope",
    "kaldi_native_fbank": "peers",
    "kivy": "ui",
    "librosa": "peers",
    "matplotlib": "bench",
    "onnx": "training",
    "onnxruntime": "onnx",
    "onnxscript": "training",
    "otii_tcp_client": "otii",
    "perfetto": "phone",
    "pooch": "bench",
    "ppk2_api": "ppk2",
    "psutil": "bench",
    "pyobjus": "ios",
    "pyocd": "board",
    "pystoi": "privacy",
    "serial": "serial",
    "sklearn": "training",
    "sounddevice": "microphone",
    "soundfile": "files",
    "soxr": "privacy",
    "threadpoolctl": "peers",
    "torch": "training",
    "torchao": "training",
    "unicorn": "board",
}
"""Importable name of an optional package to the extra of kilohear that installs it."""


REFUSED = {
    "faster_whisper": {"HF_HUB_OFFLINE": "1"},
    "onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"},
}
"""What a package is told before it is imported: faster-whisper fetches what a model lacks; from
1.29 on ONNX Runtime writes a device number and usage into the user's home and sends them to its
maker."""


def load(module: str) -> ModuleType:
    """Import the optional `module`; raises ExtraError where its package isn't installed.

    A package that reports to its maker is told not to, in this process's environment.
    """
    os.environ.update(REFUSED.get(module.partition(".")[0], {}))
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
