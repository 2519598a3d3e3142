"""ExecuTorch files: the graph lowered to XNNPACK, float32, float16 or int8."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from kilohear import extras
from kilohear.bundle import Precision
from kilohear.errors import ExportError
from kilohear_training.export.quiet import quietly
from kilohear_training.export.student import BandAffine, WaveformStudent

_CASTS = {"dim_order_ops::_to_dim_order_copy.out"}
"""To float16 and back: XNNPACK leaves them to the runtime."""

_log = logging.getLogger(__name__)


def write(student: WaveformStudent, precision: Precision, calibration: Tensor, file: Path) -> None:
    """Write a .pte file.

    Parameters
    ----------
    student
        What to export.
    precision
        Of the network; the front end stays float32. `float16`: arithmetic, for processors that
        have it (the weights are stored in 32 bits by XNNPACK); `int8`: weights (per channel) and
        activations.
    calibration
        Waveforms (clips, samples) of training folds; they set the ranges of int8 activations.
    file
        Where to.

    Raises
    ------
    ExportError
        Where XNNPACK takes no operation of the graph.
    """
    extras.load("executorch")
    with quietly():
        graph: nn.Module = student
        if precision == "float16":
            graph = student.in_float16()
        elif precision == "int8":
            graph = _quantised(student, calibration)
        program = _lowered(graph, calibration[:1])
        left = operations_left(program)
        has_delegate = bool(program.executorch_program.execution_plan[0].delegates)
    if not has_delegate:
        raise ExportError(
            f"{file.name}: XNNPACK takes none of the graph's operations "
            f"({', '.join(sorted(set(left)))}); rewrite the network with operations it has"
        )
    if set(left) - _CASTS:
        _log.warning("%s: outside XNNPACK run %s", file.name, ", ".join(left))
    with file.open("wb") as stream:
        program.write_to_file(stream)


def operations_left(program: Any) -> list[str]:
    """Return the names of the operations that run outside the delegates, in order."""
    plan = program.executorch_program.execution_plan[0]
    names = [f"{operator.name}.{operator.overload}" for operator in plan.operators]
    calls = [i.instr_args for chain in plan.chains for i in chain.instructions]
    return [names[call.op_index] for call in calls if hasattr(call, "op_index")]


def _lowered(graph: nn.Module, example: Tensor) -> Any:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = torch.export.export(graph, (example,))
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    return edge.to_executorch()


def _quantised(student: WaveformStudent, calibration: Tensor) -> nn.Module:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    quantizer.set_filter_function(_is_quantised)
    graph = torch.export.export(student, (calibration[:1],)).module()
    prepared = prepare_pt2e(graph, quantizer)
    for waveform in calibration.split(1):
        prepared(waveform)
    return convert_pt2e(prepared)


def _is_quantised(node: fx.Node) -> bool:
    """Whether a node is the network's and not the band norm's: levels in dB need the precision."""
    if node.op == "get_attr":  # a constant: what is asked of the operation that uses it decides
        return True
    layers = [
        (path.removeprefix("L['self'].").split(".")[0], str(kind).rpartition(".")[2])
        for path, kind in node.meta.get("nn_module_stack", {}).values()
    ]
    is_network = any(part == "network" for part, _ in layers)
    return is_network and all(kind != BandAffine.__name__ for _, kind in layers)
