"""A small trained student and its exported bundle, made once for all tests here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from kilohear.bundle import Bundle, Training
from kilohear.frontend import FrontEnd
from kilohear_training.export.bundle import Request, export_bundle
from kilohear_training.frontend import TorchFrontEnd
from kilohear_training.networks import build

RATE_HZ, WINDOW_S = 1_000, 5.0
LABELS = ("hum", "whistle", "hiss", "knocks")


@dataclasses.dataclass(frozen=True)
class Trained:
    front_end: FrontEnd
    network: nn.Module
    calibration: NDArray[np.float32]  # (clips, samples)
    held_out: NDArray[np.float32]  # (clips, samples)
    targets: NDArray[np.int64]  # of the held-out clips


def make_clips(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Synthetic sounds of four classes in noise, at levels over 40 dB."""
    random = np.random.default_rng(seed)
    seconds = np.arange(round(WINDOW_S * RATE_HZ)) / RATE_HZ
    targets = np.arange(count) % len(LABELS)
    clips = []
    for target in targets:
        noise = random.normal(size=len(seconds))
        hz = random.uniform(40, 120) if target == 0 else random.uniform(200, 450)
        sound = [
            np.sin(2 * np.pi * hz * seconds),
            np.sin(2 * np.pi * hz * seconds) * (np.sin(2 * np.pi * 0.5 * seconds) > 0),
            noise,
            noise * np.exp(-20 * (seconds % random.uniform(0.3, 0.9))),
        ][target]
        level = 10 ** random.uniform(-2, 0)
        clips.append(level * (0.3 * sound + 0.01 * random.normal(size=len(seconds))))
    return np.array(clips, np.float32), targets


def train_briefly(network: nn.Module, front_end: FrontEnd, steps: int) -> nn.Module:
    """Move weights and batch statistics off their start, until outputs are not uniform."""
    clips, targets = make_clips(64, seed=1)
    with torch.no_grad():
        features = TorchFrontEnd(front_end)(torch.from_numpy(clips))
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    order = np.random.default_rng(0)
    network.train()
    for _ in range(steps):
        rows = order.choice(len(clips), 16, replace=False)
        loss = F.cross_entropy(network(features[rows]), torch.from_numpy(targets[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="session")
def trained() -> Trained:
    torch.manual_seed(0)
    front_end = FrontEnd.preset("native", RATE_HZ)
    network = train_briefly(build("tiny", len(LABELS), front_end), front_end, steps=60)
    calibration, _ = make_clips(32, seed=2)
    held_out, targets = make_clips(40, seed=3)
    return Trained(front_end, network, calibration, held_out, targets)


@pytest.fixture(scope="session")
def request_of() -> Request:
    return Request(
        name="test-1khz",
        version="0.0.1",
        network="tiny",
        labels=LABELS,
        front_end=FrontEnd.preset("native", RATE_HZ),
        training=Training(
            dataset="synthetic",
            licence="none",
            clips=64,
            method="raw",
            teacher="none",
            initial_weights="random",
            shipped_fit="one fit",
            seed=0,
            config={},
        ),
        scores=(),
        gate_clips_from="synthetic clips",
    )


@pytest.fixture(scope="session")
def bundle(
    trained: Trained, request_of: Request, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """All five files; read only."""
    out: Path = tmp_path_factory.mktemp("export") / "student"
    return export_bundle(request_of, trained.network, trained.calibration, trained.held_out, out)
