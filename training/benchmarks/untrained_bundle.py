"""A bundle with fresh weights, to time: what a network costs doesn't depend on what it has learnt.

    python training/benchmarks/untrained_bundle.py --out runs/peers/mobilenet_v2-16khz
    kilohear bench-speed --peer-bundle runs/peers/mobilenet_v2-16khz

The network hears 5 s at 16 kHz through the front end that PANNs published it with and answers
AudioSet's 527 classes. The files come from the exporters that a trained student goes through, in
float32, with the front end in the graph; their gate compares them with torch on noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from kilohear.bundle import Training
from kilohear.frontend import FrontEnd
from kilohear_training.export.bundle import Request, export_bundle
from kilohear_training.networks import PANNS, build

RATE_HZ, WINDOW_S, CLASSES, SEED = 16_000, 5.0, 527, 0
CLIPS = 4
"""Clips of noise that the gate compares."""


def write_bundle(network: str, out: Path) -> None:
    """Export a PANNs network as it is before training, for ExecuTorch and ONNX Runtime."""
    torch.manual_seed(SEED)
    front_end = FrontEnd.preset("paper", RATE_HZ)
    noise = np.random.default_rng(SEED).standard_normal((CLIPS, round(WINDOW_S * RATE_HZ)))
    waveforms = (0.1 * noise).astype(np.float32)
    request = Request(
        name=f"{network}-16khz-untrained",
        version="1",
        network=network,
        labels=tuple(f"class {number}" for number in range(CLASSES)),
        front_end=front_end,
        training=Training(
            dataset="none",
            licence="none",
            clips=0,
            method="none",
            teacher="none",
            initial_weights="random",
            shipped_fit="untrained: to measure cost, it recognises nothing",
            seed=SEED,
            config={},
        ),
        scores=(),
        gate_clips_from="white noise",
        window_s=WINDOW_S,
        runtimes=("executorch", "onnx"),
        precisions=("float32",),
    )
    network_module = build(network, CLASSES, front_end, WINDOW_S)
    bundle = export_bundle(request, network_module, waveforms[:1], waveforms, out)
    for export in bundle.card.exports:
        print(f"{out / export.file}: {export.bytes / 1e6:.1f} MB", flush=True)


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description="Export an untrained network, to time it.")
    parser.add_argument("--network", choices=sorted(PANNS), default="mobilenet_v2")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    options = parser.parse_args()
    write_bundle(options.network, options.out)


if __name__ == "__main__":
    main()
