"""The board's current from counts: a fit to the published figures, and a sum of physical parts.

Two profiles that answer different questions and are never mixed in one figure or column:

- `paper`: what the paper's board drew, by sampling rate alone; fitted to its Table 3.
- `physical`: what our firmware should draw on an Apollo3 with the microphone in the mode that its
  clock selects; a sum of parts, each constant with its source and range. Nobody measured it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Kind
from kilohear.errors import ConfigError
from kilohear_bench.measurement import now
from kilohear_bench.meters import Context, MeterError, Recording

Profile = Literal["paper", "physical"]

BATTERY_MAH = 300.0
"""The paper's battery, Table 3."""
CORE_HZ = 48e6
"""Apollo3's clock without burst."""
SUPPLY_V = 3.3
"""Of the board."""
DRAWS = 10_000
PUBLISHED = Path(__file__).with_name("published.json")


# ---- profile `paper` -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class PublishedPoint:
    """One row of the paper's Table 3: nominal rate, battery hours, and the current if printed."""

    rate_hz: int
    battery_h: float
    printed_ma: float | None

    @property
    def current_ma(self) -> float:
        """The mean current that the battery hours mean, mA."""
        return BATTERY_MAH / self.battery_h


def published_points() -> tuple[PublishedPoint, ...]:
    """Return the published rows, highest rate first; kind `published`."""
    return tuple(PublishedPoint(**point) for point in json.loads(PUBLISHED.read_text())["points"])


_FORMS = {
    "linear in the sampling rate": lambda rate_hz: rate_hz / 1e3,
    "linear in the square root of the sampling rate": lambda rate_hz: (rate_hz / 1e3) ** 0.5,
    "linear in the logarithm of the sampling rate": lambda rate_hz: np.log2(rate_hz / 1e3),
}
FORM = "linear in the sampling rate"
"""The form in use. Everything that depends on the rate - the microphone's clock, the PDM filter,
samples moved and transformed - is work per second and grows with the rate. The other forms show
how little three points say: the square root fits twice as well, for no reason anyone can name."""


@dataclasses.dataclass(frozen=True)
class Residual:
    """A published point beside the fit: fit minus published, in mA and in battery hours."""

    rate_hz: int
    published_ma: float
    fitted_ma: float
    published_h: float
    fitted_h: float

    @property
    def ma(self) -> float:
        """Current, mA."""
        return self.fitted_ma - self.published_ma

    @property
    def hours(self) -> float:
        """Battery life, h."""
        return self.fitted_h - self.published_h

    @property
    def within_rounding(self) -> bool:
        """Whether the fitted hours print as the published ones do, to a tenth."""
        return abs(self.hours) < 0.05


@dataclasses.dataclass(frozen=True)
class PaperModel:
    """current = base_ma + slope_ma * form(rate), by least squares on the published points."""

    form: str
    base_ma: float
    slope_ma: float
    residuals: tuple[Residual, ...]

    @property
    def degrees_of_freedom(self) -> int:
        """Points less parameters."""
        return len(self.residuals) - 2

    def current_ma(self, rate_hz: float) -> float:
        """Return the fitted mean current at a nominal rate, mA."""
        _inside(rate_hz)
        return self.base_ma + self.slope_ma * float(_FORMS[self.form](rate_hz))


@dataclasses.dataclass(frozen=True)
class PaperEstimate:
    """The paper's board at one nominal rate; kind `modelled`.

    `low_ma` and `high_ma` span the forms that could have been chosen: no confidence interval,
    three points give none. `published_ma` is None where the paper has no such row.
    """

    rate_hz: int
    current_ma: float
    low_ma: float
    high_ma: float
    published_ma: float | None

    @property
    def battery_h(self) -> float:
        """Hours on 300 mAh."""
        return battery_hours(self.current_ma)

    @property
    def caveat(self) -> str:
        """What a reader must know; empty at a published rate."""
        if self.published_ma is not None:
            return ""
        return (
            f"predicted between published points; by the form chosen {self.low_ma:.2f} to "
            f"{self.high_ma:.2f} mA; a change of the microphone's mode in between isn't in it"
        )


def fit_paper(form: str = FORM) -> PaperModel:
    """Fit one form to the published points by least squares in mA.

    Three points, two parameters: one degree of freedom.
    """
    if form not in _FORMS:
        raise ConfigError(f"there is no form {form!r}; choose one of {sorted(_FORMS)}")
    points = published_points()
    x = np.array([_FORMS[form](point.rate_hz) for point in points])
    published = np.array([point.current_ma for point in points])
    slope, base = (float(value) for value in np.polyfit(x, published, 1))
    residuals = []
    for point, value in zip(points, x, strict=True):
        fitted = base + slope * float(value)
        residuals.append(
            Residual(
                rate_hz=point.rate_hz,
                published_ma=point.current_ma,
                fitted_ma=fitted,
                published_h=point.battery_h,
                fitted_h=battery_hours(fitted),
            )
        )
    return PaperModel(form, base, slope, tuple(residuals))


def paper_estimate(rate_hz: int) -> PaperEstimate:
    """Return what the paper's board draws at a nominal rate of 1 to 16 kHz."""
    values = {form: fit_paper(form).current_ma(rate_hz) for form in _FORMS}
    known = {point.rate_hz: point.current_ma for point in published_points()}
    return PaperEstimate(
        rate_hz=rate_hz,
        current_ma=values[FORM],
        low_ma=min(values.values()),
        high_ma=max(values.values()),
        published_ma=known.get(rate_hz),
    )


def _inside(rate_hz: float) -> None:
    rates = [point.rate_hz for point in published_points()]
    if not min(rates) <= rate_hz <= max(rates):
        raise ConfigError(
            f"{rate_hz} Hz lies outside the published {min(rates)} to {max(rates)} Hz; the profile "
            "`paper` doesn't extrapolate: use `physical`"
        )


def battery_hours(current_ma: float, capacity_mah: float = BATTERY_MAH) -> float:
    """Return the hours that a battery lasts at a mean current, its charge used whole."""
    if not current_ma > 0:
        raise ConfigError(f"{current_ma} mA empties no battery; the mean current must be positive")
    return capacity_mah / current_ma


# ---- profile `physical` ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Constant:
    """A physical constant with its range.

    Attributes
    ----------
    name, value, low, high, unit
        The typical value and the range that the Monte-Carlo draw covers (triangular).
    source
        Where it is from; what isn't in a source is said to be assumed.
    assumed
        True where no source was found for the value itself.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    assumed: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high < np.inf:
            raise ConfigError(
                f"{self.name}: {self.low} <= {self.value} <= {self.high} {self.unit} doesn't hold; "
                "a constant lies inside its range and isn't negative"
            )
        if not self.source:
            raise ConfigError(f"{self.name}: a constant needs its source, or 'assumed'")


_NODE = "public IoT node model PolMaistriaux/IoT_Node_Modeling, its Apollo3 profile"

CONSTANTS = (
    Constant(
        "active",
        11.9,
        6.0,
        20.2,
        "uA/MHz",
        f"{_NODE}: 0.573 mA measured at 3.3 V and 48 MHz; low: the data sheet's feature list "
        "(6 uA/MHz from flash or RAM at 3.3 V), high: the same node at 1.8 V (0.970 mA); it gives "
        "10.3 uA/MHz as the data sheet's table value",
    ),
    Constant(
        "deep sleep",
        2.7,
        2.3,
        4.1,
        "uA",
        "SparkFun Arduino_Apollo3, LowPower example (2.5 to 2.7 uA measured, revision B silicon; "
        f"A1 draws 30); range: the data sheet's table as given in {_NODE} (2.3 to 4.1 uA), which "
        "measured 2.72 uA",
    ),
    Constant(
        "sram",
        0.5,
        0.0,
        1.0,
        "uA",
        "SparkFun OpenLog_Artemis, thread 78: 384 KB retained instead of 32 KB adds less than "
        "1 uA; the value inside that range is assumed",
    ),
    Constant(
        "flash in sleep",
        110.0,
        80.0,
        140.0,
        "uA",
        "SparkFun OpenLog_Artemis, thread 78: about 110 uA; its range is assumed. Only where the "
        "firmware leaves the flash powered",
    ),
    Constant(
        "high-frequency clock",
        100.0,
        30.0,
        250.0,
        "uA",
        "assumed: the 48 MHz oscillator and the clock tree that PDM needs while the core sleeps; "
        "the data sheet's table wasn't at hand",
        assumed=True,
    ),
    Constant(
        "pdm",
        40.0,
        10.0,
        120.0,
        "uA/MHz",
        "assumed, per MHz of PDM_CLKO: PDM filter, FIFO and DMA; that it grows with its clock is "
        "from DS-A3-0p9p1, page 359",
        assumed=True,
    ),
    Constant(
        "pdm lines",
        20.0,
        8.0,
        40.0,
        "pF",
        "assumed: clock line and half the data line, charged once a clock (I = C V f)",
        assumed=True,
    ),
    Constant(
        "microphone asleep",
        3.0,
        1.0,
        10.0,
        "uA",
        "Knowles SPH0645LM4H-B, rev C page 1: 3 uA (rev B: 10 uA) below its clock's threshold; "
        "taken for the PDM sibling",
    ),
    Constant(
        "microphone low-power",
        235.0,
        200.0,
        300.0,
        "uA",
        "Knowles SPH0641LU4H-1, rev A page 1: 235 uA in low-power mode; the range is assumed "
        "(SPH0644HM4H-1, page 1: 240 uA)",
    ),
    Constant(
        "microphone standard",
        600.0,
        450.0,
        950.0,
        "uA",
        "Knowles SPH0645LM4H-B, rev C page 1: 600 uA in standard mode; taken for the PDM sibling, "
        "whose page wasn't at hand; the range is assumed",
    ),
    Constant(
        "wake",
        50.0,
        10.0,
        200.0,
        "us",
        "assumed: time at active current from interrupt to first instruction",
        assumed=True,
    ),
    Constant(
        "uart",
        200.0,
        50.0,
        600.0,
        "uA",
        "assumed; only where the port is left on (an open receiver keeps the clock running: "
        "tock, thread 4271)",
        assumed=True,
    ),
    Constant(
        "regulator",
        55.0,
        1.0,
        80.0,
        "uA",
        "assumed: the board's AP2112K taken to draw what its family does (AP2128, typically "
        "55 uA); low: a modern nanopower part",
        assumed=True,
    ),
)

MICROPHONE_MODES = (
    ("microphone asleep", 0.0, 150e3),
    ("microphone low-power", 150e3, 800e3),
    ("microphone standard", 1.0e6, 2.5e6),
)
"""Mode by clock [low, high) in Hz, Knowles SPH0641LU4H-1; between 800 kHz and 1 MHz it has none."""

Values = Mapping[str, Any]
"""Constants by name: a float each, or an array of draws each."""


@dataclasses.dataclass(frozen=True)
class Load:
    """What the board does, on average, per second; the simulator's counts fill it.

    Attributes
    ----------
    rate_hz, effective_hz
        Nominal and effective sampling rate, Hz.
    pdm_clock_hz
        The microphone's clock, Hz.
    cycles_per_s
        Core cycles per second of captured audio by stage; stages don't overlap.
    kind
        Of the cycles: `simulated`, or `modelled` where they are an estimate.
    wakes_per_s
        Returns from deep sleep per second of capturing.
    duty
        Share of the time in which it captures; it sleeps the rest, microphone unclocked.
    uart_share
        Share of the time in which the serial port has power.
    flash_in_sleep
        Whether the flash keeps its power in sleep.
    """

    rate_hz: int
    effective_hz: float
    pdm_clock_hz: float
    cycles_per_s: Mapping[str, float]
    kind: Kind
    wakes_per_s: float = 2.0
    duty: float = 1.0
    uart_share: float = 0.0
    flash_in_sleep: bool = False

    def __post_init__(self) -> None:
        microphone_mode(self.pdm_clock_hz)
        wrong = {name: value for name, value in self.cycles_per_s.items() if not value >= 0}
        if wrong or not self.rate_hz > 0 or not self.effective_hz > 0 or not self.wakes_per_s >= 0:
            raise ConfigError(
                f"load at {self.rate_hz} Hz ({self.effective_hz} Hz effective), "
                f"{self.wakes_per_s} wakes/s, cycles {wrong or 'well'}: rates must be positive, "
                "counts not negative"
            )
        if self.busy > 1:
            raise ConfigError(
                f"load at {self.rate_hz} Hz: {self.total_cycles_per_s:.4g} cycles/s don't fit "
                f"{CORE_HZ / 1e6:g} MHz; the board would overrun"
            )
        if not 0 < self.duty <= 1:
            raise ConfigError(f"duty {self.duty} isn't in (0, 1]")

    @property
    def total_cycles_per_s(self) -> float:
        """Cycles of all stages per second of audio."""
        return float(sum(self.cycles_per_s.values()))

    @property
    def busy(self) -> float:
        """Share of capturing time in which the core runs (its duty cycle)."""
        return self.total_cycles_per_s / CORE_HZ


def microphone_mode(clock_hz: float) -> str:
    """Return the constant's name of the mode that a clock selects; refuses one with no mode."""
    for name, low, high in MICROPHONE_MODES:
        if low <= clock_hz < high:
            return name
    ranges = ", ".join(f"{low / 1e3:g}-{high / 1e3:g}" for _, low, high in MICROPHONE_MODES)
    raise ConfigError(
        f"{clock_hz / 1e3:g} kHz is no clock of the SPH0641LU4H-1; its modes are {ranges} kHz"
    )


def typical() -> dict[str, float]:
    """Return the typical value of each constant by name."""
    return {constant.name: constant.value for constant in CONSTANTS}


def drawn(draws: int = DRAWS, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Return `draws` of each constant by name, triangular in its range, independent, seeded."""
    random = np.random.default_rng(seed)
    return {
        constant.name: random.triangular(constant.low, constant.value, constant.high, draws)
        for constant in CONSTANTS
    }


PARTS = ("arithmetic", "wake-ups", "sleep", "clock", "pdm", "microphone", "uart", "regulator")
"""The parts of the current, in the order in which they are drawn."""


def parts_ua(load: Load, values: Values, supply_v: float = SUPPLY_V) -> dict[str, Any]:
    """Return the mean current by part, uA; arrays where `values` are arrays.

    `arithmetic` is the core running the stages; `clock` is what the oscillator draws while PDM
    needs it and the core sleeps (an awake core's figure includes it).
    """
    duty = load.duty
    flash = values["flash in sleep"] * (1 - load.busy * duty) if load.flash_in_sleep else 0.0
    lines = values["pdm lines"] * 1e-6 * supply_v * load.pdm_clock_hz  # pF V Hz -> uA
    parts = {
        "arithmetic": values["active"] * load.total_cycles_per_s / 1e6 * duty,
        "wake-ups": values["active"] * CORE_HZ / 1e6 * values["wake"] * 1e-6 * load.wakes_per_s,
        "sleep": values["deep sleep"] + values["sram"] + flash,
        "clock": values["high-frequency clock"] * (1 - load.busy) * duty,
        "pdm": (values["pdm"] * load.pdm_clock_hz / 1e6 + lines) * duty,
        "microphone": values[microphone_mode(load.pdm_clock_hz)] * duty
        + values["microphone asleep"] * (1 - duty),
        "uart": values["uart"] * load.uart_share,
        "regulator": values["regulator"],
    }
    parts["wake-ups"] = parts["wake-ups"] * duty
    return parts


@dataclasses.dataclass(frozen=True)
class PhysicalEstimate:
    """The physical profile for one load; kind `modelled`.

    Attributes
    ----------
    load
        What it was computed for.
    parts_ua
        Mean current by part with typical constants, uA.
    stages_ua
        `arithmetic` by stage, uA.
    low_ma, high_ma
        The central 95% of 10,000 seeded draws of all constants, mA.
    """

    load: Load
    parts_ua: dict[str, float]
    stages_ua: dict[str, float]
    low_ma: float
    high_ma: float

    @property
    def current_ma(self) -> float:
        """Mean current with typical constants, mA."""
        return sum(self.parts_ua.values()) / 1e3

    @property
    def battery_h(self) -> float:
        """Hours on 300 mAh with typical constants."""
        return battery_hours(self.current_ma)

    @property
    def battery_interval_h(self) -> tuple[float, float]:
        """The interval of the hours on 300 mAh."""
        return battery_hours(self.high_ma), battery_hours(self.low_ma)


def physical_estimate(load: Load, supply_v: float = SUPPLY_V) -> PhysicalEstimate:
    """Return the physical profile's current for a load with its Monte-Carlo interval."""
    values = typical()
    parts = {name: float(ua) for name, ua in parts_ua(load, values, supply_v).items()}
    total = np.asarray(sum(parts_ua(load, drawn(), supply_v).values())) / 1e3
    low, high = (float(value) for value in np.percentile(total, [2.5, 97.5]))
    stages = {
        stage: values["active"] * cycles / 1e6 * load.duty
        for stage, cycles in load.cycles_per_s.items()
    }
    return PhysicalEstimate(load, parts, stages, low, high)


# ---- the meter `model` -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of the simulator's time line.

    Attributes
    ----------
    duration_s
        Virtual time, s.
    stage
        What the core ran; None while it slept.
    gate
        Level of the board's window pin.
    """

    duration_s: float
    stage: str | None
    gate: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.duration_s < np.inf:
            raise ConfigError(f"a segment of {self.duration_s} s has no length; give 0 or more")


class ModelMeter(Context):
    """The meter `model`: turns a time line into current samples, so that reports need no meter.

    Parameters
    ----------
    profile
        `physical`: each segment draws what its state draws. `paper`: the fitted mean current all
        along, since the fit knows nothing finer.
    rate_hz
        Samples a second; each is the mean over its interval, so no charge is lost.
    supply_v
        V.
    gate_pin
        The logic input that shows the segments' gate.
    """

    name: ClassVar[str] = "model"
    kind: ClassVar[Kind] = "modelled"

    def __init__(
        self,
        profile: Profile = "physical",
        rate_hz: float = 10_000.0,
        supply_v: float = SUPPLY_V,
        gate_pin: int = 0,
    ) -> None:
        if profile not in ("paper", "physical"):
            raise ConfigError(f"there is no profile {profile!r}; choose paper or physical")
        self._profile = profile
        self._rate_hz = rate_hz
        self._supply_v = supply_v
        self._gate_pin = gate_pin
        self._segments: list[Segment] = []
        self._load: Load | None = None
        self._started_at: str | None = None

    def open(self) -> None:
        """Do nothing: a model needs no connection."""

    def close(self) -> None:
        """Forget what was played."""
        self._started_at = None

    def start(self) -> None:
        """Start an empty time line."""
        self._segments, self._load, self._started_at = [], None, now()

    def play(self, load: Load, segments: Iterable[Segment]) -> None:
        """Append segments of the time line of `load`, one load a recording."""
        if self._started_at is None:
            raise MeterError("model: play() before start(); start the meter first")
        if self._load not in (None, load):
            raise MeterError("model: another load in one recording; stop and start in between")
        self._load = load
        self._segments.extend(segments)

    def stop(self) -> Recording:
        """Return the samples of what was played."""
        if self._started_at is None or self._load is None:
            raise MeterError("model: nothing was played; give it the simulator's time line")
        started_at, self._started_at = self._started_at, None
        current, gate = self._samples(self._load)
        return Recording(
            meter=self.name,
            device=f"model, profile {self._profile}",
            firmware="none",
            kind=self.kind,
            started_at=started_at,
            rate_hz=self._rate_hz,
            current_ma=current,
            voltage_v=None,
            supply_v=self._supply_v,
            logic=(gate.astype(np.uint8) << self._gate_pin).astype(np.uint8),
        )

    def _samples(self, load: Load) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        durations = np.array([segment.duration_s for segment in self._segments])
        ends = np.cumsum(durations)
        count = int(np.floor(ends[-1] * self._rate_hz + 1e-6)) if len(ends) else 0
        if not count:
            raise MeterError(f"model: {durations.sum():g} s were played; that is under one sample")
        charge = np.concatenate([[0.0], np.cumsum(self._charges(load, durations))])
        edges = np.arange(count + 1) / self._rate_hz
        current = np.diff(np.interp(edges, np.concatenate([[0.0], ends]), charge)) * self._rate_hz
        middle = np.searchsorted(ends, edges[:-1] + 0.5 / self._rate_hz, side="right")
        gates = np.array([segment.gate for segment in self._segments])
        return current, gates[np.minimum(middle, len(gates) - 1)]

    def _charges(self, load: Load, durations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the charge of each segment, mA s."""
        if self._profile == "paper":
            return durations * fit_paper().current_ma(load.rate_hz)
        values = typical()
        asleep = dataclasses.replace(load, cycles_per_s={}, wakes_per_s=0.0, duty=1.0)
        awake = dataclasses.replace(asleep, cycles_per_s={"core": CORE_HZ})
        asleep_ma, awake_ma = (
            sum(parts_ua(state, values, self._supply_v).values()) / 1e3 for state in (asleep, awake)
        )
        wake_charge = values["active"] * CORE_HZ / 1e6 * values["wake"] * 1e-9  # mA s
        ran = np.array([segment.stage is not None for segment in self._segments])
        woke = ran & ~np.concatenate([[False], ran[:-1]])
        return durations * np.where(ran, awake_ma, asleep_ma) + woke * wake_charge
