"""Networks keep to their published or promised sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.counting import count_macs, count_parameters
from kilohear_training.export.student import WaveformStudent
from kilohear_training.networks import build
from kilohear_training.networks.layers import BandNorm
from kilohear_training.networks.resnet38 import BasicBlock
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


# Kong et al. 2020 and the PANNs repository: parameters with 527 classes; multiplications and
# additions, each counted, for 10 s at 32 kHz, the STFT as a convolution among them.
@pytest.mark.parametrize(
    ("name", "parameters", "published_operations"),
    [
        ("cnn14", 80_753_615, 42.2e9),
        ("resnet38", 73_783_247, 49.0e9),
        ("mobilenet_v2", 4_075_343, 2.81e9),
    ],
)
def test_panns_have_the_published_sizes(
    name: str, parameters: int, published_operations: float
) -> None:
    front_end = FrontEnd.preset("paper", 16_000)
    with torch.device("meta"):
        network = build(name, 527, front_end, window_s=10.0)
        frames = front_end.frames(10 * 16_000)
        macs = count_macs(network, torch.zeros(1, 1, frames, front_end.features))
    assert count_parameters(network) == parameters
    stft_and_mel = frames * (1026 * 1024 + 513 * 64)
    assert 2 * (macs + stft_and_mel) == pytest.approx(published_operations, rel=0.02)


@pytest.mark.parametrize("name", ["cnn14", "resnet38", "mobilenet_v2"])
def test_panns_refuse_what_they_would_halve_to_nothing(name: str) -> None:
    with pytest.raises(ConfigError, match="501 frames of 10 bands: use preset 'paper'"):
        build(name, 10, FrontEnd.preset("cropped", 1_000))


def test_mobilenet_v2_exports_as_it_was_trained() -> None:
    front_end = FrontEnd.preset("native", 1_000)
    network = build("mobilenet_v2", 4, front_end, window_s=2.0)
    optimizer = torch.optim.Adam(network.parameters())
    frames = front_end.frames(2_000)
    for seed in range(3):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        network(torch.randn(4, 1, frames, front_end.features)).square().mean().backward()
        optimizer.step()
    waveform = torch.randn(2, 2_000)
    student = WaveformStudent(front_end, network)
    assert not [m for m in student.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    expected = network.eval()(student.front_end(waveform)).softmax(dim=1)
    torch.testing.assert_close(student(waveform), expected, atol=1e-5, rtol=0)


def test_resnets_blocks_begin_as_their_short_cut() -> None:
    block = BasicBlock(8, 8, 1).eval()
    torch.nn.init.zeros_(block.bn2.weight)
    maps = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(block(maps), maps.relu())
