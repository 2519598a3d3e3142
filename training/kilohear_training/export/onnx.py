"""ONNX files, float32, float16 or int8."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilohear import extras
from kilohear.bundle import Precision
from kilohear_training.export.quiet import quietly
from kilohear_training.export.student import INPUT, OUTPUT, WaveformStudent

if TYPE_CHECKING:
    import onnx

# What is worth 8 bits, and what can be fused into it.
_QUANTISED = ("Conv", "Gemm", "MatMul", "Relu", "Add")


def write(student: WaveformStudent, precision: Precision, calibration: Tensor, file: Path) -> None:
    """Write an .onnx file, weights inside.

    Parameters
    ----------
    student
        What to export.
    precision
        Of the network; the front end stays float32. `float16`: weights, and arithmetic where the
        processor has it; `int8`: weights (per channel, 7 bits used: with 8 the sums of CPUs without
        VNNI overflow) and activations.
    calibration
        Waveforms (clips, samples) of training folds; they set the ranges of int8 activations.
    file
        Where to.
    """
    onnx = extras.load("onnx")
    extras.load("onnxscript")
    with quietly():
        half = precision == "float16"
        model = _exported(student.in_float16() if half else student, calibration[:1])
        if precision == "int8":
            model = _quantised(model, calibration)
    onnx.save_model(model, file)


def _exported(student: WaveformStudent, example: Tensor) -> onnx.ModelProto:
    program = torch.onnx.export(
        student,
        (example,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    # Each node carries a stack trace: it names folders of the exporting machine.
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]
    for part in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del part.metadata_props[:]
    return model


def _quantised(model: onnx.ModelProto, calibration: Tensor) -> onnx.ModelProto:
    import onnx

    quantization = extras.load("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        whole, quantised = Path(folder, "whole.onnx"), Path(folder, "quantised.onnx")
        onnx.save_model(model, whole)
        quantization.quantize_static(
            whole,
            quantised,
            cast(Any, _Waveforms(calibration.numpy())),  # their base class is optional here
            nodes_to_quantize=_names_after_log(model),
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load_model(quantised)


def _names_after_log(model: onnx.ModelProto) -> list[str]:
    """Return the nodes to quantise: from the network's first convolution on, not the front end."""
    after_log: set[str] = set()
    after_stem: set[str] = set()
    names = []
    for node in model.graph.node:  # in topological order
        if node.op_type == "Log" or after_log.intersection(node.input):
            after_log.update(node.output)
        is_stem = node.op_type == "Conv" and bool(after_log.intersection(node.input))
        if is_stem or after_stem.intersection(node.input):
            after_stem.update(node.output)
            if node.op_type in _QUANTISED:
                names.append(node.name)
    return names


class _Waveforms:
    """What ONNX Runtime reads calibration from."""

    def __init__(self, waveforms: NDArray[np.float32]) -> None:
        self._waveforms: Iterator[NDArray[np.float32]] = iter(waveforms)

    def get_next(self) -> dict[str, Any] | None:
        waveform = next(self._waveforms, None)
        return None if waveform is None else {INPUT: waveform[None]}
