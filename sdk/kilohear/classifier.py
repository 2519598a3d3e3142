"""The classifier: one window of waveform in, one probability a class out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilohear.backends import Backend
from kilohear.bundle import Bundle, Card
from kilohear.errors import AudioError, BackendError
from kilohear.finite import require_finite


class Classifier:
    """A bundle loaded into a runtime; made by `Bundle.open`.

    Parameters
    ----------
    bundle
        The verified bundle.
    backend
        One of its files, loaded.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.backend = backend

    @property
    def card(self) -> Card:
        """The bundle's card."""
        return self.bundle.card

    @property
    def runtime(self) -> str:
        """The runtime in use: `executorch`, `onnx` or `coreml`."""
        return self.backend.runtime

    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify one window.

        Parameters
        ----------
        waveform
            float32 (samples,) at `card.rate_hz`, as long as `card.samples`.

        Returns
        -------
        Probabilities (classes,), in the order of `card.labels`.

        Raises
        ------
        AudioError
            Where the waveform's type or length isn't the card's, or a sample is NaN or infinite.
        BackendError
            Where the file gives another number of classes than the card names.
        """
        if waveform.dtype != np.float32:
            raise AudioError(f"the waveform is {waveform.dtype}, the model takes float32; convert")
        if waveform.shape != (self.card.samples,):
            raise AudioError(
                f"the waveform has shape {waveform.shape}, {self.card.name} takes "
                f"({self.card.samples},): {self.card.window_s:g} s at {self.card.rate_hz:,} Hz"
            )
        require_finite(waveform, self.card.rate_hz, where="the waveform's ")
        probabilities = self.backend.run(np.ascontiguousarray(waveform[None]))
        if probabilities.shape != (1, len(self.card.labels)):
            raise BackendError(
                f"{self.card.name}: the {self.runtime} file gives shape {probabilities.shape}, "
                f"the card names {len(self.card.labels)} labels; export the bundle again"
            )
        return probabilities[0]
