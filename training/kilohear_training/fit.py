"""One training loop for every method: resumable, reproducible, found again by its configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from kilohear.config import load_json, save_json, to_dict
from kilohear.errors import ConfigError
from kilohear.files import replacing, write_text
from kilohear.frontend import FrontEnd
from kilohear_training import evaluate
from kilohear_training.augmentation import Augmentation, Draw, augment, draw_epoch, mix_targets
from kilohear_training.checkpoints import load_audioset
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.dataset import Dataset
from kilohear_training.data.features import load_features
from kilohear_training.distillation import distillation_loss
from kilohear_training.networks import build

CHECKPOINT_EVERY_S = 20.0
_TEACHER_BATCH = 64

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
    network, front_end, window_s
        What is trained and what it hears.
    initial
        First weights: `none` (drawn from the seed), `audioset`, or `teacher` (the teacher's own).
    teacher
        The fit whose network teaches; `None`: labels alone.
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
    initial: Literal["none", "audioset", "teacher"] = "none"
    teacher: Fit | None = None
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
        if self.initial == "teacher" and self.teacher is None:
            raise ConfigError("fit: initial is 'teacher', but no teacher is given; name one")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"fit: alpha is {self.alpha}; give a weight from 0 to 1")
        if self.temperature <= 0:
            raise ConfigError(f"fit: temperature is {self.temperature}; give a number above 0")
        if self.epochs < 1 or self.batch < 2:
            raise ConfigError(
                f"fit: epochs is {self.epochs} and batch is {self.batch}; give 1 and 2 at least"
            )

    @property
    def name(self) -> str:
        """A readable name that ends in the hash of the configuration."""
        digest = hashlib.sha256(json.dumps(to_dict(self), sort_keys=True).encode()).hexdigest()[:10]
        fold = "all" if self.fold is None else f"fold{self.fold}"
        dataset = Path(self.dataset).stem
        return f"{dataset}-{self.network}-{self.front_end.rate_hz}hz-{fold}-{digest}"


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


def run_fit(fit: Fit, folders: Folders, report: Report = print) -> Path:
    """Train, or return what was trained before; gives the run's folder.

    The folder holds `config.json`, `weights.pt`, `result.json`, and while training goes on
    `checkpoint.pt`, from which a killed run goes on to the same numbers.

    Raises
    ------
    ConfigError, DataError, AudioError
        Before anything is written.
    """
    folder = folders.runs / fit.name
    if (folder / "result.json").is_file():
        return folder
    dataset = load_dataset(fit.dataset)
    training, test = dataset.split(fit.fold)
    teacher_folder = run_fit(fit.teacher, folders, report) if fit.teacher else None
    features = torch.from_numpy(load_features(dataset, fit.front_end, fit.window_s, folders.cache))
    save_json(fit, folder / "config.json")
    network, progress = _train(fit, dataset, training, features, teacher_folder, folders, report)
    with replacing(folder / "weights.pt") as temporary:
        torch.save(network.state_dict(), temporary)
    result: dict[str, Any] = {
        "kind": "measured",
        "name": fit.name,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "training_clips": len(training),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "threads": torch.get_num_threads(),
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


def _train(
    fit: Fit,
    dataset: Dataset,
    training: list[int],
    features: Tensor,
    teacher_folder: Path | None,
    folders: Folders,
    report: Report,
) -> tuple[nn.Module, _Progress]:
    torch.manual_seed(fit.seed)
    classes = len(dataset.labels)
    network = build(fit.network, classes, fit.front_end, fit.window_s)
    if fit.initial == "audioset":
        load_audioset(network, fit.network)
    elif fit.initial == "teacher":
        assert teacher_folder is not None
        _, teacher_network = load_network(teacher_folder, classes)
        network.load_state_dict(teacher_network.state_dict())
    if fit.norm_momentum is not None:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.momentum = fit.norm_momentum
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.Adam(
        network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay
    )
    clips = len(training)
    # A last batch of one clip has no batch statistics.
    batches = np.array_split(np.arange(clips), math.ceil(clips / fit.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _warm_up_then_cosine(fit.epochs * len(batches), fit.warm_up)
    )
    checkpoint = folders.runs / fit.name / "checkpoint.pt"
    progress = _Progress()
    state = (network, optimizer, schedule)
    if checkpoint.is_file():
        progress = _restore(checkpoint, *state)
        report(f"{fit.name}: going on after epoch {progress.epoch}")

    heard = features[training]  # (clips, frames, bands)
    fill = heard.mean(dim=(0, 1))
    targets = torch.tensor(dataset.targets())[training]
    soft = _SoftTargets(fit, teacher_folder, dataset, training, folders)
    began = saved = time.monotonic()
    before_s = progress.seconds
    network.train()
    for epoch in range(progress.epoch, fit.epochs):
        draw = draw_epoch(fit.augmentation, clips, fit.window_s, fit.seed, epoch)
        teacher_logits = soft.for_draw(draw, fit.augmentation.number(epoch))
        total = 0.0
        for batch in batches:
            rows = draw.order[batch]
            inputs = augment(heard, draw, rows, fit.front_end.hop_s, fill)
            loss = distillation_loss(
                network(inputs.to(memory_format=torch.channels_last)),
                None if teacher_logits is None else teacher_logits[rows],
                mix_targets(targets, draw, rows, classes),
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
    return network.eval(), progress


class _SoftTargets:
    """The teacher's logits under each epoch's draw, computed once and kept in the cache.

    Students of one teacher and one seed at several rates share a draw, and so its logits.
    """

    def __init__(
        self,
        fit: Fit,
        teacher_folder: Path | None,
        dataset: Dataset,
        training: list[int],
        folders: Folders,
    ) -> None:
        self._network: nn.Module | None = None
        if teacher_folder is None or fit.teacher is None or fit.alpha == 1:
            return
        self._fit, self._network = load_network(teacher_folder, len(dataset.labels))
        self._network.requires_grad_(False)
        self._network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        features = load_features(dataset, self._fit.front_end, fit.window_s, folders.cache)
        self._features = torch.from_numpy(features)[training]
        self._fill = self._features.mean(dim=(0, 1))
        key = {
            "augmentation": to_dict(fit.augmentation),
            "seed": fit.seed,
            "fold": fit.fold,
            "fingerprint": dataset.fingerprint(),
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:10]
        self._cache = folders.cache / "soft" / f"{teacher_folder.name}-{digest}"

    def for_draw(self, draw: Draw, number: int) -> Tensor | None:
        """Return the logits of every training clip, (clips, classes), or None: no teacher."""
        if self._network is None:
            return None
        file = self._cache / f"{number}.npy"
        if file.is_file():
            return torch.from_numpy(np.load(file))
        logits: list[Tensor] = []
        hop_s = self._fit.front_end.hop_s
        with torch.no_grad():
            for start in range(0, len(self._features), _TEACHER_BATCH):
                rows = np.arange(start, min(start + _TEACHER_BATCH, len(self._features)))
                inputs = augment(self._features, draw, rows, hop_s, self._fill)
                logits.append(self._network(inputs.to(memory_format=torch.channels_last)))
        all_logits = torch.cat(logits)
        with replacing(file) as temporary, temporary.open("wb") as out:
            np.save(out, all_logits.numpy())
        return all_logits


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
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _restore(
    path: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> _Progress:
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["random"])
    return _Progress(**state["progress"])
