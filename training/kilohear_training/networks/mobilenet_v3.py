"""MobileNetV3 as EfficientAT trained it on AudioSet (mn04: width 0.4).

Layer names follow the published state dict, so that it loads strictly.
Source: Howard et al. 2019 (MobileNetV3-Large, Table 1); Schmid et al. 2023 (EfficientAT).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# kernel, expanded, out, squeeze-excitation, hard swish, stride (MobileNetV3-Large at width 1)
_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
_WIDTH = 0.4
_HEAD = 1280


class MobileNetV3(nn.Module):
    """mn04: 983,599 parameters with AudioSet's 527 classes.

    forward: log-mel (batch, 1, frames, bands) -> logits (batch, classes). Any number of bands
    from 8 up; the published weights saw 128.
    """

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        channels = _scaled(16)
        layers: list[nn.Module] = [_conv(1, channels, 3, 2, activation=nn.Hardswish)]
        for kernel, expanded, out, excite, hard_swish, stride in _BLOCKS:
            block = InvertedResidual(
                channels, kernel, _scaled(expanded), _scaled(out), excite, hard_swish, stride
            )
            layers.append(block)
            channels = _scaled(out)
        layers.append(_conv(channels, 6 * channels, 1, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        hidden = _scaled(_HEAD)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
            nn.Linear(6 * channels, hidden),
            nn.Hardswish(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        # The published weights hold bands before frames.
        return self.classifier(self.features(log_mel.transpose(2, 3)))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze-excitation, projection; a short cut if it fits."""

    def __init__(
        self,
        channels: int,
        kernel: int,
        expanded: int,
        out: int,
        excite: bool,
        hard_swish: bool,
        stride: int,
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != channels:
            layers.append(_conv(channels, expanded, 1, 1, activation=activation))
        layers.append(_conv(expanded, expanded, kernel, stride, expanded, activation))
        if excite:
            layers.append(SqueezeExcitation(expanded))
        layers.append(_conv(expanded, out, 1, 1, activation=None))
        self.block = nn.Sequential(*layers)
        self.has_short_cut = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, out, bands / stride, frames / stride)."""
        out = self.block(maps)
        return out + maps if self.has_short_cut else out


class SqueezeExcitation(nn.Module):
    """Scale channels by a gate computed from their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _divisible(channels // 4)
        gate = nn.ModuleDict(
            {"fc1": nn.Linear(channels, squeezed), "fc2": nn.Linear(squeezed, channels)}
        )
        self.conc_se_layers = nn.ModuleList([gate])  # the published name

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        gate = cast(nn.ModuleDict, self.conc_se_layers[0])
        means = F.avg_pool2d(maps, (int(maps.shape[2]), int(maps.shape[3]))).flatten(1)
        scale = torch.sigmoid(gate["fc2"](F.relu(gate["fc1"](means))))
        return maps * scale[:, :, None, None]


def _conv(
    channels: int,
    out: int,
    kernel: int,
    stride: int,
    groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def _divisible(value: float) -> int:
    """Round to a multiple of 8, never below 90% of `value` (the MobileNet papers' rule)."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _scaled(channels: int) -> int:
    return _divisible(channels * _WIDTH)
