"""Networks by name: log-mel (batch, 1, frames, bands) in, logits (batch, classes) out."""

from __future__ import annotations

from torch import nn

from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.networks.mobilenet_v3 import MobileNetV3
from kilohear_training.networks.tiny import Tiny

NETWORKS = ("mobilenet_v3", "tiny")

_MOST_FRAMES_AT_STRIDE_2 = 160  # what keeps `tiny` under 10 MMAC for 5 s


def build(name: str, classes: int, front_end: FrontEnd, window_s: float = 5.0) -> nn.Module:
    """Return the network `name` for the features of `front_end`, with fresh weights.

    Raises
    ------
    ConfigError
        Where no network has that name.
    """
    if name == "tiny":
        frames = front_end.frames(round(window_s * front_end.rate_hz))
        stem_stride = (2, 2) if frames <= _MOST_FRAMES_AT_STRIDE_2 else (4, 2)
        return Tiny(classes, front_end.features, stem_stride)
    if name == "mobilenet_v3":
        return MobileNetV3(classes)
    raise ConfigError(f"network {name!r} is unknown; use one of {', '.join(NETWORKS)}")
