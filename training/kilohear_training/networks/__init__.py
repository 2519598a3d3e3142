"""Networks by name: log-mel (batch, 1, frames, bands) in, logits (batch, classes) out."""

from __future__ import annotations

from torch import nn

from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.networks.cnn14 import Cnn14
from kilohear_training.networks.mobilenet_v2 import MobileNetV2
from kilohear_training.networks.mobilenet_v3 import MobileNetV3
from kilohear_training.networks.resnet38 import ResNet38
from kilohear_training.networks.tiny import Tiny

PANNS = {"cnn14": Cnn14, "resnet38": ResNet38, "mobilenet_v2": MobileNetV2}
NETWORKS = (*PANNS, "mobilenet_v3", "tiny")

_MOST_FRAMES_AT_STRIDE_2 = 160  # what keeps `tiny` under 10 MMAC for 5 s
_PANNS_HALVINGS = 5


def build(name: str, classes: int, front_end: FrontEnd, window_s: float = 5.0) -> nn.Module:
    """Return the network `name` for the features of `front_end`, with fresh weights.

    Raises
    ------
    ConfigError
        Where no network has that name, or the features are too few for it.
    """
    frames = front_end.frames(round(window_s * front_end.rate_hz))
    if name == "tiny":
        stem_stride = (2, 2) if frames <= _MOST_FRAMES_AT_STRIDE_2 else (4, 2)
        return Tiny(classes, front_end.features, stem_stride)
    if name == "mobilenet_v3":
        return MobileNetV3(classes)
    if name in PANNS:
        least = 2**_PANNS_HALVINGS
        if min(frames, front_end.features) < least:
            raise ConfigError(
                f"network {name!r} halves its input {_PANNS_HALVINGS} times and needs {least} "
                f"frames and bands; {window_s} s through this front end are {frames} frames of "
                f"{front_end.features} bands: use preset 'paper' or 'native'"
            )
        return PANNS[name](classes, front_end.features)
    raise ConfigError(f"network {name!r} is unknown; use one of {', '.join(NETWORKS)}")
