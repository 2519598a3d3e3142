"""The board's student in numpy: exact integers, and an image that is whole or refused."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.student_images import random_features, random_image

from kilohear.backends import available, open_backend
from kilohear.backends.integer import infer, log_mel, outputs, quantise, softmax
from kilohear.bundle import Bundle, shipped
from kilohear.errors import BackendError
from kilohear.student_image import MAP_ZERO, Layer, StudentImage, words_of_header

BUNDLES = sorted(shipped())
few = settings(max_examples=15, derandomize=True)
shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "frames": st.integers(1, 9),
        "bands": st.integers(1, 9),
        "stem": st.integers(1, 5),
        "stem_stride": st.tuples(st.integers(1, 4), st.integers(1, 3)),
        "blocks": st.lists(
            st.tuples(st.integers(1, 6), st.integers(1, 2)), min_size=1, max_size=2
        ).map(tuple),
        "classes": st.integers(2, 6),
    }
)


def by_the_book(layer: Layer, maps: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """A layer as the module's text has it, one Python integer after the other."""
    before = maps[-1]
    rows_in, columns_in, channels_in = before.shape
    out = np.zeros(layer.out_shape, np.int32)
    sums = before.astype(int).sum(axis=1) - layer.in_zero * columns_in
    for row, column, channel in np.ndindex(*layer.out_shape):
        if layer.kind == "pool":
            over_rows = [int(s) for s in sums[:, channel]]
            acc, multiplier = rows_in * max(over_rows) + sum(over_rows), layer.multiplier[0]
        else:
            acc, multiplier = int(layer.bias[channel]), layer.multiplier[channel]
            is_patch = layer.kind in ("stem", "depthwise")
            for y, x in np.ndindex(3, 3) if is_patch else [(0, 0)]:
                at = (row, column)
                if is_patch:
                    at = (row * layer.stride[0] + y - 1, column * layer.stride[1] + x - 1)
                if not (0 <= at[0] < rows_in and 0 <= at[1] < columns_in):
                    continue
                for c in [channel] if layer.kind == "depthwise" else range(channels_in):
                    place = (channel, c)  # of a pointwise or dense layer
                    if layer.kind == "stem":
                        place = (channel, 3 * y + x)
                    elif layer.kind == "depthwise":
                        place = (c, y, x)
                    weight = layer.weights[place]
                    acc += int(weight) * (int(before[at[0], at[1], c]) - layer.in_zero)
            if layer.short_cut is not None:
                joined = int(maps[-2][row, column, channel]) - MAP_ZERO
                acc += int(layer.short_cut[channel]) * joined
        assert -(1 << 31) <= acc < 1 << 31
        rounded = (acc * int(multiplier) + (1 << 31)) >> 32
        low, high = (0, 32_767) if layer.kind == "pool" else (-128, 127)
        out[row, column, channel] = min(max(rounded + layer.out_zero, low), high)
    return out


@few
@given(shapes)
def test_every_layer_is_the_naive_loop(shape: dict) -> None:
    image = random_image(**shape)
    features = random_features(image, 0)
    maps = [features.astype(np.int32)[:, :, None]]
    for layer, given_map in zip(image.layers, outputs(image, features), strict=True):
        expected = by_the_book(layer, maps)
        np.testing.assert_array_equal(given_map, expected)
        maps.append(expected)
    assert infer(image, features).tolist() == maps[-1].reshape(-1).tolist()


@few
@given(shapes)
def test_an_image_is_read_as_it_was_written(shape: dict) -> None:
    image = random_image(**shape)
    data = image.to_bytes()
    again = StudentImage.from_bytes(data)
    assert again.to_bytes() == data
    assert (again.labels, again.name, again.version) == (image.labels, image.name, image.version)
    for one, other in zip(image.layers, again.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    features = random_features(image, 1)
    np.testing.assert_array_equal(infer(image, features), infer(again, features))


def test_random_images_are_not_trivial() -> None:
    image = random_image(3, frames=20, bands=16)
    maps = outputs(image, random_features(image, 0))
    for layer, values in zip(image.layers, maps, strict=True):
        if layer.kind != "dense":
            assert len(np.unique(values)) > 3, layer.kind
    logits = [tuple(infer(image, random_features(image, seed))) for seed in range(4)]
    assert len(set(logits)) > 1


@pytest.mark.parametrize("name", BUNDLES)
def test_a_shipped_student_is_its_card_s(name: str) -> None:
    bundle = Bundle.load(name)
    image = StudentImage.load(bundle.path / "student.h")
    card = bundle.card
    assert (image.name, image.version, image.labels) == (card.name, card.version, card.labels)
    assert (image.rate_hz, image.samples) == (card.rate_hz, card.samples)
    assert image.card_hash == card.identity.sha256
    assert len(image.to_bytes()) <= 64 * 1024  # the board's room for one
    assert image.arena_bytes <= 64 * 1024


@pytest.mark.parametrize("name", BUNDLES)
def test_the_image_s_front_end_is_the_card_s(name: str) -> None:
    bundle = Bundle.load(name)
    image = StudentImage.load(bundle.path / "student.h")
    sound = np.random.default_rng(0).normal(0, 0.1, image.samples).astype(np.float32)
    expected = bundle.card.front_end.log_mel(sound)
    assert np.abs(log_mel(image, sound) - expected).max() < 1e-3


def test_the_backend_runs_and_agrees_with_the_float_network() -> None:
    bundle = Bundle.load("esc10-1khz")
    sound = np.random.default_rng(1).normal(0, 0.1, bundle.card.samples).astype(np.float32)
    given_, expected = bundle.open("c")(sound), bundle.open("onnx")(sound)
    assert given_.dtype == np.float32
    assert given_.sum() == pytest.approx(1, abs=1e-6)
    assert np.abs(given_ - expected).max() < 0.2


def test_it_is_asked_for_by_name_only() -> None:
    assert "c" not in available()
    assert Bundle.load("esc10-1khz").open().runtime != "c"


def test_raw_bytes_and_a_header_are_the_same_student(tmp_path: Path) -> None:
    header = Bundle.load("esc10-1khz").path / "student.h"
    raw = tmp_path / "slot.bin"
    raw.write_bytes(words_of_header(header.read_text()))
    assert StudentImage.load(raw).to_bytes() == StudentImage.load(header).to_bytes()
    assert open_backend("c", raw).runtime == "c"


def test_halves_are_quantised_away_from_zero_and_ends_are_clamped() -> None:
    ones = np.ones(3, np.float32)
    image = dataclasses.replace(random_image(0, bands=3), band_scale=ones, band_shift=0 * ones)
    db = np.array([[0.5, -0.5, 1.4999], [2.5, -2.5, -1.5], [300, -300, 127.6]], np.float32)
    assert quantise(image, db).tolist() == [[1, -1, 1], [3, -3, -2], [127, -128, 127]]


@few
@given(st.lists(st.integers(-128, 127), min_size=3, max_size=3))
def test_softmax_is_softmax(logits: list[int]) -> None:
    image = random_image(0)
    real = np.exp((np.array(logits, np.float64) - max(logits)) * image.logit_scale)
    given_ = softmax(image, np.array(logits, np.int8))
    np.testing.assert_allclose(given_, real / real.sum(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 7), (9, 6), (9, 7, 1)])
def test_a_map_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BackendError, match=r"expected int8 \(9, 7\)"):
        infer(random_image(0), np.zeros(shape, np.int8))


def test_a_waveform_of_another_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(random_image(0).to_bytes())
    with pytest.raises(BackendError, match=r"takes \(1, 96\)"):
        open_backend("c", tmp_path / "x.bin").run(np.zeros((1, 95), np.float32))


def signed(data: bytearray) -> bytes:
    struct.pack_into("<I", data, 8, zlib.crc32(data[12:]))
    return bytes(data)


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        (0, 0x3253484B, "begins with 0x3253484b"),
        (1, 4, "its header says 4"),
        (3, 0, "rate is 0 Hz"),
        (5, 32, "frames of 32 samples every 0"),
        (6, 31 | 7 << 16, "DFT of 31 points"),
        (7, 9 | 4 << 16, "labels for 3 logits|no end"),
        (7, 8 | 3 << 16, "it says 8 frames"),
        (8, 0x7FC00000, "floor is a power of nan"),
        (9, 1, "compression is 1"),
        (10, 0x7FFFFFFC, "lies outside"),
        (11, 2, "lies outside"),
        (15, 0x7FFFFFFF, "no end"),
        (19, 4, "layers are stem, depthwise, pointwise, depthwise"),
        (20, 12, "an arena of 12 bytes"),
        (21, 0, "scale is 0"),
        (31, 1, "disagrees"),
        (32, 9, "kind is 9"),
        (32 + 3, 10, r"takes \(10, 7, 1\)"),
        (32 + 7, 5 | 1 << 16, r"stride is \(5, 1\)"),
        (32 + 9, 0, "zero point is 0"),
        (32 + 14, 0, "ends between 0 and 0"),
        (32 + 13, 128, "short cut"),
        (48 + 7, 2 | 1 << 16, r"stride is \(2, 1\)"),
    ],
)
def test_a_wrong_word_is_refused_by_name(word: int, value: int, message: str) -> None:
    data = bytearray(random_image(0).to_bytes())
    struct.pack_into("<I", data, 4 * word, value)
    with pytest.raises(BackendError, match=message):
        StudentImage.from_bytes(signed(data))


def test_a_changed_bit_fails_the_crc() -> None:
    data = bytearray(random_image(0).to_bytes())
    data[-5] ^= 1
    with pytest.raises(BackendError, match="its CRC is"):
        StudentImage.from_bytes(bytes(data))


@pytest.mark.parametrize("content", ["", "no student", "uint32_t a_student[] = {0x1};"])
def test_a_file_without_an_image_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "student.h").write_text(content)
    with pytest.raises(BackendError, match=r"student\.h: "):
        open_backend("c", tmp_path / "student.h")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"student\.h: can't be read"):
        open_backend("c", tmp_path / "student.h")


@settings(max_examples=300, derandomize=True)
@given(seed=st.integers(0, 2**32), words=st.integers(1, 6), near=st.sampled_from([32, 160, 2_000]))
def test_signed_nonsense_is_refused_or_runs(seed: int, words: int, near: int) -> None:
    """Damage that no CRC finds: whoever makes an image can sign it."""
    random = np.random.default_rng(seed)
    data = bytearray(random_image(1).to_bytes())
    for _ in range(words):
        at = int(random.integers(3, min(near, len(data) // 4)))
        value = random.choice([0, 1, 0xFFFFFFFF, 1 << 16, int(random.integers(0, 1 << 32))])
        struct.pack_into("<I", data, 4 * at, int(value))
    try:
        image = StudentImage.from_bytes(signed(data))
    except BackendError:
        return
    if image.frames * image.bands < 10_000:
        with np.errstate(over="ignore"):
            infer(image, random_features(image, 0))
