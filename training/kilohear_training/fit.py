"""One training loop for every method: resumable, reproducible, found again by its configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kilohear.config import load_json, save_json, to_dict
from kilohear.errors import ConfigError
from kilohear.files import write_bytes, write_text
from kilohear.frontend import FrontEnd
from kilohear_training import evaluate
from kilohear_training.augmentation import Augmentation, augment, draw_epoch, mix_targets
from kilohear_training.checkpoints import load_initial
from kilohear_training.compute import Compute
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.data.features import load_features
from kilohear_training.distillation import check_loss, distillation_loss
from kilohear_training.networks import build
from kilohear_training.teachers import Teacher, Teachers, cache_key

CHECKPOINT_EVERY_S = 20.0

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Fit:
    """One training of one network: everything that its result depends on.

    A fit is known by the hash of this configuration, so that two methods that need the same
    teacher train it once.

    Attributes
    ----------
    dataset
        A named data set, or the path of a CSV of recordings.
    fold
        The fold kept for the test; `None`: all folds train and there is no test.
    left_out
        Folds that are neither trained on nor tested: the test folds of whoever uses this fit, to
        choose settings by or as a teacher.
    network, front_end, window_s
        What is trained and what it hears.
    initial
        First weights: `none` (drawn from the seed), `audioset`, `teacher` (the first teacher's
        own), or the path of a checkpoint.
    initial_sha256
        Of that checkpoint, so that another file under the same path isn't taken for it.
    teachers
        The fits whose networks teach; their probabilities are averaged. None: labels alone.
    teaching
        `all`: every teacher answers for every clip; `unseen`: a clip is answered only by teachers
        that did not train on its fold (cross-fitting), and is mixed only with clips of its fold.
    alpha, temperature
        Of the distillation loss.
    augmentation, epochs, batch, learning_rate, weight_decay, warm_up, seed
        Of the loop: Adam, a linear warm-up (share of all steps), then a cosine to zero.
    norm_momentum
        Of the running statistics of batch norms; `None`: the network's own. mn04's 0.01 is meant
        for AudioSet's many steps: after 200 steps a tenth of the statistics is still AudioSet's.
    """

    dataset: str
    fold: int | None
    network: str
    front_end: FrontEnd
    window_s: float = 5.0
    left_out: tuple[int, ...] = ()
    initial: str = "none"
    initial_sha256: str | None = None
    teachers: tuple[Fit, ...] = ()
    teaching: Literal["all", "unseen"] = "all"
    alpha: float = 0.5
    temperature: float = 2.0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    epochs: int = 20
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warm_up: float = 0.1
    seed: int = 1
    norm_momentum: float | None = None

    def __post_init__(self) -> None:
        if self.initial == "teacher" and not self.teachers:
            raise ConfigError("fit: initial is 'teacher', but no teacher is given; name one")
        if self.initial == "teacher" and self.teachers[0].network != self.network:
            raise ConfigError(
                f"fit: initial is 'teacher', but the teacher is a {self.teachers[0].network} and "
                f"the student a {self.network}; start from 'none' or 'audioset'"
            )
        if self.fold in self.left_out:
            raise ConfigError(f"fit: fold {self.fold} is the test fold and in left_out; drop one")
        check_loss("fit", self.alpha, self.temperature)
        if self.epochs < 1 or self.batch < 2:
            raise ConfigError(
                f"fit: epochs is {self.epochs} and batch is {self.batch}; give 1 and 2 at least"
            )

    @property
    def name(self) -> str:
        """A readable name that ends in the hash of the configuration."""
        digest = hashlib.sha256(json.dumps(to_dict(self), sort_keys=True).encode()).hexdigest()[:10]
        fold = "all" if self.fold is None else f"fold{self.fold}"
        return (
            f"{short_name(self.dataset)}-{self.network}-{self.front_end.rate_hz}hz-{fold}-{digest}"
        )


def short_name(dataset: str) -> str:
    """Return how a data set, named or a CSV's path, is called in names of files."""
    return Path(dataset).stem.replace(":", "-")


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where runs and caches lie."""

    runs: Path
    cache: Path


@dataclasses.dataclass
class _Progress:
    """What a checkpoint restores."""

    epoch: int = 0
    losses: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def run_fit(
    fit: Fit, folders: Folders, report: Report = print, compute: Compute | None = None
) -> Path:
    """Train, or return what was trained before; gives the run's folder.

    The folder holds `config.json`, `weights.pt`, `result.json`, and while training goes on
    `checkpoint.pt`, from which a killed run goes on to the same numbers.

    Parameters
    ----------
    compute
        Where it runs; without it, what this machine does fastest.

    Raises
    ------
    ConfigError, DataError, AudioError
        Before anything is written.
    """
    folder = folders.runs / fit.name
    if (folder / "result.json").is_file():
        return folder
    dataset = load_dataset(fit.dataset)
    training, test = dataset.split(fit.fold, fit.left_out)
    compute = compute or Compute.best()
    for teacher in fit.teachers:
        run_fit(teacher, folders, report, compute)
    network = _fresh_network(fit, dataset, folders)
    teachers = _teachers(fit, dataset, training, folders, compute)
    features = torch.from_numpy(
        load_features(dataset, fit.front_end, fit.window_s, folders.cache, report=report)
    )
    save_json(fit, folder / "config.json")
    heard = _Heard(
        features[training].to(compute.device),
        torch.tensor(dataset.targets())[training].to(compute.device),
        np.array([dataset.clips[i].fold for i in training]),
        len(dataset.labels),
    )
    progress = _train(fit, network, heard, teachers, folder, report, compute)
    _save_tensors(folder / "weights.pt", network.state_dict())
    result: dict[str, Any] = {
        "kind": "measured",
        "name": fit.name,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "training_clips": len(training),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "threads": torch.get_num_threads(),
        "compute": to_dict(compute),
        "losses": [round(loss, 6) for loss in progress.losses],
        "seconds": round(progress.seconds, 1),
    }
    if test:
        scores = evaluate.test_scores(network, features, dataset, test)
        result["test"] = scores
        report(f"{fit.name}: macro accuracy {scores['macro_accuracy']:.3f} on {len(test)} clips")
    write_text(folder / "result.json", json.dumps(result, indent=1) + "\n")
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return folder


def load_network(folder: Path, classes: int) -> tuple[Fit, nn.Module]:
    """Return the configuration and the trained network of a finished run, in eval mode."""
    if not (folder / "weights.pt").is_file():
        raise ConfigError(f"{folder}: no weights.pt; give the folder of a finished training run")
    fit = load_json(Fit, folder / "config.json")
    network = build(fit.network, classes, fit.front_end, fit.window_s)
    network.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    return fit, network.eval()


@dataclasses.dataclass(frozen=True)
class _Heard:
    """The training clips as the student hears them."""

    features: Tensor  # (clips, frames, bands)
    targets: Tensor  # (clips,)
    folds: NDArray[np.int64]  # (clips,)
    classes: int


def _fresh_network(fit: Fit, dataset: Dataset, folders: Folders) -> nn.Module:
    """Return the network with its first weights."""
    torch.manual_seed(fit.seed)
    classes = len(dataset.labels)
    network = build(fit.network, classes, fit.front_end, fit.window_s)
    if fit.initial == "teacher":
        source = folders.runs / fit.teachers[0].name
        _, teacher = load_network(source, classes)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        for name, value in teacher.state_dict().items():
            if shapes[name] != tuple(value.shape):
                raise ConfigError(
                    f"{source}: {name} is {tuple(value.shape)}, the student's is {shapes[name]}, "
                    "as their front ends differ; start from 'none' or 'audioset'"
                )
        network.load_state_dict(teacher.state_dict())
    elif fit.initial != "none":
        load_initial(network, fit.network, fit.initial, fit.initial_sha256)
    if fit.norm_momentum is not None:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.momentum = fit.norm_momentum
    return network


def _teachers(
    fit: Fit, dataset: Dataset, training: list[int], folders: Folders, compute: Compute
) -> Teachers:
    """Return the finished teachers of a fit, ready to answer."""
    members: list[Teacher] = []
    # Labels alone need no answers.
    for teacher in fit.teachers if fit.alpha < 1 else ():
        folder = folders.runs / teacher.name
        _, network = load_network(folder, len(dataset.labels))
        features = load_features(dataset, teacher.front_end, fit.window_s, folders.cache)
        known, _ = dataset.split(teacher.fold, teacher.left_out)
        key = cache_key(
            {
                "augmentation": fit.augmentation,
                "seed": fit.seed,
                "fold": fit.fold,
                "left_out": fit.left_out,
                "teaching": fit.teaching,
                "fingerprint": dataset.fingerprint(),
            }
        )
        members.append(
            Teacher(
                compute.place(network.requires_grad_(False)),
                torch.from_numpy(features)[training].to(compute.device),
                teacher.front_end.hop_s,
                np.isin(training, known),
                folders.cache / "soft" / f"{folder.name}-{key}",
            )
        )
    return Teachers(members, fit.teaching == "unseen", fit.temperature, compute)


def _train(
    fit: Fit,
    network: nn.Module,
    heard: _Heard,
    teachers: Teachers,
    folder: Path,
    report: Report,
    compute: Compute,
) -> _Progress:
    """Train the network in place, from the folder's checkpoint on where there is one."""
    compute.place(network)
    student = compute.callable(network)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay
    )
    clips = len(heard.features)
    # A last batch of one clip has no batch statistics.
    batches = np.array_split(np.arange(clips), math.ceil(clips / fit.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _warm_up_then_cosine(fit.epochs * len(batches), fit.warm_up)
    )
    checkpoint = folder / "checkpoint.pt"
    progress = _Progress()
    state = (network, optimizer, schedule)
    if checkpoint.is_file():
        progress = _restore(checkpoint, *state)
        report(f"{fit.name}: going on after epoch {progress.epoch}")

    fill = heard.features.mean(dim=(0, 1))
    partners_from = heard.folds if fit.teaching == "unseen" else None
    began = saved = time.monotonic()
    before_s = progress.seconds
    network.train()
    for epoch in range(progress.epoch, fit.epochs):
        draw = draw_epoch(fit.augmentation, clips, fit.window_s, fit.seed, epoch, partners_from)
        teacher_logits = teachers.for_draw(draw, fit.augmentation.number(epoch))
        total = 0.0
        for batch in batches:
            rows = draw.order[batch]
            inputs = augment(heard.features, draw, rows, fit.front_end.hop_s, fill)
            loss = distillation_loss(
                compute.forward(student, inputs),
                None if teacher_logits is None else teacher_logits[rows].to(compute.device),
                mix_targets(heard.targets, draw, rows, heard.classes),
                fit.alpha,
                fit.temperature,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        progress.epoch = epoch + 1
        progress.losses.append(total / clips)
        progress.seconds = before_s + time.monotonic() - began
        last = progress.epoch == fit.epochs
        if last or time.monotonic() - saved > CHECKPOINT_EVERY_S:
            _save(checkpoint, progress, *state)
            saved = time.monotonic()
        report(
            f"{fit.name}: epoch {progress.epoch}/{fit.epochs} loss {progress.losses[-1]:.4f}, "
            f"{progress.seconds / progress.epoch * (fit.epochs - progress.epoch):.0f} s left"
        )
    network.cpu().eval()
    return progress


def _warm_up_then_cosine(steps: int, warm_up: float) -> Callable[[int], float]:
    rising = max(1, round(warm_up * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return factor


def _save(
    path: Path,
    progress: _Progress,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    state = {
        "progress": dataclasses.asdict(progress),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
    }
    _save_tensors(path, state)


def _save_tensors(path: Path, state: dict[str, Any]) -> None:
    """Write by way of memory: torch.save itself hides a full disk behind a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def _restore(
    path: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> _Progress:
    state = torch.load(path, weights_only=True, map_location="cpu")
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["random"])
    return _Progress(**state["progress"])
