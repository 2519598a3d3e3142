"""Layers that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BandNorm(nn.BatchNorm1d):
    """Batch normalisation with a mean and a variance for each mel band (bn0 of PANNs).

    forward: (batch, 1, frames, bands) -> the same shape.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over batch and frames."""
        if not self.training:
            scale, shift = self.scale_and_shift()
            return input * scale + shift
        batch, one, frames, bands = input.shape
        return super().forward(input.reshape(-1, bands)).reshape(batch, one, frames, bands)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the scale and shift (bands,) that evaluation applies."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


def pool_bands_and_time(maps: Tensor) -> Tensor:
    """Mean over bands, then maximum plus mean over time (PANNs): (b, c, t, f) -> (b, c).

    Written as pooling with explicit sizes: phone delegates take those, but not reductions.
    """
    frames, bands = int(maps.shape[2]), int(maps.shape[3])
    over_bands = F.avg_pool2d(maps, (1, bands), stride=1)  # (batch, channels, frames, 1)
    loudest = F.max_pool2d(over_bands, (frames, 1), stride=1)
    average = F.avg_pool2d(over_bands, (frames, 1), stride=1)
    return (loudest + average).flatten(1)
