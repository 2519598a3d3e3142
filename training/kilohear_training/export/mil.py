"""A small interpreter of Core ML's saved programs, so that they are executed off macOS too.

It reads the package as it lies on disk (the protobuf and its weight file) and runs each MIL
operation in float32, then rounds to the type that the program declares for the result: the
casts of the program are honoured, the order of sums inside an operation is torch's.

Source of the operations' meaning: coremltools' documentation of MIL operations (iOS 15).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from kilohear import extras
from kilohear.errors import BackendError
from kilohear_training.export.quiet import quietly

# Blob storage (coremltools, mlmodel/src/MILBlob): a record of 64 bytes at the given offset holds
# a sentinel, the type, the size in bytes and the offset of the data.
_BLOB = struct.Struct("<IIQQ")
_BLOB_SENTINEL = 0xDEADBEEF

_DTYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT32": np.int32, "BOOL": np.bool_}

Inputs = dict[str, Any]


class MilInterpreter:
    """Run the program of an .mlpackage; the protocol is `kilohear.backends.Backend`'s.

    Raises
    ------
    BackendError
        Where the package can't be read, or `run` meets an operation it doesn't know.
    """

    runtime = "MIL interpreter"

    def __init__(self, file: Path) -> None:
        model = file / "Data" / "com.apple.CoreML" / "model.mlmodel"
        if not model.is_file():
            raise BackendError(f"{file}: not a Core ML package (no {model.name}); export it again")
        with quietly():
            ct = extras.load("coremltools")
            specification = ct.models.utils.load_spec(str(model))
        self.version = f"on coremltools {ct.__version__}'s program"
        function = specification.mlProgram.functions["main"]
        self._block = function.block_specializations[function.opset]
        self._input = specification.description.input[0].name
        self._types = type(self._block.operations[0].outputs[0].type.tensorType).DESCRIPTOR
        weights = model.parent / "weights" / "weight.bin"
        self._weights = weights.read_bytes() if weights.is_file() else b""
        self._constants: Inputs = {
            operation.outputs[0].name: self._constant(operation.attributes["val"])
            for operation in self._block.operations
            if operation.type == "const"
        }

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        values: Inputs = {**self._constants, self._input: torch.from_numpy(waveform)}
        for operation in self._block.operations:
            if operation.type == "const":
                continue
            if operation.type not in _OPERATIONS:
                raise BackendError(
                    f"MIL operation {operation.type!r} (gives {operation.outputs[0].name}) is "
                    "unknown to the interpreter; add it to mil.py or check the package on macOS"
                )
            inputs = {
                name: self._argument(argument, values)
                for name, argument in operation.inputs.items()
            }
            result = _OPERATIONS[operation.type](inputs)
            declared = operation.outputs[0].type.tensorType
            values[operation.outputs[0].name] = result.to(self._torch_dtype(declared.dataType))
        return values[self._block.outputs[0]].numpy()

    def _argument(self, argument: Any, values: Inputs) -> Any:
        found = [
            values[binding.name] if binding.name else self._constant(binding.value)
            for binding in argument.arguments
        ]
        return found[0] if len(found) == 1 else found

    def _constant(self, value: Any) -> Any:
        """Return a constant: floats as tensors, all else (sizes, flags, words) as plain Python."""
        declared = value.type.tensorType
        name = self._dtype_name(declared.dataType)
        shape = [dimension.constant.size for dimension in declared.dimensions]
        if value.WhichOneof("value") == "blobFileValue":
            data = self._blob(value.blobFileValue.offset)
            return torch.from_numpy(np.frombuffer(data, _DTYPES[name]).reshape(shape).copy())
        tensor = value.immediateValue.tensor
        held = getattr(tensor, tensor.WhichOneof("value")).values
        if name == "STRING":
            return held[0]
        raw = np.frombuffer(held, _DTYPES[name]) if isinstance(held, bytes) else np.array(held)
        array = raw.astype(_DTYPES[name]).reshape(shape)
        return torch.from_numpy(array.copy()) if array.dtype.kind == "f" else array.tolist()

    def _blob(self, offset: int) -> bytes:
        sentinel, _, size, start = _BLOB.unpack_from(self._weights, offset)
        if sentinel != _BLOB_SENTINEL:
            raise BackendError(f"weight.bin holds no blob at {offset}; export the package again")
        return self._weights[start : start + size]

    def _dtype_name(self, data_type: int) -> str:
        names = self._types.fields_by_name["dataType"].enum_type.values_by_number
        name = names[data_type].name
        if name not in _DTYPES and name != "STRING":
            raise BackendError(f"MIL type {name} is unknown to the interpreter; add it to mil.py")
        return name

    def _torch_dtype(self, data_type: int) -> torch.dtype:
        return torch.from_numpy(np.empty(0, _DTYPES[self._dtype_name(data_type)])).dtype


def _float(value: Tensor) -> Tensor:
    return value.float()


def _padding(i: Inputs, kernel: Sequence[int]) -> tuple[int, int, int, int]:
    """Return zeros to add at (left, right, top, bottom) of the last two axes."""
    if i["pad_type"] == "valid":
        return 0, 0, 0, 0
    if i["pad_type"] == "custom":
        top, bottom, left, right = i["pad"]
        return left, right, top, bottom
    raise BackendError(f"MIL padding {i['pad_type']!r} of {kernel} is unknown to the interpreter")


def _conv(i: Inputs) -> Tensor:
    weight = _float(i["weight"])
    x = F.pad(_float(i["x"]), _padding(i, weight.shape[2:]))
    bias = _float(i["bias"]) if "bias" in i else None
    return F.conv2d(x, weight, bias, i["strides"], 0, i["dilations"], i["groups"])


def _avg_pool(i: Inputs) -> Tensor:
    padding = _padding(i, i["kernel_sizes"])
    if any(padding) and i["exclude_padding_from_average"]:
        raise BackendError("MIL avg_pool without its padding is unknown to the interpreter")
    return F.avg_pool2d(F.pad(_float(i["x"]), padding), i["kernel_sizes"], i["strides"])


def _max_pool(i: Inputs) -> Tensor:
    x = F.pad(_float(i["x"]), _padding(i, i["kernel_sizes"]), value=-torch.inf)
    return F.max_pool2d(x, i["kernel_sizes"], i["strides"])


def _slice_by_index(i: Inputs) -> Tensor:
    x = i["x"]
    no = [False] * x.dim()
    begins, ends = i.get("begin_mask", no), i.get("end_mask", no)
    strides = i.get("stride", [1] * x.dim())
    index = tuple(
        slice(None if begins[a] else i["begin"][a], None if ends[a] else i["end"][a], strides[a])
        for a in range(x.dim())
    )
    squeezed = [a for a, is_squeezed in enumerate(i.get("squeeze_mask", no)) if is_squeezed]
    return x[index].squeeze(squeezed) if squeezed else x[index]


def _pad(i: Inputs) -> Tensor:
    if i["mode"] != "constant":
        raise BackendError(f"MIL pad mode {i['mode']!r} is unknown to the interpreter")
    pairs = np.reshape(i["pad"], (-1, 2))[::-1]  # torch counts axes from the last
    return F.pad(_float(i["x"]), pairs.flatten().tolist(), value=float(i["constant_val"]))


def _expand_dims(i: Inputs) -> Tensor:
    x = i["x"]
    for axis in sorted(i["axes"]):
        x = x.unsqueeze(axis)
    return x


def _linear(i: Inputs) -> Tensor:
    bias = _float(i["bias"]) if "bias" in i else None
    return F.linear(_float(i["x"]), _float(i["weight"]), bias)


def _thresholded_relu(i: Inputs) -> Tensor:
    x = _float(i["x"])
    return torch.where(x >= _float(i["alpha"]), x, torch.zeros(()))


_OPERATIONS: dict[str, Callable[[Inputs], Tensor]] = {
    "add": lambda i: _float(i["x"]) + _float(i["y"]),
    "avg_pool": _avg_pool,
    "cast": lambda i: i["x"],  # the declared type does it
    "clip": lambda i: _float(i["x"]).clamp(float(i["alpha"]), float(i["beta"])),
    "concat": lambda i: torch.cat([_float(value) for value in i["values"]], dim=i["axis"]),
    "conv": _conv,
    "expand_dims": _expand_dims,
    "linear": _linear,
    "log": lambda i: torch.log(_float(i["x"]) + float(i["epsilon"])),
    "max_pool": _max_pool,
    "mul": lambda i: _float(i["x"]) * _float(i["y"]),
    "pad": _pad,
    "real_div": lambda i: _float(i["x"]) / _float(i["y"]),
    "reduce_mean": lambda i: _float(i["x"]).mean(i["axes"], keepdim=i["keep_dims"]),
    "relu": lambda i: F.relu(_float(i["x"])),
    "reshape": lambda i: i["x"].reshape(i["shape"]),
    "sigmoid": lambda i: torch.sigmoid(_float(i["x"])),
    "sigmoid_hard": lambda i: (float(i["alpha"]) * _float(i["x"]) + float(i["beta"])).clamp(
        0.0, 1.0
    ),
    "slice_by_index": _slice_by_index,
    "softmax": lambda i: torch.softmax(_float(i["x"]), dim=i["axis"]),
    "thresholded_relu": _thresholded_relu,
    "transpose": lambda i: i["x"].permute(i["perm"]),
}
