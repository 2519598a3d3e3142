"""MobileNetV2 of PANNs (Kong et al. 2020): 4.1 M parameters with AudioSet's 527 classes.

Layer names follow the published state dict, so that it loads strictly. It strides by average
pooling, not by skipping, and once more and earlier than Sandler et al. 2018.
"""

from __future__ import annotations

from torch import Tensor, nn

from kilohear_training.networks.layers import AudioSetHead, BandNorm, init_xavier

# (expansion, channels, blocks, stride of the first)
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 2),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)


class MobileNetV2(AudioSetHead):
    """Inverted residuals between a stem and a 1x1 convolution to 1280 channels.

    forward: log-mel (batch, 1, frames, bands) -> logits (batch, classes); 32 frames and 32 bands
    at least.
    """

    def __init__(self, classes: int, bands: int) -> None:
        super().__init__(1280, 1024, classes)
        self.bn0 = BandNorm(bands)
        channels = 32
        layers: list[nn.Module] = [nn.Sequential(*_strided(1, channels, 2))]
        for expansion, out, blocks, stride in BLOCKS:
            for number in range(blocks):
                first_stride = stride if number == 0 else 1
                layers.append(InvertedResidual(channels, out, first_stride, expansion))
                channels = out
        layers.append(nn.Sequential(*_pointwise(channels, 1280)))
        self.features = nn.Sequential(*layers)
        init_xavier(self)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.head(self.features(self.bn0(log_mel)))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; a short cut where it fits.

    forward: (batch, channels, frames, bands) -> (batch, out, frames / stride, bands / stride).
    """

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.conv = nn.Sequential(
            *(_pointwise(channels, hidden) if expansion > 1 else []),
            *_strided(hidden, hidden, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.has_short_cut = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        """Return the projected maps."""
        out = self.conv(maps)
        return out + maps if self.has_short_cut else out


def _strided(channels: int, out: int, stride: int, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out, 3, padding=1, groups=groups, bias=False),
        # The published layer is there at stride 1 too, where it copies what it gets.
        nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    ]


def _pointwise(channels: int, out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    ]
