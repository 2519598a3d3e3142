"""Core ML packages: float16, with the front end kept in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kilohear import extras
from kilohear.bundle import Precision
from kilohear.errors import ExportError
from kilohear_training.export.quiet import quietly
from kilohear_training.export.student import INPUT, OUTPUT, WaveformStudent


def write(student: WaveformStudent, precision: Precision, calibration: Tensor, file: Path) -> None:
    """Write an .mlpackage (a folder) for iOS 15 and later.

    Parameters
    ----------
    student
        What to export.
    precision
        `float16`, the network's; in float16 the DFT of a quiet clip falls under the smallest
        number, so all up to the network's first convolution is float32.
    calibration
        Waveforms (clips, samples), of which the shape is read.
    file
        Where to.

    Raises
    ------
    ExportError
        Where the precision isn't offered.
    """
    if precision != "float16":
        raise ExportError(f"Core ML files are float16, not {precision}; choose float16")
    with quietly():
        ct = extras.load("coremltools")
        exported = torch.export.export(student, (calibration[:1],)).run_decompositions({})
        model = ct.convert(
            exported,
            convert_to="mlprogram",
            inputs=[ct.TensorType(name=INPUT, shape=(1, calibration.shape[1]), dtype=np.float32)],
            outputs=[ct.TensorType(name=OUTPUT, dtype=np.float32)],
            compute_precision=ct.transform.FP16ComputePrecision(op_selector=_is_float16),
            minimum_deployment_target=ct.target.iOS15,
            skip_model_load=True,
        )
        model.save(str(file))
    # Written for ExecuTorch's debugger, and no part of the package's manifest.
    (file / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)


def _is_float16(operation: Any) -> bool:
    """Whether an operation is the network's: a convolution after the logarithm, or after one."""
    upstream = _upstream(operation)
    return any(
        op.op_type == "conv" and any(before.op_type == "log" for before in _upstream(op))
        for op in upstream
    )


def _upstream(operation: Any) -> list[Any]:
    """Return the operation and all whose results it needs."""
    found: dict[int, Any] = {}
    waiting = [operation]
    while waiting:
        op = waiting.pop()
        if op is None or id(op) in found:
            continue
        found[id(op)] = op
        for value in op.inputs.values():
            values = value if isinstance(value, list | tuple) else [value]
            waiting.extend(getattr(var, "op", None) for var in values)
    return list(found.values())
