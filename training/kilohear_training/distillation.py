"""The distillation loss, equations (1) and (2) of Liang et al."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from kilohear.errors import ConfigError


def check_loss(owner: str, alpha: float, temperature: float) -> None:
    """Raise ConfigError, naming the `owner` and the value, where the loss isn't defined."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"{owner}: alpha is {alpha}; give a weight from 0 to 1")
    if not 0 < temperature < math.inf:
        raise ConfigError(f"{owner}: temperature is {temperature}; give a number above 0")


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor | None,
    targets: Tensor,
    alpha: float,
    temperature: float,
) -> Tensor:
    """Return the loss of a batch, a scalar.

    Equation (1): q_s = log_softmax(y_s / T), q_t = softmax(y_t / T).
    Equation (2): L = alpha CE(y_s, y) + (1 - alpha) T^2 KL(q_s, q_t), averaged over the batch.
    The teacher's logits are detached: it gets no gradient.

    Parameters
    ----------
    student_logits, teacher_logits
        y_s and y_t, (batch, classes). Without a teacher the loss is CE alone.
    targets
        Class indices (batch,), or a distribution (batch, classes) where clips were mixed.
    alpha
        Weight of the labels, 0 to 1.
    temperature
        T, above 0.
    """
    labels = F.cross_entropy(student_logits, targets)
    if teacher_logits is None:
        return labels
    student = F.log_softmax(student_logits / temperature, dim=1)
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=1)
    divergence = F.kl_div(student, teacher, reduction="batchmean")
    return alpha * labels + (1 - alpha) * temperature**2 * divergence


def averaged_logits(logits: Tensor, may_answer: Tensor, temperature: float) -> Tensor:
    """Return logits whose softened probabilities are the mean of several teachers' (eq. (1)'s q_t).

    softmax(result / T) = mean over the teachers that may answer of softmax(y_t / T). A single
    answer is returned as it is.

    Parameters
    ----------
    logits
        (teachers, clips, classes).
    may_answer
        Which teachers answer for a clip, (teachers, clips), bool; one at least for every clip.
    temperature
        T, above 0.
    """
    share = may_answer / may_answer.sum(dim=0)  # (teachers, clips)
    softened = F.softmax(logits / temperature, dim=2)
    mean = temperature * torch.log((share[..., None] * softened).sum(dim=0))
    alone = may_answer.sum(dim=0) == 1
    one = logits[may_answer.int().argmax(dim=0), torch.arange(logits.shape[1])]
    return torch.where(alone[:, None], one, mean)
