"""Current meters behind one protocol, what they record, and its windows cut by a logic input."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Kind
from kilohear.errors import ConfigError, KilohearError

DEFAULT = "ppk2"
"""The meter that is asked for where none is named."""

_TOLERANCE = 0.01
"""How far a window's energy may lie from its mean power times its length."""


class MeterError(KilohearError):
    """A meter is missing, busy, wrong or stopped; `recording` holds what was sampled before."""

    def __init__(self, message: str, recording: Recording | None = None) -> None:
        super().__init__(message)
        self.recording = recording


@dataclasses.dataclass(frozen=True)
class Gap:
    """Samples that the meter took and the host never got: `missing` of them after `index`."""

    index: int
    missing: int


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """What a meter sampled between its start and its stop.

    Attributes
    ----------
    meter, device, firmware
        The driver, the instrument with its serial number, and its firmware or calibration.
    kind
        `measured`, or `modelled` for the model.
    started_at
        UTC, ISO 8601.
    rate_hz
        Samples a second.
    current_ma
        Shape (samples,), mA, raw.
    voltage_v
        Shape (samples,), V; None where the meter doesn't measure it.
    supply_v
        The voltage that was set, V; the energy is computed with it where `voltage_v` is None.
    logic
        Shape (samples,), uint8: bit n is logic input n.
    gaps
        Lost samples; the time base counts them.
    fault
        Why the recording ended early; None where it didn't.
    """

    meter: str
    device: str
    firmware: str
    kind: Kind
    started_at: str
    rate_hz: float
    current_ma: NDArray[np.float64]
    voltage_v: NDArray[np.float64] | None
    supply_v: float
    logic: NDArray[np.uint8]
    gaps: tuple[Gap, ...] = ()
    fault: str | None = None

    def __post_init__(self) -> None:
        samples = len(self.current_ma)
        voltages = samples if self.voltage_v is None else len(self.voltage_v)
        if not samples == voltages == len(self.logic):
            raise ConfigError(
                f"{self.meter}: {samples} currents, {voltages} voltages, {len(self.logic)} logic "
                "samples; a recording needs as many of each"
            )
        if not (self.rate_hz > 0 and self.supply_v > 0):
            raise ConfigError(
                f"{self.meter}: {self.rate_hz} samples/s at {self.supply_v} V; both must be "
                "positive: give the meter its voltage"
            )
        previous = -1
        for gap in self.gaps:
            if not (previous < gap.index < samples and gap.missing > 0):
                raise ConfigError(f"{self.meter}: {gap} doesn't lie inside {samples} samples")
            previous = gap.index

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Start of each sample since the start, s, shape (samples,); gaps counted."""
        step = np.ones(len(self.current_ma))
        for gap in self.gaps:
            if gap.index + 1 < len(step):
                step[gap.index + 1] += gap.missing
        return (np.cumsum(step) - 1) / self.rate_hz

    @property
    def duration_s(self) -> float:
        """Length with its gaps, s."""
        missing = sum(gap.missing for gap in self.gaps)
        return (len(self.current_ma) + missing) / self.rate_hz

    @property
    def power_mw(self) -> NDArray[np.float64]:
        """Power of each sample, mW, shape (samples,)."""
        return self.current_ma * (self.supply_v if self.voltage_v is None else self.voltage_v)

    def pin(self, pin: int) -> NDArray[np.bool_]:
        """Level of logic input `pin` (0..7) at each sample, shape (samples,)."""
        if not 0 <= pin <= 7:
            raise ConfigError(f"logic input {pin} doesn't exist; name one of 0..7")
        return (self.logic >> pin & 1).astype(bool)

    def edges(self, pin: int) -> tuple[tuple[float, bool], ...]:
        """Return (time in s, new level) of each edge of logic input `pin`."""
        level, time_s = self.pin(pin), self.time_s
        changed = np.flatnonzero(level[1:] != level[:-1]) + 1
        return tuple((float(time_s[i]), bool(level[i])) for i in changed)


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a recording over which the logic input kept one level.

    Attributes
    ----------
    start_s, duration_s
        Since the recording's start, s.
    current_ma, power_mw
        Means over the samples, mA and mW.
    energy_uj
        Energy taken from the supply, uJ, by the time base.
    samples
        How many it was computed from.
    """

    start_s: float
    duration_s: float
    current_ma: float
    power_mw: float
    energy_uj: float
    samples: int

    def __add__(self, following: Window) -> Window:
        """Return both as one; `following` begins where this one ends."""
        samples = self.samples + following.samples

        def mean(here: float, there: float) -> float:
            return (here * self.samples + there * following.samples) / samples

        return Window(
            start_s=self.start_s,
            duration_s=self.duration_s + following.duration_s,
            current_ma=mean(self.current_ma, following.current_ma),
            power_mw=mean(self.power_mw, following.power_mw),
            energy_uj=self.energy_uj + following.energy_uj,
            samples=samples,
        )


@dataclasses.dataclass(frozen=True)
class Windows:
    """The windows of a recording.

    Attributes
    ----------
    active
        The input high, both edges seen, no sample lost.
    idle
        The same between two active windows, damaged ones included.
    damaged
        (start in s, reason) of each high stretch that couldn't be used.
    """

    active: tuple[Window, ...]
    idle: tuple[Window, ...]
    damaged: tuple[tuple[float, str], ...]


def windows_of(recording: Recording, pin: int) -> Windows:
    """Cut a recording at the edges of logic input `pin` (0..7, high while a window runs).

    A stretch that the recording's start or end cuts off, or that lost samples, is never averaged.

    Raises
    ------
    MeterError
        Where the input never rose, or where a window's energy differs by more than 1% from its
        mean power times its length (a time base that isn't the samples').
    """
    level, time_s = recording.pin(pin), recording.time_s
    if not len(level) or not level.any():
        raise MeterError(
            f"{recording.meter}: logic input {pin} was never high in {recording.duration_s:.3g} s; "
            "wire the board's window pin to it and set the meter's logic supply",
            recording,
        )
    bounds = [0, *(np.flatnonzero(level[1:] != level[:-1]) + 1).tolist(), len(level)]
    active: list[Window] = []
    idle: list[Window] = []
    damaged: list[tuple[float, str]] = []
    for first, last in itertools.pairwise(bounds):
        reason = None
        # A gap after the last sample lies before the edge, so it hides where the edge was.
        lost = sum(gap.missing for gap in recording.gaps if first - 1 <= gap.index < last)
        if first == 0 or last == len(level):
            reason = "cut off by the recording's start or end"
        elif lost:
            reason = f"{lost} samples lost"
        if reason is None:
            (active if level[first] else idle).append(_window(recording, time_s, first, last))
        elif level[first]:
            damaged.append((float(time_s[first]), reason))
    return Windows(tuple(active), tuple(idle), tuple(damaged))


def _window(recording: Recording, time_s: NDArray[np.float64], first: int, last: int) -> Window:
    """Average samples first..last, whose following sample `last` exists."""
    power = recording.power_mw[first:last]
    duration = float(time_s[last] - time_s[first])
    energy = float(np.sum(power * np.diff(time_s[first : last + 1])))  # mW s
    expected = float(np.mean(power)) * (last - first) / recording.rate_hz
    if abs(energy - expected) > _TOLERANCE * abs(expected):
        raise MeterError(
            f"{recording.meter}: a window at {time_s[first]:.6g} s holds {1e3 * energy:.6g} uJ by "
            f"its time base but {1e3 * expected:.6g} uJ by its samples; record again",
            recording,
        )
    return Window(
        start_s=float(time_s[first]),
        duration_s=duration,
        current_ma=float(np.mean(recording.current_ma[first:last])),
        power_mw=float(np.mean(power)),
        energy_uj=1e3 * energy,
        samples=last - first,
    )


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the supply must keep to; a sample beyond it ends a measurement.

    Attributes
    ----------
    max_ma
        A current above it for `for_s` is a short or a latched part, mA.
    min_v
        A voltage below it for `for_s` is a brown-out, V; Apollo3's lowest supply is 1.755 V,
        the board's 3.3 V regulator drops out well above.
    for_s
        How long before it counts, s: inrush at power-up is shorter.
    """

    max_ma: float = 500.0
    min_v: float = 2.7
    for_s: float = 0.002


def check_supply(recording: Recording, limits: Limits) -> Recording:
    """Return the recording; raises MeterError, with it, at an overcurrent or a brown-out."""
    at = _lasting(recording.current_ma > limits.max_ma, limits.for_s * recording.rate_hz)
    if at is not None:
        raise MeterError(
            f"{recording.device}: overcurrent at {recording.time_s[at]:.6g} s, "
            f"{recording.current_ma[at]:.4g} mA where {limits.max_ma:g} mA is the limit; check "
            "the wiring for a short",
            dataclasses.replace(recording, fault="overcurrent"),
        )
    if recording.voltage_v is None:
        return recording
    at = _lasting(recording.voltage_v < limits.min_v, limits.for_s * recording.rate_hz)
    if at is not None:
        raise MeterError(
            f"{recording.device}: brown-out at {recording.time_s[at]:.6g} s, "
            f"{recording.voltage_v[at]:.4g} V where the board needs {limits.min_v:g} V; charge "
            "the battery or shorten the leads, then resume the run",
            dataclasses.replace(recording, fault="brown-out"),
        )
    return recording


def _lasting(bad: NDArray[np.bool_], samples: float) -> int | None:
    """Return the index where the first run of at least `samples` (1 or more) begins."""
    if not bad.any():
        return None
    padded = np.concatenate([[False], bad, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - starts >= max(1.0, samples))
    return int(starts[long[0]]) if len(long) else None


def shortfall(recorded_s: float, elapsed_s: float, tolerance: float | None) -> str | None:
    """Return what to report where a recording is shorter than the time that passed.

    `tolerance` is a share of the time, 50 ms more are allowed for start and stop; None: no check.
    """
    if tolerance is None or recorded_s >= elapsed_s * (1 - tolerance) - 0.05:
        return None
    return f"{recorded_s:.4g} s of samples came in {elapsed_s:.4g} s: some were lost"


class Meter(Protocol):
    """A current meter; used as a context manager: opened on entry, closed on exit.

    Attributes
    ----------
    name
        `ppk2`, `joulescope`, `otii` or `model`.
    kind
        Of its samples.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]

    def open(self) -> None:
        """Connect; raises MeterError where there is no such meter, or it is in use."""
        ...

    def start(self) -> None:
        """Start sampling."""
        ...

    def stop(self) -> Recording:
        """Stop and return every sample.

        Raises
        ------
        MeterError
            Where the meter stopped sampling, lost its time base, or the supply gave way; its
            `recording` holds what was sampled until then, so finished windows are kept.
        """
        ...

    def close(self) -> None:
        """Disconnect; safe to call again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Context:
    """Entry opens, exit closes: what every meter shares."""

    name: ClassVar[str]

    def open(self) -> None:
        """Connect."""
        raise NotImplementedError

    def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def finished(recording: Recording, limits: Limits) -> Recording:
    """Return a recording that ended well; raises MeterError, with it, where it didn't."""
    if recording.fault is not None:
        raise MeterError(
            f"{recording.device}: {recording.fault}; {recording.duration_s:.4g} s sampled before "
            "are kept: check cable and hub, then resume the run",
            recording,
        )
    return check_supply(recording, limits)


def open_meter(spec: str = DEFAULT, **options: Any) -> Meter:
    """Return the meter that `spec` names, not yet opened: use it in a `with` statement.

    Parameters
    ----------
    spec
        `model`, `ppk2`, `ppk2:PORT`, `joulescope`, `joulescope:SERIAL`, `otii` or
        `otii:HOST:PORT`.
    options
        Passed to the meter, for example `supply_v`.

    Raises
    ------
    ConfigError
        Where no meter has that name or the address doesn't fit it.
    """
    name, _, address = spec.partition(":")
    if name == "model" and not address:
        from kilohear_bench.meters.model import ModelMeter

        return ModelMeter(**options)
    if name == "ppk2":
        from kilohear_bench.meters.ppk2 import Ppk2

        return Ppk2(address or None, **options)
    if name == "joulescope":
        from kilohear_bench.meters.joulescope import Joulescope

        return Joulescope(address or None, **options)
    if name == "otii":
        from kilohear_bench.meters.otii import Otii

        host, _, port = address.rpartition(":")
        if not address:
            return Otii(**options)
        if host and port.isdigit():
            return Otii(host, int(port), **options)
        raise ConfigError(f"{spec}: {address!r} is no address; write otii:HOST:PORT")
    raise ConfigError(
        f"there is no meter {spec!r}; choose model, ppk2[:PORT], joulescope[:SERIAL] or "
        "otii[:HOST:PORT]"
    )
