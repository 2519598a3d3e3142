"""Published weights: where they are, what they must hash to, and strict loading."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn

from kilohear.errors import ConfigError, DataError
from kilohear.files import data_root, sha256_of


@dataclasses.dataclass(frozen=True)
class Published:
    """A published state dict. `dropped` are the keys of its last layer, which the classes set."""

    file: str
    url: str
    sha256: str
    dropped: tuple[str, ...]


PUBLISHED = {
    "mobilenet_v3": Published(
        file="mn04/mn04_as_mAP_432.pt",
        url="https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
        sha256="899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
        dropped=("classifier.5.weight", "classifier.5.bias"),
    )
}


def load_audioset(network: nn.Module, name: str) -> None:
    """Load the AudioSet weights of the network `name`, all but its last layer, strictly.

    Raises
    ------
    ConfigError
        Where no weights are published for it, or a key is missing or left over.
    DataError
        Where the file's SHA-256 is another, or it can't be downloaded.
    """
    if name not in PUBLISHED:
        raise ConfigError(
            f"no AudioSet weights are published for {name!r}; "
            f"they are for {', '.join(PUBLISHED)}: set initial to 'none'"
        )
    published = PUBLISHED[name]
    state: dict[str, Tensor] = torch.load(fetch(published), map_location="cpu", weights_only=True)
    kept = {key: value for key, value in state.items() if key not in published.dropped}
    missing, unexpected = network.load_state_dict(kept, strict=False)
    wrong = sorted({*unexpected, *(set(missing) - set(published.dropped))})
    if wrong:
        raise ConfigError(
            f"{published.file}: key {wrong[0]!r} doesn't fit the network {name!r} "
            f"({len(wrong)} such keys); use the published file"
        )


def fetch(published: Published) -> Path:
    """Return the file, from the data folder or by download, its SHA-256 checked."""
    path = data_root() / published.file
    if path.is_file():
        actual = sha256_of(path)
        if actual != published.sha256:
            raise DataError(
                f"{path}: SHA-256 is {actual[:16]}..., published is {published.sha256[:16]}...; "
                "remove the file so that it is downloaded again"
            )
        return path
    import pooch

    try:
        fetched = pooch.retrieve(
            published.url,
            known_hash=f"sha256:{published.sha256}",
            fname=path.name,
            path=path.parent,
            progressbar=False,
        )
    except Exception as error:
        raise DataError(
            f"{published.url}: download failed ({error}); fetch it by hand to {path}"
        ) from None
    return Path(fetched)
