"""Checkpoints: where the published ones are, what they must hash to, and strict loading."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kilohear.errors import ConfigError, DataError
from kilohear.files import data_root, sha256_of

HEADS = {
    "cnn14": ("fc_audioset.weight", "fc_audioset.bias"),
    "resnet38": ("fc_audioset.weight", "fc_audioset.bias"),
    "mobilenet_v2": ("fc_audioset.weight", "fc_audioset.bias"),
    "mobilenet_v3": ("classifier.5.weight", "classifier.5.bias"),
    "tiny": ("head.weight", "head.bias"),
}
"""The keys of each network's last layer, which the number of classes sets."""

_PANNS_FRONT_END = (
    "spectrogram_extractor.stft.conv_real.weight",
    "spectrogram_extractor.stft.conv_imag.weight",
    "logmel_extractor.melW",
)
_ZENODO = "https://zenodo.org/records/3987831/files"


@dataclasses.dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes
    ----------
    file
        Its place in the data folder.
    url, checksum
        Where it comes from, and `sha256:...` or `md5:...`; None where its authors give none that
        could be looked up: strict loading is then the only check.
    dropped
        Keys beside the last layer's that aren't taken over: front ends of its own.
    """

    file: str
    url: str
    checksum: str | None
    dropped: tuple[str, ...] = ()


PUBLISHED = {
    # PANNs. The 16 kHz checkpoint is public for CNN14 alone; the two others learnt AudioSet at
    # 32 kHz, over mel bands of 50 to 14,000 Hz. Preset `paper` feeds them the 16 kHz front end
    # instead, `panns32` the one they know.
    "cnn14": Published(
        file="panns/Cnn14_16k_mAP=0.438.pth",
        url=f"{_ZENODO}/Cnn14_16k_mAP%3D0.438.pth?download=1",
        checksum=None,
        dropped=_PANNS_FRONT_END,
    ),
    "resnet38": Published(
        file="panns/ResNet38_mAP=0.434.pth",
        url=f"{_ZENODO}/ResNet38_mAP%3D0.434.pth?download=1",
        checksum="md5:bf12f36aaabac4e0855e22d3c3239c1b",
        dropped=_PANNS_FRONT_END,
    ),
    "mobilenet_v2": Published(
        file="panns/MobileNetV2_mAP=0.383.pth",
        url=f"{_ZENODO}/MobileNetV2_mAP%3D0.383.pth?download=1",
        checksum=None,
        dropped=_PANNS_FRONT_END,
    ),
    "mobilenet_v3": Published(
        file="mn04/mn04_as_mAP_432.pt",
        url="https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
        checksum="sha256:899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    ),
}


def load_initial(
    network: nn.Module, name: str, initial: str, sha256: str | None = None
) -> tuple[str, ...]:
    """Load first weights into the network `name`, strictly; gives the keys that were dropped.

    Parameters
    ----------
    initial
        `audioset`: what is published for the network, without its last layer. Else the path of a
        checkpoint: a state dict, PANNs' `{"model": state dict}`, or a run's `weights.pt`; its last
        layer is taken over where it has as many classes.
    sha256
        What that file must hash to; None: anything.

    Raises
    ------
    ConfigError
        Where nothing is published, or a key is missing, left over or of another shape.
    DataError
        Where the file isn't there, can't be read, or has another checksum.
    """
    if initial == "audioset":
        if name not in PUBLISHED:
            raise ConfigError(
                f"no AudioSet weights are published for {name!r}; "
                f"they are for {', '.join(PUBLISHED)}: start from 'none' or a file"
            )
        path = fetch(PUBLISHED[name])
    else:
        path = Path(initial)
        if not path.is_file():
            raise DataError(f"{path}: no such checkpoint; give 'none', 'audioset' or a file")
        if sha256 is not None and sha256_of(path) != sha256:
            raise DataError(
                f"{path}: SHA-256 is {sha256_of(path)[:16]}..., the configuration names "
                f"{sha256[:16]}...; restore the file or start anew from this one"
            )
    state = _read_state(path)
    own = network.state_dict()
    front_end = PUBLISHED[name].dropped if name in PUBLISHED else ()
    dropped = {key for key in front_end if key in state}
    head = HEADS[name]
    if initial == "audioset" or any(_shape(state.get(key)) != _shape(own[key]) for key in head):
        dropped.update(head)
    kept = {key: value for key, value in state.items() if key not in dropped}
    expected = {key: value for key, value in own.items() if key not in dropped}
    wrong = [
        f"{key} is {_shape(kept.get(key))}, the network's is {_shape(expected.get(key))}"
        for key in (*expected, *(key for key in kept if key not in expected))
        if _shape(kept.get(key)) != _shape(expected.get(key))
    ]
    if wrong:
        raise ConfigError(
            f"{path}: not a checkpoint of this {name}: {wrong[0]} (and {len(wrong) - 1} other keys "
            f"differ); give one of {name} for the same front end"
        )
    network.load_state_dict(kept, strict=False)
    return tuple(sorted(dropped))


def fetch(published: Published) -> Path:
    """Return the file, from the data folder or by download, its checksum verified.

    Raises
    ------
    DataError
        Where the checksum is another, or it can't be downloaded.
    """
    path = data_root() / published.file
    if path.is_file():
        _verify(path, published)
        return path
    import pooch

    try:
        fetched = pooch.retrieve(
            published.url,
            known_hash=published.checksum,
            fname=path.name,
            path=path.parent,
            progressbar=False,
        )
    except Exception as error:
        raise DataError(
            f"{published.url}: download failed ({error}); fetch it by hand to {path}"
        ) from None
    return Path(fetched)


def _verify(path: Path, published: Published) -> None:
    if published.checksum is None:
        return
    method, _, expected = published.checksum.partition(":")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, method).hexdigest()
    if actual != expected:
        raise DataError(
            f"{path}: {method} is {actual[:16]}..., published is {expected[:16]}...; "
            "remove the file so that it is downloaded again"
        )


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        # PANNs' files hold the optimizer's state beside the model's; only tensors are unpickled.
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: can't be read as a checkpoint ({reason})") from None
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path}: holds no state dict; give a file that torch.save wrote of one")
    return state


def _shape(value: Tensor | None) -> tuple[int, ...] | str:
    return "missing" if value is None else tuple(value.shape)
