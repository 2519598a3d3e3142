"""Export a trained student as a bundle: every file gated, the card last, all or nothing."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kilohear.bundle import (
    CARD_NAME,
    FORMAT,
    Bundle,
    Card,
    Export,
    Identity,
    Precision,
    Runtime,
    Score,
    Training,
    write_card,
)
from kilohear.errors import ExportError, KilohearError
from kilohear.files import hash_files
from kilohear.frontend import FrontEnd
from kilohear_training.counting import count_parameters
from kilohear_training.export import c_header, coreml, executorch, onnx
from kilohear_training.export.parity import (
    Gate,
    measure_parity,
    open_file,
    reference_probabilities,
    require,
)
from kilohear_training.export.student import WaveformStudent, count_student_macs

FILES: Mapping[tuple[Runtime, Precision], str] = {
    ("executorch", "float32"): "student.pte",
    ("executorch", "float16"): "student_float16.pte",
    ("executorch", "int8"): "student_int8.pte",
    ("onnx", "float32"): "student.onnx",
    ("onnx", "float16"): "student_float16.onnx",
    ("onnx", "int8"): "student_int8.onnx",
    ("coreml", "float16"): "student.mlpackage",
    ("c", "int8"): "student.h",
}
"""What a bundle may hold, by runtime and precision."""

WRITERS = {"executorch": executorch.write, "onnx": onnx.write, "coreml": coreml.write}
"""What writes a file, by runtime: (student, precision, calibration, file); a file for the board
says which bundle it belongs to, and is written by `c_header.write`."""

_PACKAGES = {
    "executorch": ("executorch", "torchao"),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "coreml": ("coremltools",),
    "c": (),
}

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Request:
    """What the card is to say, and which files to make.

    Attributes
    ----------
    name, version, network, labels, front_end, window_s, hop_s, training, scores
        As in `kilohear.bundle.Card`.
    gate_clips_from
        Which clips the gate runs, in words for the card.
    runtimes, precisions
        Which files: those of `FILES` whose runtime and precision are both named.
    gate
        How far a file may differ from the torch model.
    export_scores
        Scores of single files, by file name, where they were measured.
    """

    name: str
    version: str
    network: str
    labels: tuple[str, ...]
    front_end: FrontEnd
    training: Training
    scores: tuple[Score, ...]
    gate_clips_from: str
    window_s: float = 5.0
    hop_s: float = 1.0
    runtimes: tuple[Runtime, ...] = ("executorch", "onnx", "coreml", "c")
    precisions: tuple[Precision, ...] = ("float32", "float16", "int8")
    gate: Gate = dataclasses.field(default_factory=Gate)
    export_scores: dict[str, Score] = dataclasses.field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """What of the card no file changes."""
        return Identity.of(self)

    @property
    def targets(self) -> dict[tuple[Runtime, Precision], str]:
        """The files to make, of `FILES`."""
        return {
            target: file
            for target, file in FILES.items()
            if target[0] in self.runtimes and target[1] in self.precisions
        }


def export_bundle(
    request: Request,
    network: nn.Module,
    calibration: NDArray[np.float32],
    gate_waveforms: NDArray[np.float32],
    out: Path,
    report: Callable[[Export], None] = lambda _: None,
) -> Bundle:
    """Write the bundle of a trained network and return it, loaded and verified.

    Networks and front ends that the board doesn't run get no `student.h`; the log says why.

    The files are made in a folder beside `out` and renamed into place once all have passed the
    gate; a bundle already at `out` stays untouched until then.

    Parameters
    ----------
    request
        What the card says and which files to make.
    network
        Log-mel (batch, 1, frames, features) to logits (batch, classes). It stays as it is.
    calibration
        Waveforms (clips, samples) float32 of training folds, for the ranges of int8 activations.
    gate_waveforms
        Waveforms (clips, samples) float32 that the gate runs through every file.
    out
        The bundle's folder.
    report
        Called with each file that has passed.

    Raises
    ------
    ExportError
        Where the request and the inputs don't fit, a converter fails, a file doesn't pass the
        gate, or `out` can't be written or holds something else than a bundle.
    """
    targets = request.targets
    if not targets:
        known = ", ".join(f"{runtime} {precision}" for runtime, precision in FILES)
        raise ExportError(
            f"no file is {' or '.join(request.runtimes)} in {' or '.join(request.precisions)}; "
            f"there are: {known}"
        )
    unknown = sorted(set(request.export_scores) - set(targets.values()))
    if unknown:
        raise ExportError(f"a score is given for {unknown[0]}, which isn't exported; remove it")
    samples = round(request.window_s * request.front_end.rate_hz)
    for what, waveforms in (("calibration", calibration), ("gate", gate_waveforms)):
        _require_waveforms(what, waveforms, samples)
    reference = reference_probabilities(request.front_end, network, gate_waveforms)
    if reference.shape[1] != len(request.labels):
        raise ExportError(
            f"the network gives {reference.shape[1]} classes, {len(request.labels)} labels are "
            "given; use the labels it was trained with"
        )
    student = WaveformStudent(request.front_end, network)
    targets = _without_refused(targets, student)
    check = _Check(reference, gate_waveforms, request.gate_clips_from, request.gate)
    with _replacing_bundle(out) as folder:
        exports = []
        for (runtime, precision), name in targets.items():
            file = folder / name
            _write(student, runtime, precision, calibration, file, request.identity)
            made = check.of(file, runtime, precision, request.export_scores.get(name))
            exports.append(made)
            report(made)
        macs, macs_front_end = count_student_macs(student, torch.from_numpy(calibration[:1]))
        card = Card(
            format=FORMAT,
            name=request.name,
            version=request.version,
            network=request.network,
            rate_hz=request.front_end.rate_hz,
            window_s=request.window_s,
            hop_s=request.hop_s,
            front_end=request.front_end,
            labels=request.labels,
            parameters=count_parameters(network),
            macs=macs,
            macs_front_end=macs_front_end,
            training=request.training,
            scores=request.scores,
            exports=tuple(exports),
            versions=_versions(request.runtimes),
            sha256=hash_files(folder, tuple(targets.values())),
        )
        write_card(folder, card)
        Bundle.load(folder)
    return Bundle.load(out)


def add_file(
    bundle: Bundle,
    network: nn.Module,
    target: tuple[Runtime, Precision],
    calibration: NDArray[np.float32],
    gate_waveforms: NDArray[np.float32],
    gate_clips_from: str,
    score: Score | None = None,
    report: Callable[[Export], None] = lambda _: None,
) -> Bundle:
    """Make one more file of a bundle, or one again, and return the bundle, loaded and verified.

    The other files stay as they are, byte for byte. Before anything is written one of them is run:
    a network that isn't the one they were made from is refused.

    Parameters
    ----------
    bundle
        A bundle's folder; it is replaced as a whole or not at all.
    network
        What its files were made from.
    target
        Runtime and precision of the file, one of `FILES`.
    calibration, gate_waveforms, gate_clips_from, report
        As in `export_bundle` and `Request`.
    score
        The file's own score, where that was measured.

    Raises
    ------
    ExportError
        Where there is no such file, the board or the gate refuses it, or the network isn't the
        bundle's.
    """
    runtime, precision = target
    if target not in FILES:
        raise ExportError(f"no file is {runtime} in {precision}; see the table of exports")
    name, card = FILES[target], bundle.card
    for what, waveforms in (("calibration", calibration), ("gate", gate_waveforms)):
        _require_waveforms(what, waveforms, card.samples)
    reference = reference_probabilities(card.front_end, network, gate_waveforms)
    check = _Check(reference, gate_waveforms, gate_clips_from, Gate())
    others = [export for export in card.exports if export.file != name]
    if others:
        there = others[0]
        check.of(bundle.path / there.file, there.runtime, there.precision)
    student = WaveformStudent(card.front_end, network)
    with _replacing_bundle(bundle.path) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True)
        _write(student, runtime, precision, calibration, folder / name, card.identity)
        made = check.of(folder / name, runtime, precision, score)
        report(made)
        order = list(FILES.values())
        exports = sorted([*others, made], key=lambda export: order.index(export.file))
        card = dataclasses.replace(
            card,
            exports=tuple(exports),
            versions=card.versions | _versions_of(_PACKAGES[runtime]),
            sha256=hash_files(folder, tuple(export.file for export in exports)),
        )
        write_card(folder, card)
        Bundle.load(folder)
    return Bundle.load(bundle.path)


def write_file(
    student: WaveformStudent,
    runtime: Runtime,
    precision: Precision,
    calibration: Tensor,
    file: Path,
    identity: Identity,
) -> None:
    """Write one file of a bundle, by its runtime's writer."""
    if runtime == "c":
        c_header.write(student, precision, calibration, file, identity)
    else:
        WRITERS[runtime](student, precision, calibration, file)


@dataclasses.dataclass(frozen=True)
class _Check:
    """The gate with what it compares files with."""

    reference: NDArray[np.float32]
    waveforms: NDArray[np.float32]
    clips_from: str
    gate: Gate

    def of(
        self, file: Path, runtime: Runtime, precision: Precision, score: Score | None = None
    ) -> Export:
        """Return the card's entry of a file that passes; raises ExportError where it doesn't."""
        backend = open_file(runtime, file)
        parity = measure_parity(backend, self.reference, self.waveforms, self.clips_from)
        require(parity, self.gate.limits(precision), file.name)
        return Export(file.name, runtime, precision, _size(file), parity, score)


def _without_refused(
    targets: dict[tuple[Runtime, Precision], str], student: WaveformStudent
) -> dict[tuple[Runtime, Precision], str]:
    """Leave out what the board can't run, and say why; raises ExportError where nothing is left."""
    reason = c_header.refusal(student)
    kept = {target: name for target, name in targets.items() if target[0] != "c" or not reason}
    if not kept:
        raise ExportError(f"{FILES['c', 'int8']}: {reason}")
    if len(kept) < len(targets):
        _log.warning("%s is left out: %s", FILES["c", "int8"], reason)
    return kept


def _write(
    student: WaveformStudent,
    runtime: Runtime,
    precision: Precision,
    calibration: NDArray[np.float32],
    file: Path,
    identity: Identity,
) -> None:
    try:
        write_file(student, runtime, precision, torch.from_numpy(calibration), file, identity)
    except KilohearError:
        raise
    except Exception as error:  # converters raise whatever they like
        cause = (str(error).strip() or repr(error)).splitlines()[0]
        raise ExportError(
            f"{file.name}: the converter to {runtime} failed ({type(error).__name__}: {cause}); "
            "rewrite what it names in the network, or leave this runtime out"
        ) from error


@contextmanager
def _replacing_bundle(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out`; on success it takes the place of `out`, else it is removed."""
    if out.exists() and not (out / CARD_NAME).is_file() and (out.is_file() or any(out.iterdir())):
        raise ExportError(f"{out} exists and isn't a bundle; choose another output folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp"))
    except OSError as error:
        raise ExportError(
            f"{out.parent}: can't write here ({error.strerror}); choose another output folder"
        ) from None
    fresh, former = workplace / "fresh", workplace / "former"
    try:
        fresh.mkdir()
        yield fresh
        if out.exists():
            os.rename(out, former)
        try:
            os.rename(fresh, out)
        except OSError:
            if former.exists():
                os.rename(former, out)
            raise
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _require_waveforms(what: str, waveforms: NDArray[np.float32], samples: int) -> None:
    is_fit = waveforms.ndim == 2 and len(waveforms) > 0 and waveforms.shape[1] == samples
    if not is_fit or waveforms.dtype != np.float32:
        raise ExportError(
            f"{what} waveforms are {waveforms.dtype} of shape {waveforms.shape}; "
            f"expected float32 (clips, {samples}), one clip or more"
        )


def _size(file: Path) -> int:
    files = file.rglob("*") if file.is_dir() else [file]
    return sum(part.stat().st_size for part in files if part.is_file())


def _versions(runtimes: tuple[Runtime, ...]) -> dict[str, str]:
    packages = ("kilohear", "torch", *(p for runtime in runtimes for p in _PACKAGES[runtime]))
    return {"python": platform.python_version(), **_versions_of(packages)}


def _versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in packages}
