"""The gate: an exported file is run, compared with the torch model, and refused if it differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kilohear.backends import Backend, open_backend
from kilohear.bundle import Parity, Precision, Runtime
from kilohear.errors import ExportError
from kilohear.frontend import FrontEnd
from kilohear.system import system
from kilohear_training.evaluate import score
from kilohear_training.frontend import TorchFrontEnd

# Classes whose reference probabilities are nearer than this stand level: float32 can't rank them.
_TIE = 1e-5


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an exported file may differ from the torch model in."""

    top1_agreement_min: float
    probability_error_max: float
    probability_error_mean_max: float


@dataclasses.dataclass(frozen=True)
class Gate:
    """Limits by precision.

    The defaults leave a factor of 4 to 50 over what a `tiny` trained on ESC-10 at 1 kHz measured:
    largest error 2e-6 in float32, 0.007 in float16 (0.011 on clips of level 1e-4), 0.10 in int8.
    """

    float32: Limits = Limits(1.0, 1e-4, 1e-5)
    float16: Limits = Limits(0.99, 0.03, 0.001)
    int8: Limits = Limits(0.95, 0.4, 0.02)

    def limits(self, precision: Precision) -> Limits:
        """Return the limits for a precision."""
        return {"float32": self.float32, "float16": self.float16, "int8": self.int8}[precision]


def open_file(runtime: Runtime | str, file: Path) -> Backend:
    """Load an exported file into what executes it here, one thread.

    Core ML: natively on macOS; elsewhere its saved program is executed by an interpreter.

    Raises
    ------
    BackendError, ExtraError
        Where the runtime isn't installed or refuses the file.
    """
    if runtime != "coreml" or system() == "macos":
        return open_backend(runtime, file)
    from kilohear_training.export.mil import MilInterpreter

    return MilInterpreter(file)


def reference_probabilities(
    front_end: FrontEnd, network: nn.Module, waveforms: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what the trained network, as trained, gives in torch: (clips, classes)."""
    torch_front_end = TorchFrontEnd(front_end)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            batches = [
                network(torch_front_end(batch)).softmax(dim=1)
                for batch in torch.from_numpy(waveforms).split(16)
            ]
    finally:
        network.train(was_training)
    return torch.cat(batches).numpy()


def run_all(backend: Backend, waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a file's probabilities (clips, classes) for waveforms (clips, samples)."""
    return np.concatenate([backend.run(np.ascontiguousarray(clip[None])) for clip in waveforms])


def measure_parity(
    backend: Backend,
    reference: NDArray[np.float32],
    waveforms: NDArray[np.float32],
    clips_from: str,
) -> Parity:
    """Compare a file with the torch model.

    A clip counts as agreed where the class the file ranks first is within 1e-5 of the highest
    probability of the reference: between classes that stand level either choice is right.

    Parameters
    ----------
    backend
        What executes the file.
    reference
        Probabilities of the torch model, (clips, classes).
    waveforms
        The same clips, (clips, samples).
    clips_from
        Which clips these are, in words for the card.

    Raises
    ------
    ExportError
        Where the file gives another number of classes.
    """
    given = run_all(backend, waveforms)
    if given.shape != reference.shape:
        raise ExportError(
            f"the file gives shape {given.shape} for {len(waveforms)} clips, "
            f"the torch model {reference.shape}; export it again"
        )
    rows = np.arange(len(reference))
    is_agreed = reference[rows, given.argmax(axis=1)] >= reference.max(axis=1) - _TIE
    error = np.abs(given - reference)
    return Parity(
        clips=len(reference),
        clips_from=clips_from,
        top1_agreement=float(is_agreed.mean()),
        probability_error_max=float(error.max()),
        probability_error_mean=float(error.mean()),
        executed_by=f"{backend.runtime} {backend.version}",
    )


def require(parity: Parity, limits: Limits, file: str) -> None:
    """Let a file pass the gate or raise ExportError naming file, measured value and limit."""
    # "not within" rather than "beyond": a NaN is refused.
    if not parity.top1_agreement >= limits.top1_agreement_min:
        raise _refused(
            file, parity, "top-1 agreement", parity.top1_agreement, limits.top1_agreement_min
        )
    if not parity.probability_error_max <= limits.probability_error_max:
        raise _refused(
            file,
            parity,
            "largest probability error",
            parity.probability_error_max,
            limits.probability_error_max,
        )
    if not parity.probability_error_mean <= limits.probability_error_mean_max:
        raise _refused(
            file,
            parity,
            "mean probability error",
            parity.probability_error_mean,
            limits.probability_error_mean_max,
        )


def score_export(
    backend: Backend,
    waveforms: NDArray[np.float32],
    targets: NDArray[np.integer],
    labels: tuple[str, ...],
) -> float:
    """Return a file's macro accuracy on clips (clips, samples) that its weights never saw."""
    return score(run_all(backend, waveforms), targets, labels).macro_accuracy


def _refused(file: str, parity: Parity, what: str, measured: float, limit: float) -> ExportError:
    return ExportError(
        f"{file}: {what} with the torch model is {measured:.3g} over {parity.clips} clips "
        f"({parity.executed_by}), the gate's limit is {limit:g}; nothing was written: "
        "leave this file out, give more calibration clips, or set the gate in the configuration"
    )
