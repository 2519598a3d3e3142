"""Student images of any shape, with random weights, for the Python reference and the C kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilohear.student_image import MAP_ZERO, Kind, Layer, Shape, StudentImage

FFT, HOP = 32, 8


def random_image(
    seed: int,
    frames: int = 9,
    bands: int = 7,
    blocks: tuple[tuple[int, int], ...] = ((6, 1), (6, 2)),
    stem: int = 5,
    stem_stride: tuple[int, int] = (2, 2),
    classes: int = 3,
    short_cuts: bool = True,
) -> StudentImage:
    """An image of `blocks` of (channels out, stride); where they fit they get short cuts."""
    random = np.random.default_rng(seed)
    layers: list[Layer] = []
    in_zero = int(random.integers(-128, 128))

    def add(
        kind: Kind, shape: Shape, stride: tuple[int, int], weights: NDArray, joined: bool = False
    ) -> Shape:
        of = (frames, bands, 1) if not layers else layers[-1].out_shape
        zero_before = layers[-1].out_zero if layers else in_zero
        inputs = weights[0].size if weights.size else 1
        zero = {"pool": 0, "dense": int(random.integers(-128, 128))}.get(kind, MAP_ZERO)
        # Sums of random signs grow with the root of their number; outputs then fill 8 bits.
        typical = 70 * 120 * np.sqrt(inputs) if kind != "dense" else 70 * 9_000 * np.sqrt(inputs)
        count = shape[2] if inputs > 1 or kind != "pool" else 1
        ratio = 80 / typical * random.uniform(1, 4, count)
        if kind == "pool":
            ratio = np.full(1, random.uniform(0.05, 0.49))
        bias = random.integers(-int(typical), int(typical) + 1, shape[2])
        factors = random.integers(-300, 300, shape[2]) if joined else None
        layers.append(
            Layer(
                kind,
                of,
                shape,
                stride,
                zero_before,
                zero,
                weights,
                np.zeros(0, np.int32) if kind == "pool" else bias.astype(np.int32),
                np.rint(ratio * 2**32).astype(np.int32),
                None if factors is None else factors.astype(np.int32),
            )
        )
        return shape

    def draw(*shape: int) -> NDArray[np.int8]:
        return random.integers(-127, 128, shape).astype(np.int8)

    rows, columns = ((n - 1) // s + 1 for n, s in zip((frames, bands), stem_stride, strict=True))
    shape = add("stem", (rows, columns, stem), stem_stride, draw(stem, 9))
    for channels, stride in blocks:
        rows, columns, before = shape
        rows, columns = (rows - 1) // stride + 1, (columns - 1) // stride + 1
        add("depthwise", (rows, columns, before), (stride, stride), draw(before, 3, 3))
        joined = short_cuts and stride == 1 and before == channels
        shape = add("pointwise", (rows, columns, channels), (1, 1), draw(channels, before), joined)
    shape = add("pool", (1, 1, shape[2]), (1, 1), np.zeros(0, np.int8))
    add("dense", (1, 1, classes), (1, 1), draw(classes, shape[2]))
    starts = random.integers(0, FFT // 2 - 2, bands)
    return StudentImage(
        rate_hz=1_000,
        samples=FFT + HOP * (frames - 1),
        hop=HOP,
        fft=FFT,
        floor_power=1e-10,
        taper=np.hanning(FFT).astype(np.float32),
        first_bins=tuple(int(start) for start in starts),
        bank=tuple(random.random(int(n), np.float32) for n in random.integers(1, 4, bands)),
        band_scale=random.uniform(1, 4, bands).astype(np.float32),
        band_shift=random.uniform(50, 200, bands).astype(np.float32),
        labels=tuple(f"class {i}, \u00e4" for i in range(classes)),
        name=f"random {seed}",
        version="0.1",
        card_hash=random.bytes(32),
        layers=tuple(layers),
        logit_scale=float(np.float32(0.05)),
    )


def random_features(image: StudentImage, seed: int) -> NDArray[np.int8]:
    """A feature map of all of int8's values, (frames, bands)."""
    random = np.random.default_rng(seed)
    return random.integers(-128, 128, (image.frames, image.bands)).astype(np.int8)
