"""ResNet38 of PANNs (Kong et al. 2020): 73.8 M parameters with AudioSet's 527 classes.

Layer names follow the published state dict, so that it loads strictly.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from kilohear_training.networks.layers import (
    AudioSetHead,
    BandNorm,
    ConvBlock,
    ConvNormPairs,
    init_xavier,
)

# (channels, blocks, stride) of the four layers, as in ResNet34.
LAYERS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


class ResNet38(AudioSetHead):
    """Two convolutions, 16 basic blocks, two convolutions.

    forward: log-mel (batch, 1, frames, bands) -> logits (batch, classes); 32 frames and 32 bands
    at least.
    """

    def __init__(self, classes: int, bands: int) -> None:
        super().__init__(2048, 2048, classes)
        self.bn0 = BandNorm(bands)
        self.conv_block1 = ConvBlock(1, 64)
        self.resnet = nn.Sequential()
        before = 64
        for number, (channels, blocks, stride) in enumerate(LAYERS, start=1):
            layer = nn.Sequential(BasicBlock(before, channels, stride))
            layer.extend(BasicBlock(channels, channels, 1) for _ in range(blocks - 1))
            self.resnet.add_module(f"layer{number}", layer)
            before = channels
        self.conv_block_after1 = ConvBlock(before, 2048, pool=1)
        init_xavier(self)
        for block in self.modules():
            if isinstance(block, BasicBlock):  # each block begins as its short cut
                nn.init.zeros_(block.bn2.weight)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        maps = F.dropout(self.conv_block1(self.bn0(log_mel)), 0.2, self.training)
        maps = F.dropout(F.avg_pool2d(self.resnet(maps), 2), 0.2, self.training)
        return self.head(F.dropout(self.conv_block_after1(maps), 0.2, self.training))


class BasicBlock(ConvNormPairs):
    """Two 3x3 convolutions beside a short cut; strides by average pooling.

    forward: (batch, channels_in, frames, bands) -> (batch, channels_out, frames / stride,
    bands / stride).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride = stride
        self.downsample = nn.Sequential()
        if stride > 1 or channels_in != channels_out:
            pool = [nn.AvgPool2d(stride)] if stride > 1 else []
            conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            self.downsample = nn.Sequential(*pool, conv, nn.BatchNorm2d(channels_out))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps behind the sum."""
        out = maps if self.stride == 1 else F.avg_pool2d(maps, self.stride)
        out = F.dropout(F.relu(self.bn1(self.conv1(out))), 0.1, self.training)
        return F.relu(self.bn2(self.conv2(out)) + self.downsample(maps))
