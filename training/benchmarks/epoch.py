"""How much faster an epoch is on cached features than in a loop that computes them each time.

    python training/benchmarks/epoch.py --out training/results/epoch.json

Three arms train the same network (MobileNetV2) on the same clips at 1 kHz, batch after batch, in
turns, each in a process of its own with one thread:

plain
    As the published training code of PANNs does it: waveforms in memory, raised to 16 kHz; the STFT
    is a convolution and runs, with mel bank and logarithm, in every forward pass; default memory
    layout, default environment.
cached
    Our loop on cached features of the same front end (`paper`), channels last, in the environment
    of our training processes (huge pages).
cached, native
    Our loop on cached features of the front end native to the rate (`native`), which has fewer of
    them. Another input, so another network size in time and memory: what a user of the low rate
    gets, not the same computation.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from kilohear.config import to_dict
from kilohear.files import write_text
from kilohear.frontend import FrontEnd
from kilohear.polyphase import PolyphaseResampler
from kilohear_training.augmentation import Augmentation, augment, draw_epoch, mix_targets
from kilohear_training.compute import Compute
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.features import load_features, read_clip
from kilohear_training.distillation import distillation_loss
from kilohear_training.networks import build
from kilohear_training.workers import POLITE_AND_FAST, set_environment

RATE_HZ, HEARD_HZ, WINDOW_S = 1_000, 16_000, 5.0
BATCH, SEED = 32, 1

ARMS = {"plain": "paper", "cached": "paper", "cached, native": "native"}
"""Each arm's front end."""

Epoch = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Clips:
    """The training clips: waveforms at 16 kHz (clips, samples), features by preset, targets."""

    waveforms: Tensor
    features: dict[str, Tensor]
    targets: Tensor
    classes: int


class PlainStudent(nn.Module):
    """Waveform in, logits out, the features computed on the way."""

    def __init__(self, front_end: FrontEnd, network: nn.Module) -> None:
        super().__init__()
        points, bins = front_end.fft, front_end.fft // 2 + 1
        turns = torch.arange(bins)[:, None] * torch.arange(points) * (2 * torch.pi / points)
        taper = torch.tensor(front_end.taper, dtype=torch.float32)
        self.register_buffer("kernels", (torch.cat([turns.cos(), turns.sin()]) * taper)[:, None])
        bank = torch.tensor(front_end.filter_bank, dtype=torch.float32)
        self.register_buffer("bank", bank)
        self.front_end, self.bins, self.network = front_end, bins, network

    def forward(self, waveform: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
        """Return logits of the waveforms (batch, samples) mixed with their partners."""
        margin = self.front_end.fft // 2
        padded = nn.functional.pad(waveform[:, None], (margin, margin), mode="reflect")
        spectrum = nn.functional.conv1d(padded, self.kernels, stride=self.front_end.hop)
        power = spectrum[:, : self.bins] ** 2 + spectrum[:, self.bins :] ** 2
        mel = power.transpose(1, 2) @ self.bank  # (batch, frames, bands)
        log_mel = 10 * torch.log10(mel.clamp(min=1e-10))[:, None]
        mixed = weight[:, None, None, None] * log_mel
        mixed = mixed + (1 - weight)[:, None, None, None] * log_mel[partner]
        return self.network(mixed)

    kernels: Tensor
    bank: Tensor


def load_clips(cache: Path) -> Clips:
    """Return ESC-10 without fold 1."""
    dataset = load_dataset("esc10")
    training, _ = dataset.split(1)
    up = PolyphaseResampler(RATE_HZ, HEARD_HZ)
    waveforms = [up.resample(read_clip(dataset.clips[i].path, RATE_HZ, WINDOW_S)) for i in training]
    features = {
        preset: torch.from_numpy(
            load_features(dataset, FrontEnd.preset(preset, RATE_HZ), WINDOW_S, cache)
        )[training]
        for preset in ("paper", "native")
    }
    targets = torch.tensor(dataset.targets())[training]
    return Clips(torch.from_numpy(np.stack(waveforms)), features, targets, len(dataset.labels))


def plain_epoch(clips: Clips, batches: int) -> Epoch:
    """Return what trains one epoch of the plain loop and gives its last loss."""
    front_end = FrontEnd.preset("paper", HEARD_HZ)
    torch.manual_seed(SEED)
    student = PlainStudent(front_end, build("mobilenet_v2", clips.classes, front_end)).train()
    optimizer = torch.optim.Adam(student.parameters())

    def run() -> float:
        loss = torch.zeros(())
        for rows in torch.randperm(len(clips.targets)).split(BATCH)[:batches]:
            partner, weight = torch.randperm(len(rows)), torch.rand(len(rows))
            logits = student(clips.waveforms[rows], partner, weight)
            own = nn.functional.one_hot(clips.targets[rows], clips.classes)
            mixed = weight[:, None] * own + (1 - weight)[:, None] * own[partner]
            loss = nn.functional.cross_entropy(logits, mixed)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


def cached_epoch(clips: Clips, preset: str, batches: int) -> Epoch:
    """Return what trains one epoch of our loop on cached features and gives its last loss."""
    front_end = FrontEnd.preset(preset, RATE_HZ)
    features = clips.features[preset]
    compute = Compute()
    torch.manual_seed(SEED)
    network = compute.place(build("mobilenet_v2", clips.classes, front_end)).train()
    optimizer = torch.optim.Adam(network.parameters())
    augmentation = Augmentation(mixup=1.0)
    fill = features.mean(dim=(0, 1))

    def run() -> float:
        draw = draw_epoch(augmentation, len(features), WINDOW_S, SEED, 0)
        loss = torch.zeros(())
        for start in range(0, len(features), BATCH)[:batches]:
            rows = draw.order[start : start + BATCH]
            inputs = augment(features, draw, rows, front_end.hop_s, fill)
            targets = mix_targets(clips.targets, draw, rows, clips.classes)
            loss = distillation_loss(compute.forward(network, inputs), None, targets, 1.0, 1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


def serve(arm: str, batches: int, cache: Path, orders: Connection) -> None:
    """Warm up, then run an epoch whenever told to, and answer with its seconds."""
    torch.set_num_threads(1)
    clips = load_clips(cache)
    run = plain_epoch(clips, batches) if arm == "plain" else cached_epoch(clips, ARMS[arm], batches)
    orders.send(run())
    while orders.recv():
        began = time.perf_counter()
        run()
        orders.send(round(time.perf_counter() - began, 3))


@contextmanager
def process(arm: str, batches: int, cache: Path) -> Iterator[Connection]:
    """Yield the line to a process that trains an arm, in that arm's environment."""
    for name in POLITE_AND_FAST:
        os.environ.pop(name, None)
    if arm != "plain":
        set_environment()
    ours, theirs = get_context("spawn").Pipe()
    child = get_context("spawn").Process(target=serve, args=(arm, batches, cache, theirs))
    child.start()
    try:
        yield ours
    finally:
        ours.send(False)
        child.join()


def main() -> None:
    """Time the arms in turns and write every sample."""
    parser = argparse.ArgumentParser(description="Time an epoch, cached against plain.")
    parser.add_argument("--out", type=Path, required=True, help="JSON of the results")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each arm, in turns")
    parser.add_argument("--batches", type=int, default=10, help="of 32 clips in an epoch")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options = parser.parse_args()
    load_clips(options.cache)  # fills the cache
    seconds: dict[str, list[float]] = {name: [] for name in ARMS}
    with ExitStack() as stack:
        lines = {
            name: stack.enter_context(process(name, options.batches, options.cache))
            for name in ARMS
        }
        for name, line in lines.items():
            print(f"{name}: warm-up, loss {line.recv():.3f}", flush=True)
        for number in range(options.rounds):
            for name, line in lines.items():
                line.send(True)
                seconds[name].append(line.recv())
            print(
                f"round {number + 1}: " + ", ".join(f"{n} {s[-1]} s" for n, s in seconds.items()),
                flush=True,
            )
    ratios = {
        name: [round(p / s, 3) for p, s in zip(seconds["plain"], own, strict=True)]
        for name, own in seconds.items()
        if name != "plain"
    }
    result = {
        "kind": "measured",
        "network": "mobilenet_v2",
        "dataset": "ESC-10 without fold 1",
        "batch": BATCH,
        "batches": options.batches,
        "threads": 1,
        "unit": "s",
        "seconds": seconds,
        "plain_over": ratios,
        "median_plain_over": {n: round(statistics.median(r), 2) for n, r in ratios.items()},
        "environment": {n: {} if n == "plain" else dict(POLITE_AND_FAST) for n in ARMS},
        "front_ends": {p: to_dict(FrontEnd.preset(p, RATE_HZ)) for p in ("paper", "native")},
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "system": platform.system(),
        },
    }
    write_text(options.out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["median_plain_over"]))


if __name__ == "__main__":
    main()
