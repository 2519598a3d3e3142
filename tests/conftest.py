"""Fixtures that every test tree shares: the development audio, a tiny bundle, recordings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from kilohear.bundle import Card, Export, Parity, Score, Training, write_card
from kilohear.files import hash_files
from kilohear.frontend import FrontEnd

# Timings live in benchmarks: a busy machine must not fail a property.
settings.register_profile("kilohear", deadline=None)
settings.load_profile("kilohear")

LABELS = ("quiet", "loud", "other")


def make_card(**changes: object) -> Card:
    """A card for LABELS at 1,000 Hz, 1 s windows every 0.5 s."""
    score = Score("macro_accuracy", "measured", "made up", 0.9, 0.01, (0.89, 0.91), "for tests")
    values: dict[str, object] = {
        "format": 1,
        "name": "tiny-test",
        "version": "1",
        "network": "loudness",
        "rate_hz": 1_000,
        "window_s": 1.0,
        "hop_s": 0.5,
        "front_end": FrontEnd.preset("native", 1_000),
        "labels": LABELS,
        "parameters": 6,
        "macs": 6,
        "macs_front_end": 1_000,
        "training": Training("none", "none", 0, "by hand", "none", "none", "none", 0, {}),
        "scores": (score,),
        "exports": (),
        "versions": {},
        "sha256": {},
    }
    return Card(**(values | changes))  # type: ignore[arg-type]


def write_loudness_onnx(path: Path, samples: int, gain: float) -> None:
    """Write a graph: mean square (1, 1), times gain weights, plus bias, softmax (1, 3)."""
    from onnx import TensorProto, checker, helper, save

    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1, 3], [0.0, gain, 0.0])
    quiet_bias = 5.0 if gain else 0.0
    bias = helper.make_tensor("bias", TensorProto.FLOAT, [3], [quiet_bias, 0.0, 0.0])
    nodes = [
        helper.make_node("Mul", ["waveform", "waveform"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["power"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["power", "weights"], ["gained"]),
        helper.make_node("Add", ["gained", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, samples])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])],
        [weights, bias],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    checker.check_model(model)
    save(model, path)


def make_bundle(path: Path, gain: float = 2_000.0, **changes: object) -> Path:
    """Write a whole bundle with an ONNX file; gain 0 gives every class the same probability."""
    path.mkdir(parents=True)
    card = make_card(**changes)
    file = path / "student.onnx"
    write_loudness_onnx(file, card.samples, gain)
    parity = Parity(1, "made up", 1.0, 0.0, 0.0, "nothing")
    export = Export(file.name, "onnx", "float32", file.stat().st_size, parity)
    hashes = hash_files(path, (file.name,))
    write_card(path, dataclasses.replace(card, exports=(export,), sha256=hashes))
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The development audio; the test is skipped, with the reason, where it is missing."""
    named = os.environ.get("KILOHEAR_DATA")
    if not named:
        pytest.skip("KILOHEAR_DATA isn't set: no development audio")
    path = Path(named)
    if not path.is_dir():
        pytest.skip(f"KILOHEAR_DATA is {path}, which isn't a folder")
    return path


@pytest.fixture
def card_factory() -> Callable[..., Card]:
    return make_card


@pytest.fixture
def bundle_factory(tmp_path: Path) -> Callable[..., Path]:
    def factory(name: str = "tiny", /, **options: object) -> Path:
        return make_bundle(tmp_path / name, **options)  # type: ignore[arg-type]

    return factory


@pytest.fixture
def bundle_path(bundle_factory: Callable[..., Path]) -> Path:
    return bundle_factory()


@pytest.fixture
def recording_factory(tmp_path: Path) -> Callable[..., Path]:
    """Write audio (samples,) or (samples, channels) through soundfile and return its path."""

    def factory(
        audio: NDArray[np.floating],
        rate_hz: int = 8_000,
        name: str = "clip.wav",
        subtype: str | None = None,
    ) -> Path:
        import soundfile

        soundfile.write(tmp_path / name, audio, rate_hz, subtype=subtype)
        return tmp_path / name

    return factory
