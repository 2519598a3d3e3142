"""Synchronised clips and their features: every rate of a pair is cut from the same recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from kilohear.capture import open_source
from kilohear.config import to_dict
from kilohear.decimator import decimate
from kilohear.files import write_array, write_text
from kilohear.frontend import FrontEnd
from kilohear.polyphase import PolyphaseResampler
from kilohear_training.data.cache import read_array
from kilohear_training.data.dataset import Dataset

VERSION = 1  # raise when the same configuration gives other features


def read_clip(path: Path, rate_hz: int, window_s: float) -> NDArray[np.float32]:
    """Read a recording, mixed to mono, decimated to `rate_hz`, cut or zero-padded, (samples,).

    Raises
    ------
    AudioError
        Where the file can't be read, is empty, truncated, or holds samples that aren't finite.
    RateError
        Where it was recorded below `rate_hz`.
    """
    source = open_source(path)
    clip = decimate(np.concatenate(list(source.blocks())), source.rate_hz, rate_hz)
    wanted = round(window_s * rate_hz)
    return np.pad(clip[:wanted], (0, max(0, wanted - len(clip))))


def compute_features(
    path: Path, front_end: FrontEnd, window_s: float, heard_at_hz: int | None = None
) -> NDArray[np.float32]:
    """Return the features of one clip, (frames, features).

    With `heard_at_hz` the clip is first reduced to that rate and then raised to the front end's:
    what a network trained at a high rate gets from a microphone at a low one.
    """
    heard_at_hz = heard_at_hz or front_end.rate_hz
    clip = read_clip(path, heard_at_hz, window_s)
    if heard_at_hz != front_end.rate_hz:
        clip = PolyphaseResampler(heard_at_hz, front_end.rate_hz).resample(clip)
    return front_end.log_mel(clip)


def load_features(
    dataset: Dataset,
    front_end: FrontEnd,
    window_s: float,
    cache: Path,
    heard_at_hz: int | None = None,
    report: Callable[[str], None] | None = None,
) -> NDArray[np.float32]:
    """Return the features of every clip, (clips, frames, features), from `cache` where they are.

    The cache's key is a hash of the configuration and of the data set, both written beside it. A
    spoilt file is said by `report` and computed again.
    """
    key = {
        "version": VERSION,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "front_end": to_dict(front_end),
        "window_s": window_s,
        "heard_at_hz": heard_at_hz or front_end.rate_hz,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    file = cache / f"{dataset.name.lower()}-{key['heard_at_hz']}hz-{digest}.npy"
    shape = (
        len(dataset.clips),
        front_end.frames(round(window_s * front_end.rate_hz)),
        front_end.features,
    )
    known = read_array(file, shape, report)
    if known is not None:
        return known
    paths = [clip.path for clip in dataset.clips]
    label = f"{dataset.name} features at {key['heard_at_hz']:,} Hz"
    rows = [
        compute_features(path, front_end, window_s, heard_at_hz)
        for path in track(paths, label, transient=True)
    ]
    features = np.stack(rows)
    write_text(file.with_suffix(".json"), json.dumps(key, indent=2) + "\n")
    write_array(file, features)
    return features
