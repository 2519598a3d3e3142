"""One random draw for an epoch, applied alike to what the teacher and the student hear.

The draw is in seconds and clip numbers, not in frames, so that features at any rate and hop get
the same roll, the same partner and the same masks.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is drawn for each clip and epoch.

    Attributes
    ----------
    roll
        Whether clips are rolled in time by any amount.
    mixup
        Parameter of the Beta distribution of the mixing weight; 0: no mixing.
    masks, mask_s
        Number of time masks, and the greatest length of one, seconds.
    draws
        How many different draws there are; later epochs go round them again, in another order
        of clips, and the teacher's answers to them are computed once. 0: a new one every epoch.
    """

    roll: bool = True
    mixup: float = 0.5
    masks: int = 2
    mask_s: float = 0.5
    draws: int = 0

    def number(self, epoch: int) -> int:
        """Return the number of the draw that an epoch gets."""
        return epoch % self.draws if self.draws else epoch


@dataclasses.dataclass(frozen=True)
class Draw:
    """The random choices of one epoch over n clips."""

    order: NDArray[np.int64]  # (n,)
    roll: NDArray[np.float64]  # (n,) fraction of the clip
    partner: NDArray[np.int64]  # (n,)
    weight: NDArray[np.float64]  # (n,) share of the clip itself, 0.5 to 1
    mask_start_s: NDArray[np.float64]  # (n, masks)
    mask_end_s: NDArray[np.float64]  # (n, masks)


def draw_epoch(
    augmentation: Augmentation,
    clips: int,
    window_s: float,
    seed: int,
    epoch: int,
    groups: NDArray[np.int64] | None = None,
) -> Draw:
    """Return the draw of an epoch: a function of its arguments alone.

    Parameters
    ----------
    groups
        The group of every clip, (clips,), where partners must be of the same group.
    """
    order = np.random.default_rng((seed, 1, epoch)).permutation(clips)
    random = np.random.default_rng((seed, 2, augmentation.number(epoch)))
    shape = (clips, augmentation.masks)
    roll = random.random(clips) if augmentation.roll else np.zeros(clips)
    partner = np.empty(clips, np.int64)
    for group in [0] if groups is None else np.unique(groups):
        members = np.arange(clips) if groups is None else np.flatnonzero(groups == group)
        partner[members] = random.permutation(members)
    if augmentation.mixup > 0:
        share = random.beta(augmentation.mixup, augmentation.mixup, clips)
        weight = np.maximum(share, 1 - share)
    else:
        weight = np.ones(clips)
    start = random.random(shape) * window_s
    return Draw(
        order, roll, partner, weight, start, start + random.random(shape) * augmentation.mask_s
    )


def augment(
    features: Tensor, draw: Draw, rows: NDArray[np.int64], hop_s: float, fill: Tensor
) -> Tensor:
    """Return augmented features of the clips `rows`, (len(rows), 1, frames, bands).

    Parameters
    ----------
    features
        All clips of the draw, (clips, frames, bands).
    fill
        What a masked frame holds, (bands,).
    """
    frames, device = features.shape[1], features.device
    weight = torch.tensor(draw.weight[rows], dtype=torch.float32, device=device)[:, None, None]
    partner = draw.partner[rows]
    mixed = weight * _rolled(features, draw.roll, rows)
    mixed += (1 - weight) * _rolled(features, draw.roll, partner)
    time_s = torch.arange(frames, device=device)[None, :, None] * hop_s
    start = torch.tensor(draw.mask_start_s[rows], device=device)[:, None, :]
    end = torch.tensor(draw.mask_end_s[rows], device=device)[:, None, :]
    masked = ((time_s >= start) & (time_s < end)).any(dim=2)  # (rows, frames)
    mixed[masked] = fill
    return mixed[:, None]


def mix_targets(targets: Tensor, draw: Draw, rows: NDArray[np.int64], classes: int) -> Tensor:
    """Return the label distributions of the mixed clips, (len(rows), classes)."""
    weight = torch.tensor(draw.weight[rows], dtype=torch.float32, device=targets.device)[:, None]
    own = torch.nn.functional.one_hot(targets[rows], classes)
    partner = torch.nn.functional.one_hot(targets[draw.partner[rows]], classes)
    return weight * own + (1 - weight) * partner


def _rolled(features: Tensor, roll: NDArray[np.float64], rows: NDArray[np.int64]) -> Tensor:
    frames, device = features.shape[1], features.device
    shift = torch.tensor(np.round(roll[rows] * frames).astype(np.int64), device=device)[:, None]
    source = (torch.arange(frames, device=device)[None] - shift) % frames  # (rows, frames)
    return features[torch.tensor(rows, device=device)[:, None], source]
