"""A bundle with fresh weights, to time: what a network costs doesn't depend on what it has learnt.

    python training/benchmarks/untrained_bundle.py --out runs/peers/mobilenet_v2-16khz
    kilohear bench-speed --peer-bundle runs/peers/mobilenet_v2-16khz

A network of PANNs hears 5 s at 16 kHz through the front end that it was published with and answers
AudioSet's 527 classes. The files come from the exporters that a trained student goes through, in
float32, with the front end in the graph; their gate compares them with torch on noise.

With `--board` it is a `tiny` of 10 classes for the Apollo3, on the paper's features: its 64 bands
every 10 ms at 16 kHz, at a lower rate those that the rate can hold.

    python training/benchmarks/untrained_bundle.py --board 1000 --out runs/peers/paper-1khz
    kilohear bench --device apollo3-simulator --rate 1000 --bundle runs/peers/paper-1khz
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch

from kilohear.bundle import Precision, Runtime, Training
from kilohear.frontend import FrontEnd
from kilohear_training.export.bundle import Request, export_bundle
from kilohear_training.export.parity import Gate, Limits
from kilohear_training.networks import PANNS, build

RATE_HZ, WINDOW_S, CLASSES, BOARD_CLASSES, SEED = 16_000, 5.0, 527, 10, 0
Files = tuple[tuple[Runtime, ...], Precision]

CLIPS = 4
"""Clips of noise that the gate compares."""


def for_phones(network: str, out: Path) -> None:
    """Export a PANNs network as it is before training, for ExecuTorch and ONNX Runtime."""
    front_end = FrontEnd.preset("paper", RATE_HZ)
    files: Files = (("executorch", "onnx"), "float32")
    _write(network, front_end, CLASSES, f"{network}-16khz", files, Gate(), out)


def for_board(rate_hz: int, out: Path) -> None:
    """Export a `tiny` as it is before training on the paper's features, for the board."""
    # The board knows no frames that reach past a clip's ends; they would cost the same.
    front_end = dataclasses.replace(FrontEnd.preset("cropped", rate_hz), centred=False)
    gate = Gate(int8=Limits(0.0, 1.0, 1.0))  # fresh weights rank the classes by chance
    name = f"tiny-cropped-{rate_hz // 1000}khz"
    _write("tiny", front_end, BOARD_CLASSES, name, (("c",), "int8"), gate, out)


def _write(
    network: str,
    front_end: FrontEnd,
    classes: int,
    name: str,
    files: Files,
    gate: Gate,
    out: Path,
) -> None:
    torch.manual_seed(SEED)
    samples = round(WINDOW_S * front_end.rate_hz)
    noise = np.random.default_rng(SEED).standard_normal((CLIPS, samples))
    waveforms = (0.1 * noise).astype(np.float32)
    request = Request(
        name=f"{name}-untrained",
        version="1",
        network=network,
        labels=tuple(f"class {number}" for number in range(classes)),
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
        runtimes=files[0],
        precisions=(files[1],),
        gate=gate,
    )
    network_module = build(network, classes, front_end, WINDOW_S)
    bundle = export_bundle(request, network_module, waveforms[:1], waveforms, out)
    for export in bundle.card.exports:
        print(f"{out / export.file}: {export.bytes / 1e6:.1f} MB", flush=True)


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description="Export an untrained network, to time it.")
    parser.add_argument("--network", choices=sorted(PANNS), default="mobilenet_v2")
    parser.add_argument("--board", type=int, metavar="HZ", help="for the board, at this rate")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    options = parser.parse_args()
    if options.board:
        for_board(options.board, options.out)
    else:
        for_phones(options.network, options.out)


if __name__ == "__main__":
    main()
