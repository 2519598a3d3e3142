"""The measurement: raw samples with unit, kind and origin; summaries are computed from them."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kilohear.bundle import Kind
from kilohear.errors import ConfigError

_RESAMPLES = 2_000


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One quantity of one subject.

    Attributes
    ----------
    name
        The quantity: `latency`, `cpu_time`, `cpu_share`, `peak_memory`, `resident_memory`,
        `file_size`, `macro_accuracy`, `macro_f1`, `word_error_rate`, `stoi`, or one of those that
        the bench's report knows (`kilohear_bench.report.quantities`).
    subject
        What was measured: a bundle with its runtime and precision.
    samples
        Every value, none averaged, in the order in which they came.
    unit
        Of the samples.
    kind
        `measured`, `simulated`, `modelled` or `published`.
    device, meter
        Where it ran and what took the value.
    versions
        Of the software that took part.
    started_at
        UTC, ISO 8601; None where the origin doesn't say.
    conditions
        Whatever else the value depends on: threads, load, thermal state, data set.
    """

    name: str
    subject: str
    samples: tuple[float, ...]
    unit: str
    kind: Kind
    device: str
    meter: str
    versions: dict[str, str]
    started_at: str | None
    conditions: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.samples or not np.isfinite(self.samples).all():
            raise ConfigError(
                f"{self.name} of {self.subject}: a measurement needs finite samples, "
                f"got {self.samples}; measure again"
            )

    @property
    def median(self) -> float:
        """The median of the samples."""
        return float(np.median(self.samples))

    @property
    def mean(self) -> float:
        """The mean of the samples."""
        return float(np.mean(self.samples))

    @property
    def std(self) -> float:
        """The standard deviation of the samples (n - 1); 0 for a single one."""
        return float(np.std(self.samples, ddof=1)) if len(self.samples) > 1 else 0.0

    @property
    def p95(self) -> float:
        """The 95th percentile of the samples, interpolated linearly."""
        return float(np.percentile(self.samples, 95))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the median; see `interval_of_median`."""
        return interval_of_median(self.samples)


def interval_of_median(samples: ArrayLike) -> tuple[float, float]:
    """Return the central 95% of the medians of 2,000 bootstrap samples, drawn from one seed.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), the percentile method.
    """
    values = np.asarray(samples, np.float64)
    random = np.random.default_rng(0)
    drawn = values[random.integers(0, len(values), (_RESAMPLES, len(values)))]
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)


def now() -> str:
    """Return the time now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
