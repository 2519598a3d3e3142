"""CNN14 of PANNs (Kong et al. 2020): 80.8 M parameters with AudioSet's 527 classes.

Layer names follow the published state dict, so that it loads strictly.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from kilohear_training.networks.layers import AudioSetHead, BandNorm, ConvBlock, init_xavier

CHANNELS = (64, 128, 256, 512, 1024, 2048)


class Cnn14(AudioSetHead):
    """Six blocks of two convolutions, halving frames and bands after each but the last.

    forward: log-mel (batch, 1, frames, bands) -> logits (batch, classes); 32 frames and 32 bands
    at least.
    """

    def __init__(self, classes: int, bands: int) -> None:
        super().__init__(CHANNELS[-1], 2048, classes)
        self.bn0 = BandNorm(bands)
        before = 1
        for number, channels in enumerate(CHANNELS, start=1):
            pool = 1 if channels == CHANNELS[-1] else 2
            self.add_module(f"conv_block{number}", ConvBlock(before, channels, pool))
            before = channels
        init_xavier(self)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        maps = self.bn0(log_mel)
        for block in self.children():
            if isinstance(block, ConvBlock):
                maps = F.dropout(block(maps), 0.2, self.training)
        return self.head(maps)
