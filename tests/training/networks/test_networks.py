"""Networks keep to their published or promised sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.errors import ConfigError, DataError
from kilohear.frontend import FrontEnd
from kilohear_training import checkpoints
from kilohear_training.counting import count_macs, count_parameters
from kilohear_training.networks import build
from kilohear_training.networks.layers import BandNorm
from kilohear_training.networks.tiny import Tiny


@pytest.mark.parametrize("rate_hz", [1_000, 2_000, 16_000])
def test_tiny_keeps_its_promise(rate_hz: int) -> None:
    front_end = FrontEnd.preset("native", rate_hz)
    network = build("tiny", 20, front_end)
    frames = front_end.frames(5 * rate_hz)
    assert count_parameters(network) <= 250_000
    assert count_macs(network, torch.zeros(1, 1, frames, front_end.features)) <= 10_000_000


@settings(max_examples=20)
@given(st.integers(1, 140), st.integers(20, 300))
def test_tiny_takes_any_bands_and_frames(bands: int, frames: int) -> None:
    network = Tiny(7, bands).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 1, frames, bands)).shape == (2, 7)


def test_mobilenet_v3_has_the_published_parameters() -> None:
    network = build("mobilenet_v3", 527, FrontEnd.preset("mn04", 16_000))
    assert count_parameters(network) == 983_599


def test_macs_are_counted_as_by_hand() -> None:
    layer = torch.nn.Conv2d(4, 8, 3, padding=1, groups=2)
    assert count_macs(layer, torch.zeros(1, 4, 10, 10)) == 10 * 10 * 8 * (4 // 2) * 9


def test_band_norm_evaluates_as_batch_norm() -> None:
    norm, plain = BandNorm(5), torch.nn.BatchNorm1d(5)
    x = torch.randn(4, 1, 30, 5) * 3 + 2
    for _ in range(3):
        norm.train()(x)
        plain.train()(x.reshape(-1, 5))
    out = norm.eval()(x).reshape(-1, 5)
    torch.testing.assert_close(out, plain.eval()(x.reshape(-1, 5)))


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match="'huge' is unknown"):
        build("huge", 10, FrontEnd.preset("native", 1_000))
    with pytest.raises(ConfigError, match="no AudioSet weights are published for 'tiny'"):
        checkpoints.load_audioset(Tiny(10, 10), "tiny")


def test_a_changed_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    published = checkpoints.PUBLISHED["mobilenet_v3"]
    path = tmp_path / published.file
    path.parent.mkdir()
    path.write_bytes(b"other weights")
    with pytest.raises(DataError, match="SHA-256 is"):
        checkpoints.fetch(published)


@pytest.mark.data
def test_audioset_weights_load_strictly(data_dir: Path) -> None:
    network = build("mobilenet_v3", 10, FrontEnd.preset("mn04", 1_000))
    fresh = {k: v.clone() for k, v in network.state_dict().items()}
    checkpoints.load_audioset(network, "mobilenet_v3")
    for key, value in network.state_dict().items():
        if key.startswith("classifier.5."):
            assert torch.equal(value, fresh[key])
        elif key.endswith("features.0.0.weight"):
            assert not torch.equal(value, fresh[key])


@pytest.mark.data
def test_weights_of_another_shape_are_refused(data_dir: Path) -> None:
    network = build("mobilenet_v3", 10, FrontEnd.preset("mn04", 1_000))
    network.add_module("extra", torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"extra\.bias"):
        checkpoints.load_audioset(network, "mobilenet_v3")
