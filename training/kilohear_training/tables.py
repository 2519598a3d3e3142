"""Tables from result files: mean and spread over folds, and paired gains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.config import read_json
from kilohear.errors import DataError

BASELINE = "finetune"
_ORDER = ("raw", "finetune", "basd", "cssd")
_RESAMPLES = 10_000

Result = dict[str, Any]


def read_results(folder: Path) -> list[Result]:
    """Read every result file of a study's folder; raises DataError where there is none."""
    files = sorted(file for file in folder.glob("*.json") if file.name != "study.json")
    if not files:
        raise DataError(f"{folder}: no result files; run `kilohear study run` first")
    return [read_json(file) for file in files]


def table_of(folder: Path) -> str:
    """Return Markdown: a row for each network, rate and method."""
    results = read_results(folder)
    cells: dict[tuple[str, int, str], list[Result]] = {}
    for result in results:
        key = (result["fit"]["network"], result["heard_at_hz"], result["method"])
        cells.setdefault(key, []).append(result)
    lines = [
        f"{results[0]['dataset']}, macro accuracy, measured; mean and standard deviation over "
        f"folds. Gain: over {BASELINE}, the same clips; 95% interval by bootstrap over clips.",
        "",
        "| network | Hz | method | folds | accuracy | std | gain (points) | clips won / lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for network, rate_hz, method in sorted(cells, key=lambda key: (*key[:2], _rank(key[2]))):
        cell = cells[network, rate_hz, method]
        scores = [result["scores"]["macro_accuracy"] for result in cell]
        std = float(np.std(scores, ddof=1)) if len(scores) > 1 else float("nan")
        gain, won = "", ""
        baseline = cells.get((network, rate_hz, BASELINE))
        if baseline and method != BASELINE:
            gain, won = _gain(cell, baseline)
        lines.append(
            f"| {network} | {rate_hz} | {method} | {len(scores)} | {np.mean(scores):.3f} "
            f"| {std:.3f} | {gain} | {won} |"
        )
    return "\n".join(lines) + "\n"


def _rank(method: str) -> int:
    return _ORDER.index(method) if method in _ORDER else len(_ORDER)


def _gain(cell: list[Result], baseline: list[Result]) -> tuple[str, str]:
    """Return the paired gain in points with its interval, and clips won and lost."""
    own, other = _correct(cell), _correct(baseline)
    shared = sorted(set(own) & set(other))
    difference = np.array([own[clip] - other[clip] for clip in shared], np.float64)
    low, high = _interval(difference)
    won, lost = int((difference > 0).sum()), int((difference < 0).sum())
    text = f"{100 * difference.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return text, f"{won} / {lost}"


def _correct(cell: list[Result]) -> dict[str, int]:
    return {
        clip: int(target == predicted)
        for result in cell
        for clip, (target, predicted) in result["scores"]["clips_target_predicted"].items()
    }


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
