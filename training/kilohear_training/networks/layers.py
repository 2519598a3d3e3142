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


class ConvNormPairs(nn.Module):
    """A module whose children `conv1`, `bn1`, `conv2`... are called in pairs, norm after conv.

    Export may fold each pair into one convolution.
    """


class ConvBlock(ConvNormPairs):
    """Two 3x3 convolutions with batch norm and ReLU, then average pooling (PANNs).

    forward: (batch, channels_in, frames, bands) -> (batch, channels_out, frames / pool,
    bands / pool).
    """

    def __init__(self, channels_in: int, channels_out: int, pool: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """Return the pooled maps."""
        maps = F.relu(self.bn1(self.conv1(maps)))
        maps = F.relu(self.bn2(self.conv2(maps)))
        return maps if self.pool == 1 else F.avg_pool2d(maps, self.pool)


class AudioSetHead(nn.Module):
    """What PANNs do with their maps: pooling, a hidden layer, the last layer.

    A base class, so that the layers keep their published names, `fc1` and `fc_audioset`.
    """

    def __init__(self, channels: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc_audioset = nn.Linear(hidden, classes)

    def head(self, maps: Tensor) -> Tensor:
        """Return logits (batch, classes) of maps (batch, channels, frames, bands)."""
        pooled = F.dropout(pool_bands_and_time(maps), 0.5, self.training)
        hidden = F.relu(self.fc1(pooled))
        return self.fc_audioset(F.dropout(hidden, 0.5, self.training))


def init_xavier(network: nn.Module) -> None:
    """Draw first weights as PANNs do: Xavier, uniform; biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
