"""The same front end as `kilohear.FrontEnd`, as a torch module that trains, batches and exports.

The DFT is a strided convolution with fixed weights: no FFT operator, which phone runtimes lack.
"""

from __future__ import annotations

import functools
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

    cosine: Tensor
    sine: Tensor
    bank: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        # Samples are fed as blocks of `step`, which divides window and hop: a convolution over
        # few long steps with many channels is what matrix kernels do best.
        self.step = math.gcd(front_end.window, front_end.hop)
        # Constants keep the shape they are used in: phone delegates take no computed weights.
        cosine, sine = _dft_kernels(front_end, self.step)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        bank = torch.tensor(front_end.filter_bank.T.copy(), dtype=torch.float32)
        bank = bank.view(*bank.shape, 1, 1)  # (live, bins, 1, 1)
        self.register_buffer("bank", bank, persistent=False)
        self.mirror = _MirrorEnds(front_end.fft // 2) if front_end.centred else nn.Identity()
        self.upsample = _Upsample(front_end) if front_end.upsample_to_hz else nn.Identity()

    def forward(self, waveform: Tensor) -> Tensor:
        """Return (batch, 1, frames, features)."""
        front_end = self.front_end
        samples = self.upsample(waveform)  # (batch, samples at analysis_hz)
        if front_end.centred:
            samples = self.mirror(samples)
            # The window is the middle of the fft points that a centred frame spans.
            spare = front_end.fft - front_end.window
            if spare:
                samples = samples[:, spare // 2 : samples.shape[1] - (spare - spare // 2)]
        blocks = samples.shape[1] // self.step
        if samples.shape[1] > blocks * self.step:
            samples = samples[:, : blocks * self.step]
        stacked = samples.reshape(-1, 1, blocks, self.step)
        stacked = stacked.permute(0, 3, 1, 2)  # (batch, step, 1, blocks)
        stride = (1, front_end.hop // self.step)
        real = F.conv2d(stacked, self.cosine, stride=stride)  # (batch, bins, 1, frames)
        imaginary = F.conv2d(stacked, self.sine, stride=stride)
        power = real * real + imaginary * imaginary
        mel = F.conv2d(power, self.bank)  # (batch, live, 1, frames)
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
        phases = torch.tensor(kernel).view(factor, 1, 1, -1)
        self.register_buffer("phases", phases, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        taps = self.phases.shape[3]
        padded = F.pad(waveform, (self.lead, taps - 1 - self.lead))
        padded = padded.reshape(waveform.shape[0], 1, 1, -1)
        phases = F.conv2d(padded, self.phases)  # (batch, factor, 1, samples)
        return phases.permute(0, 2, 3, 1).reshape(waveform.shape[0], -1)


class _MirrorEnds(nn.Module):
    """Reflect `margin` samples at both ends, by matrix products: an index isn't delegated."""

    flip: Tensor

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.register_buffer("flip", torch.eye(margin).flip(0), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        margin, length = self.flip.shape[0], samples.shape[1]
        head = samples[:, 1 : margin + 1] @ self.flip
        tail = samples[:, length - margin - 1 : length - 1] @ self.flip
        return torch.cat([head, samples, tail], dim=1)


def _dft_kernels(front_end: FrontEnd, step: int) -> tuple[Tensor, Tensor]:
    """Windowed DFT of the frame as convolution weights, each (bins, step, 1, window / step)."""
    bins = front_end.fft // 2 + 1
    n = np.arange(front_end.window)
    angle = 2 * np.pi * np.outer(np.arange(bins), n) / front_end.fft
    shape = (bins, front_end.window // step, step)
    cosine, sine = (
        (wave(angle) * front_end.taper).reshape(shape).transpose(0, 2, 1)[:, :, None, :]
        for wave in (np.cos, np.sin)
    )
    as_tensor = functools.partial(torch.tensor, dtype=torch.float32)
    return as_tensor(cosine.copy()), as_tensor(sine.copy())


def _ln_floor(front_end: FrontEnd) -> float:
    return math.log(front_end.floor_power)
