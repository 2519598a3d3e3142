"""The paper's methods, each written as the generations it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.augmentation import Augmentation
from kilohear_training.fit import Fit

METHODS = ("raw", "finetune", "basd", "cssd")

FULL_RATE_HZ = 16_000


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one network is trained, whatever the method, rate and fold.

    `initial` are the first weights of every generation; `start` says where the distilled
    generation starts: from `initial`, or from its `teacher`'s own weights (the paper's text
    allows both readings).
    """

    network: str
    preset: str
    initial: Literal["none", "audioset"]
    epochs: int
    learning_rate: float
    batch: int = 32
    weight_decay: float = 0.0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    start: Literal["initial", "teacher"] = "initial"
    alpha: float = 0.5
    temperature: float = 2.0
    seed: int = 1
    norm_momentum: float | None = None


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What a method trains and how it is tested.

    Attributes
    ----------
    fit
        The last generation; it names the earlier ones as its teacher.
    heard_at_hz
        The rate of the test clips; where the fit's front end is at a higher rate, they are
        raised to it first.
    """

    method: str
    fit: Fit
    heard_at_hz: int


def expand(
    method: str,
    dataset: str,
    fold: int | None,
    rate_hz: int,
    student: Recipe,
    teacher: Recipe | None = None,
) -> Experiment:
    """Return the experiment of a method at a rate.

    `raw`: trained at 16 kHz, tested at `rate_hz`. `finetune`: trained at `rate_hz` on labels.
    `basd`: a finetuned network teaches the same network at the same rate. `cssd`: a network
    trained at 16 kHz teaches one at `rate_hz`; both hear the same clip, each at its own rate.

    Parameters
    ----------
    teacher
        The recipe of cssd's teacher, where it isn't the student's.

    Raises
    ------
    ConfigError
        Where the method is unknown.
    """

    def plain(recipe: Recipe, at_hz: int) -> Fit:
        return Fit(
            dataset=dataset,
            fold=fold,
            network=recipe.network,
            front_end=FrontEnd.preset(recipe.preset, at_hz),
            initial=recipe.initial,
            alpha=1.0,
            augmentation=recipe.augmentation,
            epochs=recipe.epochs,
            batch=recipe.batch,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            seed=recipe.seed,
            norm_momentum=recipe.norm_momentum,
        )

    def taught(by: Fit) -> Fit:
        return dataclasses.replace(
            plain(student, rate_hz),
            teacher=by,
            initial="teacher" if student.start == "teacher" else student.initial,
            alpha=student.alpha,
            temperature=student.temperature,
        )

    fits: dict[str, Callable[[], Fit]] = {
        "raw": lambda: plain(student, FULL_RATE_HZ),
        "finetune": lambda: plain(student, rate_hz),
        "basd": lambda: taught(plain(student, rate_hz)),
        "cssd": lambda: taught(plain(teacher or student, FULL_RATE_HZ)),
    }
    if method not in fits:
        raise ConfigError(f"method {method!r} is unknown; use one of {', '.join(METHODS)}")
    return Experiment(method, fits[method](), rate_hz)


RECIPES = {
    "mobilenet_v3": Recipe(
        network="mobilenet_v3",
        preset="mn04",
        initial="audioset",
        epochs=20,
        learning_rate=1e-3,
        norm_momentum=0.1,
    ),
    "tiny": Recipe(
        network="tiny",
        preset="native",
        initial="none",
        epochs=100,
        learning_rate=3e-3,
        weight_decay=1e-5,
        augmentation=Augmentation(mixup=0.3, draws=20),
        alpha=0.3,
        temperature=3.0,
    ),
}
