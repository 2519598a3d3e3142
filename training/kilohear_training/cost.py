"""What a training costs before it is run: its steps, and a step timed on this machine."""

from __future__ import annotations

import time

import numpy as np
import torch

from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.fit import Fit
from kilohear_training.networks import build

_PROBE_CLIPS = 8
_TEACHER_SHARE = 0.35
"""Of a training step, what its forward pass alone takes (measured on mobilenet_v3: 0.3 to 0.4)."""


class Costs:
    """Seconds of trainings on one thread: modelled from one timed step a network and input.

    Neither a teacher's answers that another run left in the cache nor the first computation of
    features are counted.
    """

    test_s = 5.0

    def __init__(self) -> None:
        self._per_clip_s: dict[tuple[object, ...], float] = {}
        self._datasets: dict[str, Dataset] = {}

    def seconds(self, fit: Fit) -> float:
        """Return the estimate for a whole fit, its teachers' own training left out."""
        if fit.dataset not in self._datasets:
            self._datasets[fit.dataset] = load_dataset(fit.dataset)
        training, _ = self._datasets[fit.dataset].split(fit.fold, fit.left_out)
        seconds = fit.epochs * self._step_s(fit)
        draws = min(fit.epochs, fit.augmentation.draws or fit.epochs)
        answering = fit.teachers if fit.alpha < 1 else ()
        for teacher in answering:
            seconds += draws * _TEACHER_SHARE * self._step_s(teacher)
        return len(training) * seconds

    def _step_s(self, fit: Fit) -> float:
        """Return the seconds of a training step for each of its clips."""
        front_end = fit.front_end
        frames = front_end.frames(round(fit.window_s * front_end.rate_hz))
        key = (fit.network, frames, front_end.features)
        if key not in self._per_clip_s:
            self._per_clip_s[key] = _time_step(fit, frames)
        return self._per_clip_s[key]


def _time_step(fit: Fit, frames: int) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build(fit.network, 10, fit.front_end, fit.window_s).train()
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        optimizer = torch.optim.Adam(network.parameters())
        shape = (_PROBE_CLIPS, 1, frames, fit.front_end.features)
        inputs = torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))
        inputs = inputs.to(memory_format=torch.channels_last)
        targets = torch.arange(_PROBE_CLIPS) % 10
        fastest = float("inf")
        for _ in range(2):  # the first also prepares kernels
            began = time.perf_counter()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs), targets).backward()
            optimizer.step()
            fastest = min(fastest, time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return fastest / _PROBE_CLIPS
