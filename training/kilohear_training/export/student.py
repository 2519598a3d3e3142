"""The student as it is exported: waveform in, probabilities out, the front end inside."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kilohear.frontend import FrontEnd
from kilohear_training.counting import count_macs
from kilohear_training.frontend import TorchFrontEnd
from kilohear_training.networks.layers import BandNorm, ConvNormPairs

INPUT, OUTPUT = "waveform", "probabilities"
"""Names of the exported graphs' input and output."""


class WaveformStudent(nn.Module):
    """A front end and a trained network, frozen for export.

    Batch norms are folded into the convolutions before them and band norms into constants, so
    that no runtime has to find this out, and integers are calibrated on what is executed.

    forward: waveform (batch, samples) float32 -> probabilities (batch, classes) float32.

    Parameters
    ----------
    front_end
        What the network was trained on.
    network
        Log-mel (batch, 1, frames, bands) to logits (batch, classes). It is copied; the caller's
        stays as it is.
    """

    def __init__(self, front_end: FrontEnd, network: nn.Module) -> None:
        super().__init__()
        self.front_end = TorchFrontEnd(front_end)
        self.network = _folded(copy.deepcopy(network).cpu().eval())
        self.feeds_float16 = False
        self.eval().requires_grad_(False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return probabilities (batch, classes)."""
        features = self.front_end(waveform)
        if self.feeds_float16:
            features = features.half()
        return self.network(features).float().softmax(dim=1)

    def in_float16(self) -> WaveformStudent:
        """Return a copy whose network computes in float16.

        The front end and the band norm stay float32: levels of -100 dB would be rounded to 0.06 dB,
        and a quiet clip's DFT falls under the smallest number.
        """
        copied = copy.deepcopy(self)
        copied.network.half()
        norms = [m for m in copied.network.modules() if isinstance(m, BandAffine)]
        for norm in norms:
            norm.float()
            norm.gives_float16 = True
        copied.feeds_float16 = not norms
        return copied


class BandAffine(nn.Module):
    """A band norm whose statistics no longer move: scale and shift as constants."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: BandNorm) -> None:
        super().__init__()
        scale, shift = (value.detach() for value in norm.scale_and_shift())
        self.gives_float16 = False
        # `view` of a clone and not `[None]`: runtimes refuse constants with a stride of 0.
        self.register_buffer("scale", scale.clone().view(1, 1, 1, -1))
        self.register_buffer("shift", shift.clone().view(1, 1, 1, -1))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return (batch, 1, frames, bands)."""
        normalised = log_mel * self.scale + self.shift
        return normalised.half() if self.gives_float16 else normalised


def count_student_macs(student: WaveformStudent, waveform: Tensor) -> tuple[int, int]:
    """Return the multiply-accumulates of network and front end for a `waveform` (1, samples).

    Those of the front end follow from its constants (DFT and mel bank a frame, the up-sampling
    filter a sample); squares and logarithms aren't counted.
    """
    with torch.no_grad():
        features = student.front_end(waveform)  # (1, 1, frames, features)
    constants = dict(student.front_end.named_buffers())
    frames = int(features.shape[2])
    macs_front_end = frames * sum(constants[name].numel() for name in ("cosine", "sine", "bank"))
    if "upsample.phases" in constants:
        macs_front_end += int(waveform.shape[1]) * constants["upsample.phases"].numel()
    return count_macs(student.network, features), macs_front_end


def _folded(module: nn.Module) -> nn.Module:
    names = [name for name, _ in module.named_children()]
    in_order = isinstance(module, nn.Sequential | ConvNormPairs)
    for position, name in enumerate(names):
        child = getattr(module, name)
        following = names[position + 1 :]
        # A mean over patches and a scale and shift per channel may change places.
        if following and isinstance(getattr(module, following[0]), nn.AvgPool2d | nn.Identity):
            following = following[1:]
        norm = getattr(module, following[0]) if following else None
        if isinstance(child, BandNorm):
            setattr(module, name, BandAffine(child))
        elif in_order and isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, norm))
            setattr(module, following[0], nn.Identity())
        else:
            _folded(child)
    return module
