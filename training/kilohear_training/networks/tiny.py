"""`tiny`: a depthwise-separable student for phones and the board."""

from __future__ import annotations

from torch import Tensor, nn

from kilohear_training.networks.layers import BandNorm, pool_bands_and_time

# (channels out, stride over time and bands) of the depthwise-separable blocks.
BLOCKS = ((24, 1), (40, 2), (48, 1), (80, 2), (96, 1), (128, 1), (128, 1))


class Tiny(nn.Module):
    """At most 250,000 parameters and 10 MMAC for 5 s; any number of bands.

    forward: log-mel (batch, 1, frames, bands) -> logits (batch, classes).

    Parameters
    ----------
    classes, bands
        Sizes of the output and of a feature frame.
    stem_stride
        Stride over (frames, bands) of the first convolution.
    dropout
        Before the last layer, in training.
    """

    def __init__(
        self,
        classes: int,
        bands: int,
        stem_stride: tuple[int, int] = (2, 2),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.norm = BandNorm(bands)
        channels = 16
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels, 3, stem_stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        for out, stride in BLOCKS:
            blocks.append(SeparableBlock(channels, out, stride))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, classes)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        maps = self.blocks(self.stem(self.norm(log_mel)))
        return self.head(self.dropout(pool_bands_and_time(maps)))


class SeparableBlock(nn.Module):
    """Depthwise 3x3, pointwise 1x1, each with batch norm and ReLU; a short cut where it fits."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
        )
        self.pointwise = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
        )
        self.activation = nn.ReLU()
        self.has_short_cut = stride == 1 and channels_in == channels_out

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, channels_out, frames / stride, bands / stride)."""
        out = self.pointwise(self.depthwise(maps))
        return self.activation(out + maps if self.has_short_cut else out)
