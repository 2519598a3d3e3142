"""The teachers' answers to the clips that the student hears, kept in the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kilohear.config import to_dict
from kilohear.errors import ConfigError
from kilohear.files import write_array
from kilohear_training.augmentation import Draw, augment
from kilohear_training.compute import Compute
from kilohear_training.data.cache import read_array
from kilohear_training.distillation import averaged_logits

_BATCH = 64


@dataclasses.dataclass
class Teacher:
    """One frozen network and what it hears.

    Attributes
    ----------
    network
        In eval mode, on the device that computes.
    features
        Of the training clips, as this network hears them, (clips, frames, bands).
    hop_s
        Of its front end.
    knows
        For each training clip, whether the network was trained on it, (clips,).
    cache
        Folder of its answers, one file a draw.
    """

    network: nn.Module
    features: Tensor
    hop_s: float
    knows: NDArray[np.bool_]
    cache: Path

    def answers(self, draw: Draw, number: int, compute: Compute) -> Tensor:
        """Return the logits of every training clip under a draw, (clips, classes)."""
        file = self.cache / f"{number}.npy"
        known = read_array(file)
        if known is not None and len(known) == len(self.features):
            return torch.from_numpy(known)
        fill = self.features.mean(dim=(0, 1))
        logits: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(self.features), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(self.features)))
                inputs = augment(self.features, draw, rows, self.hop_s, fill)
                logits.append(compute.forward(self.network, inputs).cpu())
        all_logits = torch.cat(logits)
        write_array(file, all_logits.numpy())
        return all_logits


class Teachers:
    """Several teachers that answer as one: their softened probabilities are averaged.

    Parameters
    ----------
    members
        The teachers; none: there is nothing to ask.
    only_unseen
        A clip is answered only by the teachers that were not trained on it.
    temperature
        At which their probabilities are averaged.

    Raises
    ------
    ConfigError
        Where a clip has no teacher that may answer.
    """

    def __init__(
        self, members: Sequence[Teacher], only_unseen: bool, temperature: float, compute: Compute
    ) -> None:
        self._members = members
        self._temperature = temperature
        self._compute = compute
        if not members:
            return
        may_answer = [
            ~member.knows if only_unseen else np.ones_like(member.knows) for member in members
        ]
        self._may_answer = torch.from_numpy(np.stack(may_answer))  # (teachers, clips)
        silent = int((~self._may_answer.any(dim=0)).sum())
        if silent:
            raise ConfigError(
                f"{silent} of {self._may_answer.shape[1]} training clips were seen by every "
                "teacher; for teaching 'unseen' give for each training fold a teacher without it"
            )

    def for_draw(self, draw: Draw, number: int) -> Tensor | None:
        """Return logits of every training clip under a draw, (clips, classes); None: no teacher."""
        if not self._members:
            return None
        answers = [member.answers(draw, number, self._compute) for member in self._members]
        return averaged_logits(torch.stack(answers), self._may_answer, self._temperature)


def cache_key(parts: dict[str, object]) -> str:
    """Return a short hash of what a teacher's answers depend on beside its own fit."""
    plain = {k: to_dict(v) if dataclasses.is_dataclass(v) else v for k, v in parts.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:10]
