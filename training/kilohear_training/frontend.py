"""The same front end as `kilohear.FrontEnd`, as a torch module that trains, batches and exports.

The DFT is a strided convolution with fixed weights: no FFT operator, which phone runtimes lack.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kilohear.frontend import FrontEnd
from kilohear.polyphase import PolyphaseResampler


class TorchFrontEnd(nn.Module):
    """Log-mel features of a batch of waveforms.

    forward: (batch, samples) float32 at `rate_hz` -> (batch, 1, frames, features) float32.
    """

    dft: Tensor
    bank: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        # Samples are fed as blocks of `step`, which divides window and hop: a convolution over
        # few long steps with many channels is what matrix kernels do best.
        self.step = math.gcd(front_end.window, front_end.hop)
        self.register_buffer("dft", _dft_kernel(front_end, self.step), persistent=False)
        bank = torch.tensor(front_end.filter_bank.T.copy(), dtype=torch.float32)
        self.register_buffer("bank", bank, persistent=False)  # (live, bins)
        self.upsample = _Upsample(front_end) if front_end.upsample_to_hz else nn.Identity()

    def forward(self, waveform: Tensor) -> Tensor:
        """Return (batch, 1, frames, features)."""
        front_end = self.front_end
        samples = self.upsample(waveform)  # (batch, samples at analysis_hz)
        if front_end.centred:
            samples = _mirror_ends(samples, front_end.fft // 2)
            # The window is the middle of the fft points that a centred frame spans.
            lead = (front_end.fft - front_end.window) // 2
            samples = samples[
                :, lead : samples.shape[1] - (front_end.fft - front_end.window - lead)
            ]
        blocks = samples.shape[1] // self.step
        stacked = samples[:, : blocks * self.step].reshape(-1, 1, blocks, self.step)
        stacked = stacked.permute(0, 3, 1, 2)  # (batch, step, 1, blocks)
        spectrum = F.conv2d(stacked, self.dft, stride=(1, front_end.hop // self.step))
        real, imaginary = spectrum.chunk(2, dim=1)  # each (batch, bins, 1, frames)
        power = real * real + imaginary * imaginary
        mel = F.conv2d(power, self.bank[:, :, None, None])  # (batch, live, 1, frames)
        mel = mel.permute(0, 2, 3, 1)  # (batch, 1, frames, live)
        features = self._compress(mel)
        offset, divisor = front_end.normalisation
        if front_end.features > front_end.live_bands:
            floor = front_end.floor_db if front_end.compression == "db" else _ln_floor(front_end)
            features = F.pad(features, (0, front_end.bands - front_end.live_bands), value=floor)
        if (offset, divisor) != (0.0, 1.0):
            features = (features + offset) / divisor
        return features

    def _compress(self, mel: Tensor) -> Tensor:
        floor = self.front_end.floor_power
        if self.front_end.compression == "db":
            # log, not log10: phone delegates know only the natural logarithm.
            return torch.log(mel.clamp(min=floor)) * (10.0 / math.log(10.0))
        return torch.log(mel + floor)


class _Upsample(nn.Module):
    """The SDK's polyphase up-sampler on whole clips: one convolution, a channel per phase."""

    phases: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        factor, rest = divmod(front_end.analysis_hz, front_end.rate_hz)
        if rest:
            raise ValueError(
                f"rate_hz {front_end.rate_hz} doesn't divide {front_end.analysis_hz}; "
                "the torch front end up-samples by whole factors"
            )
        resampler = PolyphaseResampler(front_end.rate_hz, front_end.analysis_hz)
        kernel, lead = resampler.whole_factor_kernel()
        self.factor, self.lead = factor, lead
        self.register_buffer("phases", torch.tensor(kernel)[:, None, :], persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        taps = self.phases.shape[2]
        padded = F.pad(waveform, (self.lead, taps - 1 - self.lead))
        phases = F.conv1d(padded[:, None, :], self.phases)  # (batch, factor, samples)
        return phases.transpose(1, 2).reshape(waveform.shape[0], -1)


def _mirror_ends(samples: Tensor, margin: int) -> Tensor:
    """Reflect `margin` samples at both ends, by matrix products: an index isn't delegated."""
    flip = torch.eye(margin, dtype=samples.dtype, device=samples.device).flip(0)
    head = samples[:, 1 : margin + 1] @ flip
    tail = samples[:, samples.shape[1] - margin - 1 : samples.shape[1] - 1] @ flip
    return torch.cat([head, samples, tail], dim=1)


def _dft_kernel(front_end: FrontEnd, step: int) -> Tensor:
    """Windowed DFT of the frame as convolution weights, (2 * bins, step, 1, window / step)."""
    bins = front_end.fft // 2 + 1
    n = np.arange(front_end.window)
    angle = 2 * np.pi * np.outer(np.arange(bins), n) / front_end.fft
    kernel = np.concatenate([np.cos(angle), np.sin(angle)]) * front_end.taper
    kernel = kernel.reshape(2 * bins, front_end.window // step, step).transpose(0, 2, 1)
    return torch.tensor(kernel[:, :, None, :].copy(), dtype=torch.float32)


def _ln_floor(front_end: FrontEnd) -> float:
    return math.log(front_end.floor_power)
