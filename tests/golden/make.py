"""Make the golden vectors: a synthetic waveform and its log-mel by the definition, in float64.

Written apart from the package on purpose: plain sums instead of FFTs, so that the vectors check
the package and not the other way round. Run it only when the definition itself changes:

    python tests/golden/make.py
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from kilohear.frontend import FrontEnd

CASES = (("cropped", 1_000), ("cropped", 2_000), ("native", 1_000), ("native", 2_000))
SECONDS = 0.75


def waveform(rate_hz: int) -> np.ndarray:
    """Return a chirp over noise that falls away: loud, quiet and tonal parts in one clip."""
    random = np.random.default_rng(7)
    t = np.arange(round(SECONDS * rate_hz)) / rate_hz
    chirp = 0.5 * np.sin(2 * np.pi * (40 + 0.25 * rate_hz * t) * t)
    noise = 0.05 * random.standard_normal(len(t))
    return ((chirp + noise) * np.exp(-4 * t)).astype(np.float32)


def log_mel(x: np.ndarray, f: FrontEnd) -> np.ndarray:
    """Return the log-mel by definition: mirror, window, DFT as a sum, triangles, logarithm."""
    x = x.astype(np.float64)
    size, hop = round(f.window_s * f.rate_hz), round(f.hop_s * f.rate_hz)
    if f.centred:
        margin = f.fft // 2
        x = np.concatenate([x[margin:0:-1], x, x[-2 : -margin - 2 : -1]])
    hann = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)])
    bins = np.arange(f.fft // 2 + 1)
    turns = np.exp(-2j * np.pi * np.outer(bins, np.arange(size)) / f.fft)
    edges = slaney_edges(f)
    rows = []
    span = f.fft if f.centred else size
    for start in range(0, len(x) - span + 1, hop):
        lead = (span - size) // 2
        power = np.abs(turns @ (x[start + lead : start + lead + size] * hann)) ** 2
        bands = []
        for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            if left >= f.rate_hz / 2:
                continue
            hz = bins * f.rate_hz / f.fft
            triangle = np.clip(
                np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)), 0, None
            )
            bands.append(2 / (right - left) * (triangle @ power))
        level = (f.reference_hz / f.rate_hz) ** 2
        rows.append(10 * np.log10(np.maximum(np.array(bands) * level, 10 ** (f.floor_db / 10))))
    return np.array(rows)


def slaney_edges(f: FrontEnd) -> list[float]:
    """Return the band edges in Hz on Slaney's scale."""

    def mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    def hertz(m: float) -> float:
        return m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27)

    return [hertz(m) for m in np.linspace(mel(f.low_hz), mel(f.high_hz), f.bands + 2)]


def main() -> None:
    """Write one JSON file a case beside this script."""
    for preset, rate_hz in CASES:
        front_end = FrontEnd.preset(preset, rate_hz)
        x = waveform(rate_hz)
        golden = {
            "front_end": dataclasses.asdict(front_end),
            "waveform": [float(v) for v in x],
            "log_mel": np.round(log_mel(x, front_end), 5).tolist(),
        }
        path = Path(__file__).with_name(f"{preset}_{rate_hz}hz.json")
        path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
