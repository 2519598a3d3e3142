"""The student image: one student as the bytes that a board reads in place, and their meaning.

An image is what `student.h` holds and what is flashed: little-endian, blocks on multiples of 4
bytes, offsets in bytes from its start. Its header is 32 words (`bench/apollo3/stages/image.h` names
them), then come 16 words for each layer, then what both point to.

The arithmetic
--------------
Maps are int8 of shape (rows = frames, columns = bands, channels); a value stands for
`scale * (q - zero)`. Below `v = q - zero`. Behind each ReLU `zero` is -128, so `v` is 0 to 255.
Weights are int8 without a zero point, with one scale a channel out; `acc` is int32.

`stem`       3x3, one channel in, padding 1 (with v = 0):  acc = bias + sum of w * v
`depthwise`  3x3 of each channel, padding 1, stride 1 or 2: the same
`pointwise`  1x1: the same
`pool`       acc = rows * max over rows of s + sum over rows of s, s the sum of v over columns;
             its output is int16 with zero 0
`dense`      acc = bias + sum of w * v, v the pool's output; q is a logit

A pointwise layer may have a short cut: `short_cut * v` is added to the sum, `v` from the map before
the depthwise layer, `short_cut` one int32 a channel.

Every layer ends with `q = clamp(zero + floor((acc * multiplier + 2^31) / 2^32))`, a rounded high
word of a 32 x 32 bit product: one SMMULR on a Cortex-M4. `multiplier` is the ratio of scales times
2^32 and below 2^31. The clamp is to -128 and 127 (0 and 32,767 for the pool); it is the ReLU where
`zero` is -128.

Weights lie as the kernels read them. `stem`, `pointwise` and `dense` are matrices (channels out,
inputs), padded with zeros to multiples of 4 and 8: for each four channels out, for each two inputs
k: the bytes (c0 k0, c1 k0, c0 k1, c1 k1), then the same of c2 and c3. The inputs of a stem are the
rows of its kernel, a 0 behind each. `depthwise`: for each channel and row of its kernel the bytes
(w0, w1, w1, w2). Bias, multiplier and short cut are padded likewise.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import BackendError

MAGIC = 0x3153484B
HEADER_BYTES, LAYER_BYTES, HASH_BYTES = 128, 64, 32
MOST_BYTES = 1 << 20
"""Of an image: all of an Apollo3's flash."""

FFTS = (32, 64, 128, 256, 512)
"""Points that the board's FFT takes."""

MAP_ZERO = -128
"""The zero point behind every ReLU."""

Kind = Literal["stem", "depthwise", "pointwise", "pool", "dense"]
KINDS: tuple[Kind, ...] = ("stem", "depthwise", "pointwise", "pool", "dense")
_CLAMPS = {kind: (0, 32_767) if kind == "pool" else (-128, 127) for kind in KINDS}

_MOST_FRAMES, _MOST_COLUMNS, _MOST_CHANNELS, _MOST_CLASSES = 4_096, 512, 512, 1_024
_MOST_STRIDE = 4
_WORDS = re.compile(r"0x([0-9a-fA-F]{8})\b")
_ARRAY = re.compile(r"_student\[\]\s*=\s*\{([^}]*)\}", re.DOTALL)

Shape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """One layer in integers.

    Attributes
    ----------
    kind
        What it computes; see the module's text.
    in_shape, out_shape
        (rows, columns, channels).
    stride
        Over rows and columns.
    in_zero, out_zero
        Zero points.
    weights
        int8: (channels out, inputs), inputs in the order (row, column) of a stem's kernel;
        depthwise (channels, 3, 3); of a pool (0,).
    bias, multiplier
        int32 (channels out,); of a pool (0,) and (1,).
    short_cut
        int32 (channels out,): what the map before the depthwise layer is multiplied by; None: no
        short cut.
    """

    kind: Kind
    in_shape: Shape
    out_shape: Shape
    stride: tuple[int, int]
    in_zero: int
    out_zero: int
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    short_cut: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        shape, inputs = _weight_shape(self.kind, self.in_shape[2], self.out_shape[2])
        channels = (self.out_shape[2],)
        shapes = (self.weights.shape, self.bias.shape, self.multiplier.shape)
        if shapes != ((shape, channels, channels) if inputs else ((0,), (0,), (1,))):
            _refuse(f"its {self.kind} layer has weights {self.weights.shape}, expected {shape}")
        if self.kind == "depthwise" and self.in_shape[2] != self.out_shape[2]:
            _refuse(f"its depthwise layer makes {self.out_shape[2]} channels of {self.in_shape[2]}")
        if (self.multiplier < 0).any():
            _refuse(f"a multiplier of its {self.kind} layer is negative")
        if not inputs:
            return
        weights = np.abs(self.weights.astype(np.int64)).reshape(channels[0], -1)
        most = max(127 - self.in_zero, 128 + self.in_zero) if self.kind != "dense" else 32_767
        largest = np.abs(self.bias.astype(np.int64)) + weights.sum(axis=1) * most
        if self.short_cut is not None:
            if self.kind != "pointwise" or self.short_cut.shape != channels:
                _refuse(f"its {self.kind} layer has a short cut of shape {self.short_cut.shape}")
            largest = largest + 255 * np.abs(self.short_cut.astype(np.int64))
        if (largest >= 1 << 31).any():
            _refuse(f"the sums of its {self.kind} layer don't fit into 32 bits")

    @property
    def clamp(self) -> tuple[int, int]:
        """Smallest and largest output."""
        return _CLAMPS[self.kind]

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The weights of a stem, pointwise or dense layer, (inputs, channels out).

        Products and sums stay below 2^31, so float64 holds them exactly, and multiplies matrices
        faster than numpy's integers do.
        """
        return np.ascontiguousarray(self.weights.T, np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class StudentImage:
    """A student for the board: front end, network, names.

    Attributes
    ----------
    rate_hz, samples
        What it hears: its nominal rate, and samples of one window of sound.
    hop, fft
        Samples from one frame to the next; points of the DFT.
    floor_power
        Where the logarithm stops: features are 10 log10(max(power, floor)).
    taper
        float32 (window,).
    first_bins
        (bands,) int: the DFT bin at which each band begins.
    bank
        float32, one array a band: the weights of its bins, for samples of full scale 1.0.
    band_scale, band_shift
        float32 (bands,): from dB to the network's int8 input.
    labels, name, version
        As on the bundle's card.
    card_hash
        32 bytes: SHA-256 of the card's identity.
    layers
        stem, one or more times depthwise and pointwise, pool, dense.
    logit_scale
        A logit is `(q - logit_zero) * logit_scale`; the zero is the last layer's.
    """

    rate_hz: int
    samples: int
    hop: int
    fft: int
    floor_power: float
    taper: NDArray[np.float32]
    first_bins: tuple[int, ...]
    bank: tuple[NDArray[np.float32], ...]
    band_scale: NDArray[np.float32]
    band_shift: NDArray[np.float32]
    labels: tuple[str, ...]
    name: str
    version: str
    card_hash: bytes
    layers: tuple[Layer, ...]
    logit_scale: float

    def __post_init__(self) -> None:
        self._check_front_end()
        self._check_layers()
        texts = (self.name, self.version, *self.labels)
        if any(not text or "\0" in text for text in texts):
            _refuse("a name or a label is empty or holds NUL")
        if len(self.card_hash) != HASH_BYTES:
            _refuse(f"the card's hash has {len(self.card_hash)} bytes, expected {HASH_BYTES}")
        if not (np.isfinite(self.logit_scale) and self.logit_scale > 0):
            _refuse(f"the logits' scale is {self.logit_scale}, expected a number above 0")

    @property
    def window(self) -> int:
        """Samples of one frame."""
        return len(self.taper)

    @property
    def bands(self) -> int:
        """Features of one frame."""
        return len(self.bank)

    @property
    def frames(self) -> int:
        """Frames of one window of sound."""
        return 1 + (self.samples - self.window) // self.hop

    @property
    def logit_zero(self) -> int:
        """The logits' zero point."""
        return self.layers[-1].out_zero

    @property
    def arena_bytes(self) -> int:
        """Bytes that the C kernels need beside the feature map (`arena_of` in student.c)."""
        total = widest = 0
        for layer in self.layers:
            _, columns, channels = layer.in_shape
            words = _pad(channels, 4) * ((columns + 1) // 2 + 1)
            if layer.kind == "depthwise":  # three rows of its input, as pairs of columns
                total += 3 * 4 * words
            elif layer.kind == "pool":  # one row, then a maximum and a sum for each channel
                total += 4 * words + 2 * 4 * _pad(channels, 4)
            else:
                pairs = (layer.out_shape[1] + 1) // 2
                inputs = _weight_shape(layer.kind, channels, layer.out_shape[2])[1]
                widest = max(widest, 4 * pairs * _padded_inputs(layer.kind, inputs))
        return total + widest + 16

    def to_bytes(self) -> bytes:
        """Return the image."""
        body = bytearray(HEADER_BYTES + LAYER_BYTES * len(self.layers))

        def add(block: bytes) -> int:
            body.extend(block + bytes(-len(block) % 4))
            return len(body) - len(block) - (-len(block) % 4)

        header = [0] * 32
        counts = [len(weights) for weights in self.bank]
        header[0] = MAGIC
        header[3:8] = (
            self.rate_hz,
            self.samples,
            self.window | self.hop << 16,
            self.fft | self.bands << 16,
            self.frames | len(self.labels) << 16,
        )
        header[8] = _float_word(self.floor_power)
        header[10] = add(self.taper.astype("<f4").tobytes())
        header[11] = add(np.array([*zip(self.first_bins, counts, strict=True)], "<u2").tobytes())
        header[12] = add(np.concatenate(self.bank).astype("<f4").tobytes())
        header[13] = add(self.band_scale.astype("<f4").tobytes())
        header[14] = add(self.band_shift.astype("<f4").tobytes())
        header[15] = add(b"".join(label.encode() + b"\0" for label in self.labels))
        header[16] = add(self.name.encode() + b"\0" + self.version.encode() + b"\0")
        header[17] = add(self.card_hash)
        header[18:20] = HEADER_BYTES, len(self.layers)
        header[20:23] = (
            self.arena_bytes,
            _float_word(self.logit_scale),
            self.logit_zero & 0xFFFFFFFF,
        )
        for index, layer in enumerate(self.layers):
            (rows, columns, channels), (rows_out, columns_out, channels_out) = (
                layer.in_shape,
                layer.out_shape,
            )
            low, high = layer.clamp
            record = [
                KINDS.index(layer.kind) + 1,
                *(channels, channels_out, rows, columns, rows_out, columns_out),
                layer.stride[0] | layer.stride[1] << 16,
                *(layer.in_zero & 0xFFFFFFFF, layer.out_zero & 0xFFFFFFFF),
                add(_pack(layer)),
                add(_padded(layer.bias)),
                add(_padded(layer.multiplier)),
                0 if layer.short_cut is None else add(_padded(layer.short_cut)),
                (low & 0xFFFF) | (high & 0xFFFF) << 16,
                0,
            ]
            struct.pack_into("<16I", body, HEADER_BYTES + LAYER_BYTES * index, *record)
        header[1] = len(body)
        struct.pack_into("<32I", body, 0, *header)
        struct.pack_into("<I", body, 8, zlib.crc32(body[12:]))
        return bytes(body)

    @staticmethod
    def from_bytes(data: bytes) -> StudentImage:
        """Read an image; raises BackendError where it isn't whole or not one this kilohear runs."""
        return _Reader(data).image()

    @staticmethod
    def load(file: Path) -> StudentImage:
        """Read a `student.h`, or a file of an image's bytes.

        Raises
        ------
        BackendError
            Where it can't be read, isn't whole, or isn't an image.
        """
        try:
            with file.open("rb") as stream:
                data = stream.read(8 * MOST_BYTES)  # a word of 4 bytes is written as 12 letters
        except OSError as error:
            raise BackendError(
                f"{file}: can't be read ({error.strerror}); give a bundle's student.h"
            ) from None
        try:
            if struct.pack("<I", MAGIC) != data[:4]:
                data = words_of_header(data.decode("utf-8", errors="replace"))
            return StudentImage.from_bytes(data)
        except BackendError as error:
            raise BackendError(f"{file}: {error}") from None

    def _check_front_end(self) -> None:
        window, bins = self.window, self.fft // 2 + 1
        is_fit = 0 < self.hop <= window <= self.fft and self.samples >= window
        if not is_fit or self.fft not in FFTS:
            _refuse(
                f"frames of {window} samples every {self.hop}, a DFT of {self.fft} points and a "
                f"window of {self.samples} samples don't fit each other"
            )
        if not (0 < self.rate_hz <= 1_000_000 and self.samples < 1 << 31):
            _refuse(f"its rate is {self.rate_hz} Hz")
        fits = [
            first >= 0 and len(weights) > 0 and first + len(weights) <= bins
            for first, weights in zip(self.first_bins, self.bank, strict=True)
        ]
        if not fits or not all(fits):
            _refuse("a mel band lies outside the spectrum")
        if self.band_scale.shape != (self.bands,) or self.band_shift.shape != (self.bands,):
            _refuse(f"its scales aren't those of {self.bands} bands")
        numbers = (self.taper, *self.bank, self.band_scale, self.band_shift)
        if not all(np.isfinite(each).all() for each in numbers):
            _refuse("its front end holds a number that isn't finite")
        if not (np.isfinite(self.floor_power) and self.floor_power > 0):
            _refuse(f"its floor is a power of {self.floor_power}")

    def _check_layers(self) -> None:
        kinds = [layer.kind for layer in self.layers]
        blocks = max(0, (len(kinds) - 3) // 2)
        if kinds != ["stem", *(("depthwise", "pointwise") * blocks), "pool", "dense"] or not blocks:
            _refuse(f"its layers are {', '.join(kinds)}")
        if not (self.frames <= _MOST_FRAMES and self.bands <= _MOST_COLUMNS):
            _refuse(f"its map is {self.frames} frames of {self.bands} bands")
        shape, zero = (self.frames, self.bands, 1), self.layers[0].in_zero
        before: Layer | None = None
        for layer in self.layers:
            expected = _out_shape(layer)
            if layer.in_shape != shape or layer.out_shape != expected or layer.in_zero != zero:
                _refuse(
                    f"its {layer.kind} layer takes {layer.in_shape} and gives {layer.out_shape}, "
                    f"expected {shape} and {expected}"
                )
            joined = None if before is None else before.in_shape
            if layer.short_cut is not None and joined != layer.out_shape:
                _refuse("a short cut joins maps of different shapes")
            zeros = {"pool": 0, "dense": layer.out_zero}
            if not -128 <= layer.in_zero <= 127 or not -128 <= layer.out_zero <= 127:
                _refuse(f"a zero point of its {layer.kind} layer isn't an int8")
            if layer.out_zero != zeros.get(layer.kind, MAP_ZERO):
                _refuse(f"its {layer.kind} layer's zero point is {layer.out_zero}")
            shape, zero, before = layer.out_shape, layer.out_zero, layer
        if self.layers[-1].out_shape != (1, 1, len(self.labels)):
            _refuse(f"it has {len(self.labels)} labels for {self.layers[-1].out_shape[2]} logits")


def words_of_header(text: str) -> bytes:
    """Return the bytes that the array of a `student.h` holds."""
    found = _ARRAY.search(text)
    if found is None:
        raise BackendError("holds no student; export the bundle again")
    words = [int(word, 16) for word in _WORDS.findall(found[1])]
    return struct.pack(f"<{len(words)}I", *words)


class _Reader:
    """Takes an image apart; what lies outside is refused, never read."""

    def __init__(self, data: bytes) -> None:
        if len(data) < HEADER_BYTES:
            _refuse(f"it has {len(data)} bytes, a header has {HEADER_BYTES}")
        self._header = struct.unpack_from("<32I", data)
        if self._header[0] != MAGIC:
            _refuse(f"it begins with 0x{self._header[0]:08x}, expected 0x{MAGIC:08x}")
        if self._header[1] != len(data) or len(data) % 4 or len(data) > MOST_BYTES:
            _refuse(f"it has {len(data)} bytes, its header says {self._header[1]}")
        crc = zlib.crc32(data[12:])
        if crc != self._header[2]:
            _refuse(f"its CRC is 0x{crc:08x}, its header says 0x{self._header[2]:08x}")
        self._data = data

    def image(self) -> StudentImage:
        header = self._header
        window, hop = _halves(header[5])
        fft, bands = _halves(header[6])
        frames, classes = _halves(header[7])
        if header[9] != 0:
            _refuse(f"its compression is {header[9]}, known is 0")
        if not 0 < classes <= _MOST_CLASSES:
            _refuse(f"it has {classes} classes")
        table = self._array(header[11], "<u2", 2 * bands).reshape(bands, 2)
        bank = self._array(header[12], "<f4", int(table[:, 1].sum()))
        names = self._texts(header[16], 2)
        if not 0 < header[19] <= 64:
            _refuse(f"it has {header[19]} layers")
        if header[18] % 4:
            _refuse(f"its layers lie at {header[18]}")
        image = StudentImage(
            rate_hz=header[3],
            samples=header[4],
            hop=hop,
            fft=fft,
            floor_power=_word_float(header[8]),
            taper=self._array(header[10], "<f4", window),
            first_bins=tuple(int(first) for first in table[:, 0]),
            bank=tuple(np.split(bank, np.cumsum(table[:, 1], dtype=np.int64)[:-1])),
            band_scale=self._array(header[13], "<f4", bands),
            band_shift=self._array(header[14], "<f4", bands),
            labels=self._texts(header[15], classes),
            name=names[0],
            version=names[1],
            card_hash=self._array(header[17], "u1", HASH_BYTES).tobytes(),
            layers=tuple(self._layer(header[18] + LAYER_BYTES * i) for i in range(header[19])),
            logit_scale=_word_float(header[21]),
        )
        if (image.frames, image.arena_bytes) != (frames, header[20]):
            _refuse(
                f"it says {frames} frames and an arena of {header[20]} bytes, "
                f"its layers need {image.frames} and {image.arena_bytes}"
            )
        if _signed(header[22]) != image.logit_zero or any(header[23:]):
            _refuse("its header disagrees with its last layer")
        return image

    def _layer(self, offset: int) -> Layer:
        record = self._array(offset, "<u4", LAYER_BYTES // 4).tolist()
        kind, channels, channels_out, rows, columns, rows_out, columns_out = record[:7]
        if not 1 <= kind <= len(KINDS):
            _refuse(f"a layer's kind is {kind}")
        name = KINDS[kind - 1]
        if not (0 < channels <= _MOST_CHANNELS and 0 < channels_out <= _MOST_CLASSES):
            _refuse(f"its {name} layer has {channels} channels in and {channels_out} out")
        low, high = (_signed(half << 16) >> 16 for half in _halves(record[14]))
        if (low, high) != _CLAMPS[name] or record[15]:
            _refuse(f"its {name} layer ends between {low} and {high}")
        shape, inputs = _weight_shape(name, channels, channels_out)
        count = 0
        if name == "depthwise":
            count = 12 * channels
        elif inputs:
            count = _padded_inputs(name, inputs) * _pad(channels_out, 4)
        packed = self._array(record[10], "i1", count)
        biases, multipliers = (channels_out, channels_out) if inputs else (0, 1)
        return Layer(
            kind=name,
            in_shape=(rows, columns, channels),
            out_shape=(rows_out, columns_out, channels_out),
            stride=_halves(record[7]),
            in_zero=_signed(record[8]),
            out_zero=_signed(record[9]),
            weights=_unpack(name, packed, shape),
            bias=self._channels(record[11], biases),
            multiplier=self._channels(record[12], multipliers),
            short_cut=self._channels(record[13], channels_out) if record[13] else None,
        )

    def _channels(self, offset: int, count: int) -> NDArray[np.int32]:
        return self._array(offset, "<i4", _pad(count, 4))[:count]

    def _array(self, offset: int, kind: str, count: int) -> NDArray:
        if offset % 4 or offset + np.dtype(kind).itemsize * count > len(self._data):
            _refuse(f"a block of {count} numbers at {offset} lies outside")
        return np.frombuffer(self._data, kind, count, offset)

    def _texts(self, offset: int, count: int) -> tuple[str, ...]:
        texts = []
        for _ in range(count):
            end = self._data.find(b"\0", offset)
            if end < 0 or offset >= len(self._data):
                _refuse("a text has no end")
            try:
                texts.append(self._data[offset:end].decode())
            except UnicodeDecodeError:
                _refuse("a text isn't UTF-8")
            offset = end + 1
        return tuple(texts)


def _refuse(why: str) -> NoReturn:
    raise BackendError(f"this is no student image that kilohear can run: {why}; export it again")


def _weight_shape(kind: Kind, channels: int, channels_out: int) -> tuple[tuple[int, ...], int]:
    """Return the shape of a layer's weights, and the inputs that one output sums by weights."""
    if kind == "pool":
        return (0,), 0
    if kind == "depthwise":
        return (channels, 3, 3), 9
    inputs = 9 if kind == "stem" else channels
    return (channels_out, inputs), inputs


def _out_shape(layer: Layer) -> Shape:
    rows, columns, channels = layer.in_shape
    if layer.kind in ("stem", "depthwise"):
        most = _MOST_STRIDE if layer.kind == "stem" else 2
        if not all(1 <= stride <= most for stride in layer.stride):
            _refuse(f"its {layer.kind} layer's stride is {layer.stride}")
        if layer.kind == "depthwise" and layer.stride[0] != layer.stride[1]:
            _refuse(f"its {layer.kind} layer's stride is {layer.stride}")
        rows, columns = (
            (n - 1) // s + 1 for n, s in zip((rows, columns), layer.stride, strict=True)
        )
        return rows, columns, layer.out_shape[2] if layer.kind == "stem" else channels
    if layer.stride != (1, 1):
        _refuse(f"its {layer.kind} layer's stride is {layer.stride}")
    if layer.kind == "pool":
        return 1, 1, channels
    return rows, columns, layer.out_shape[2]


def _pack(layer: Layer) -> bytes:
    weights = layer.weights
    if layer.kind == "depthwise":
        return np.ascontiguousarray(weights[:, :, [0, 1, 1, 2]]).tobytes()
    if layer.kind == "pool":
        return b""
    out, inputs = weights.shape
    if layer.kind == "stem":
        weights = np.pad(weights.reshape(out, 3, 3), ((0, 0), (0, 0), (0, 1))).reshape(out, 12)
    padded = np.zeros((_pad(out, 4), _padded_inputs(layer.kind, inputs)), np.int8)
    padded[:out, : weights.shape[1]] = weights
    # (four, pair of channels, channel, pair of inputs, input)
    split = padded.reshape(len(padded) // 4, 2, 2, -1, 2)
    return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2)).tobytes()


def _unpack(kind: Kind, packed: NDArray[np.int8], shape: tuple[int, ...]) -> NDArray[np.int8]:
    if kind == "depthwise":
        return packed.reshape(-1, 3, 4)[:, :, [0, 1, 3]]
    if kind == "pool":
        return packed
    out, inputs = shape
    split = packed.reshape(_pad(out, 4) // 4, -1, 2, 2, 2)
    matrix = split.transpose(0, 2, 4, 1, 3).reshape(_pad(out, 4), -1)[:out]
    if kind == "stem":
        return matrix[:, :12].reshape(out, 3, 4)[:, :, :3].reshape(out, 9)
    return matrix[:, :inputs]


def _padded_inputs(kind: Kind, inputs: int) -> int:
    return 16 if kind == "stem" else _pad(inputs, 8)


def _padded(values: NDArray[np.int32]) -> bytes:
    return values.astype("<i4").tobytes() + bytes(4 * (-len(values) % 4))


def _pad(count: int, to: int) -> int:
    return count + -count % to


def _halves(word: int) -> tuple[int, int]:
    return word & 0xFFFF, word >> 16


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def _float_word(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _word_float(word: int) -> float:
    return struct.unpack("<f", struct.pack("<I", word))[0]
