"""The board's student in numpy: the exact integers that its C kernels compute.

`kilohear.student_image` defines the arithmetic; the logits here and on the board are equal bit for
bit. The features before them are computed in float64 here and in float32 there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import BackendError
from kilohear.polyphase import strided_rows
from kilohear.student_image import MAP_ZERO, Layer, StudentImage

__all__ = ["IntegerBackend", "StudentImage", "infer", "log_mel", "outputs", "quantise", "softmax"]


class IntegerBackend:
    """Run a `student.h`; see `kilohear.backends.open_backend`.

    numpy multiplies the matrices, on as many threads as it likes, whatever `threads` is.
    """

    runtime = "c"

    def __init__(self, file: Path, threads: int = 1) -> None:
        self.version = f"integer reference, numpy {np.__version__}"
        self.image = StudentImage.load(file)

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        if waveform.shape != (1, self.image.samples):
            raise BackendError(
                f"{self.image.name}: the waveform has shape {waveform.shape}, the image takes "
                f"(1, {self.image.samples}); export the bundle again"
            )
        features = quantise(self.image, log_mel(self.image, waveform[0]))
        return softmax(self.image, infer(self.image, features))[None]


def log_mel(image: StudentImage, waveform: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the features (frames, bands) in dB of a waveform (samples,) of full scale 1.0."""
    samples = np.ascontiguousarray(waveform, np.float64)
    frames = strided_rows(samples, 0, image.window, image.hop, image.frames)
    spectrum = np.fft.rfft(frames * image.taper, image.fft)
    power = spectrum.real**2 + spectrum.imag**2  # (frames, bins)
    bands = [
        power[:, first : first + len(weights)] @ weights.astype(np.float64)
        for first, weights in zip(image.first_bins, image.bank, strict=True)
    ]
    levels = 10 * np.log10(np.maximum(np.stack(bands, axis=1), image.floor_power))
    return levels.astype(np.float32)


def quantise(image: StudentImage, db: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the network's input (frames, bands) of features (frames, bands) in dB.

    In float32, halves away from 0; the product is rounded before the shift is added.
    """
    value = db.astype(np.float32) * image.band_scale + image.band_shift
    value = value + np.where(value < 0, np.float32(-0.5), np.float32(0.5))
    return np.trunc(np.clip(value, -128, 127)).astype(np.int8)


def infer(image: StudentImage, features: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the logits (classes,) of a feature map (frames, bands).

    Raises
    ------
    BackendError
        Where the map has another shape or type.
    """
    return outputs(image, features)[-1].astype(np.int8).reshape(-1)


def outputs(image: StudentImage, features: NDArray[np.int8]) -> list[NDArray[np.int32]]:
    """Return what every layer gives for a feature map (frames, bands): (rows, columns, channels).

    Raises
    ------
    BackendError
        Where the map has another shape or type.
    """
    if features.shape != (image.frames, image.bands) or features.dtype != np.int8:
        raise BackendError(
            f"{image.name}: the feature map is {features.dtype} of shape {features.shape}, "
            f"expected int8 ({image.frames}, {image.bands})"
        )
    maps = [features.astype(np.int32)[:, :, None]]
    for layer in image.layers:
        acc = _sums(layer, maps[-1] - layer.in_zero)
        if layer.short_cut is not None:  # past this layer and the one before
            acc += (maps[-2] - MAP_ZERO).astype(np.int64) * layer.short_cut
        product = acc * layer.multiplier.astype(np.int64)
        rounded = (product + (1 << 31)) >> 32
        maps.append(np.clip(rounded + layer.out_zero, *layer.clamp).astype(np.int32))
    return maps[1:]


def softmax(image: StudentImage, logits: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the probabilities (classes,) of logits (classes,)."""
    steps = logits.astype(np.int32) - int(logits.max())
    weights = np.exp(steps.astype(np.float32) * np.float32(image.logit_scale))
    return weights / weights.sum()


def _sums(layer: Layer, v: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the accumulators (rows, columns, channels out) before they are scaled."""
    rows, columns, channels = layer.out_shape
    if layer.kind == "pool":
        over_columns = v.sum(axis=1, dtype=np.int64)  # (rows, channels)
        total = len(v) * over_columns.max(axis=0) + over_columns.sum(axis=0)
        return total.reshape(layer.out_shape)
    if layer.kind in ("stem", "depthwise"):
        padded = np.pad(v, ((1, 1), (1, 1), (0, 0)))
        down, right = layer.stride
        taps = [
            padded[row : row + down * rows : down, column : column + right * columns : right]
            for row in range(3)
            for column in range(3)
        ]
        if layer.kind == "depthwise":
            weights = layer.weights.astype(np.int32).reshape(channels, 9).T
            acc = layer.bias + taps[0][:rows, :columns] * weights[0]
            for tap, weight in zip(taps[1:], weights[1:], strict=True):
                acc += tap[:rows, :columns] * weight
            return acc.astype(np.int64)
        v = np.concatenate([tap[:rows, :columns] for tap in taps], axis=2)
    flat = v.reshape(-1, v.shape[2]).astype(np.float64) @ layer.matrix
    return flat.astype(np.int64).reshape(rows, columns, channels) + layer.bias
