"""The paper's methods and any others, each written as the chain of generations it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.augmentation import Augmentation
from kilohear_training.data.dataset import Dataset
from kilohear_training.distillation import check_loss
from kilohear_training.fit import Fit

FULL_RATE_HZ = 16_000

Rate = int | Literal["student"]
Chain = tuple[Rate, ...]

METHODS: Mapping[str, Chain] = {
    "raw": (FULL_RATE_HZ,),
    "finetune": ("student",),
    "basd": ("student", "student"),
    "cssd": (FULL_RATE_HZ, "student"),
}
"""The rate of each generation; each teaches the next, and the last is tested at the student's.

`raw` is trained at 16 kHz and hears the low rate in the test alone; `basd` is taught by itself,
finetuned; `cssd` by a network that hears the same clip at 16 kHz.
"""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one network is trained, whatever the method, rate and fold.

    Attributes
    ----------
    network, preset, window_s
        What is trained and the front end it hears by.
    initial, initial_sha256
        First weights of every generation: `none`, `audioset` or the path of a checkpoint.
    start
        Where a taught generation starts: from `initial`, or from its `teacher`'s own weights (the
        paper's text allows both readings).
    alpha, temperature
        Of the distillation loss.
    committee
        How many teachers, trained alike from one seed after another, answer together.
    cross_fitted
        Whether each training clip is answered by a teacher that was not trained on its fold.
    """

    network: str
    preset: str
    initial: str
    epochs: int
    learning_rate: float
    batch: int = 32
    weight_decay: float = 0.0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    start: Literal["initial", "teacher"] = "initial"
    alpha: float = 0.5
    temperature: float = 2.0
    norm_momentum: float | None = None
    window_s: float = 5.0
    initial_sha256: str | None = None
    committee: int = 1
    cross_fitted: bool = False

    def __post_init__(self) -> None:
        check_loss("recipe", self.alpha, self.temperature)
        if self.committee < 1:
            raise ConfigError(f"recipe: committee is {self.committee}; give 1 teacher at least")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What a method trains and how it is tested.

    Attributes
    ----------
    arm, method
        The names of the recipe and of the chain.
    fit
        The last generation; it names the earlier ones as its teachers.
    heard_at_hz
        The rate of the test clips; where the fit's front end is at a higher rate, they are
        raised to it first.
    """

    arm: str
    method: str
    fit: Fit
    heard_at_hz: int


@dataclasses.dataclass(frozen=True)
class Split:
    """Which folds of which data set are tested and left out."""

    name: str
    dataset: Dataset
    fold: int | None
    left_out: tuple[int, ...] = ()


def expand(
    chain: Chain,
    split: Split,
    rate_hz: int,
    student: Recipe,
    teacher: Recipe | None = None,
    seed: int = 1,
) -> Fit:
    """Return the last generation of a chain, its teachers inside.

    Parameters
    ----------
    chain
        Rates of the generations, first to last; see `METHODS`.
    rate_hz
        What `student` stands for in the chain.
    teacher
        The recipe of generations at 16 kHz that teach, where it isn't the student's.

    Raises
    ------
    ConfigError
        Where the chain is empty, or cross-fitting lacks folds.
    """
    if not chain:
        raise ConfigError("a method's chain has no generation; give one rate at least")

    def generation(number: int, split: Split, seed: int) -> Fit:
        at_hz = rate_hz if chain[number] == "student" else int(chain[number])
        last = number == len(chain) - 1
        recipe = student if last or at_hz != FULL_RATE_HZ else teacher or student
        plain = Fit(
            dataset=split.name,
            fold=split.fold,
            left_out=split.left_out,
            network=recipe.network,
            front_end=FrontEnd.preset(recipe.preset, at_hz),
            window_s=recipe.window_s,
            initial=recipe.initial,
            initial_sha256=recipe.initial_sha256,
            alpha=1.0,
            augmentation=recipe.augmentation,
            epochs=recipe.epochs,
            batch=recipe.batch,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            seed=seed,
            norm_momentum=recipe.norm_momentum,
        )
        if number == 0:
            return plain
        splits = _without_each_fold(split) if recipe.cross_fitted else [_in_order(split)]
        taught_from_start = recipe.start == "teacher"
        return dataclasses.replace(
            plain,
            teachers=tuple(
                generation(number - 1, taught_on, seed + member)
                for taught_on in splits
                for member in range(recipe.committee)
            ),
            teaching="unseen" if recipe.cross_fitted else "all",
            initial="teacher" if taught_from_start else plain.initial,
            initial_sha256=None if taught_from_start else plain.initial_sha256,
            alpha=recipe.alpha,
            temperature=recipe.temperature,
        )

    return generation(len(chain) - 1, split, seed)


def _without_each_fold(split: Split) -> list[Split]:
    """For each training fold, the split of a teacher that doesn't train on it."""
    kept_out = (*split.left_out, *(() if split.fold is None else (split.fold,)))
    training = [fold for fold in split.dataset.folds if fold not in kept_out]
    if len(training) < 2:
        raise ConfigError(
            f"{split.name}: cross-fitting needs 2 training folds, here are {len(training)}; "
            "set cross_fitted to false"
        )
    return [_in_order(Split(split.name, split.dataset, fold, kept_out)) for fold in training]


def _in_order(split: Split) -> Split:
    """A teacher's own test doesn't matter: with the folds in order, students share more of them."""
    if split.fold is None:
        return split
    first, *others = sorted((split.fold, *split.left_out))
    return dataclasses.replace(split, fold=first, left_out=tuple(others))


RECIPES = {
    "mobilenet_v3": Recipe(
        network="mobilenet_v3",
        preset="mn04",
        initial="audioset",
        epochs=20,
        learning_rate=1e-3,
        norm_momentum=0.1,
    ),
    "mobilenet_v2": Recipe(
        network="mobilenet_v2", preset="paper", initial="audioset", epochs=20, learning_rate=1e-3
    ),
    "cnn14": Recipe(
        network="cnn14", preset="paper", initial="audioset", epochs=20, learning_rate=1e-3
    ),
    "resnet38": Recipe(
        network="resnet38", preset="paper", initial="audioset", epochs=20, learning_rate=1e-3
    ),
    "tiny": Recipe(
        network="tiny",
        preset="native",
        initial="none",
        epochs=300,
        learning_rate=3e-3,
        weight_decay=1e-5,
        augmentation=Augmentation(mixup=1.0, draws=60),
        alpha=0.1,
        temperature=3.0,
    ),
}
