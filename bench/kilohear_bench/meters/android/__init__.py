"""Where a phone's energy comes from: one protocol, one module a source.

rails           each power rail's energy, counted by the phone's own meters (ODPM)
charge-counter  the charge that its fuel gauge saw leave the battery
current-now     the battery's current, sampled on the phone
batterystats    what Android computes from times and a power profile: modelled

The first measures the phone's parts and doesn't care about the cable. The others see the battery
alone, so they are refused while anything else feeds the phone. None was run on a phone: the tests
replay outputs in the format of AOSP's sources.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Kind
from kilohear.errors import ConfigError, KilohearError
from kilohear_bench.android.phone import Phone
from kilohear_bench.devices import DeviceLost, Outcome, Trace
from kilohear_bench.measurement import Measurement

SOURCES = ("rails", "charge-counter", "current-now", "batterystats")
"""Best first."""
FOLDER = "/data/local/tmp/kilohear"
"""On the phone, where the shell may write; what sources leave there is theirs alone."""

State = Literal["idle", "microphone", "inference"]


class PowerError(KilohearError):
    """A source can't be had on this phone, or its figures say nothing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Power:
    """What a source saw of one stretch.

    Attributes
    ----------
    kind, meter
        Of the figures.
    duration_s, energy_mj
        Of the stretch that the source saw, by the phone's own clock.
    conditions
        What the figures depend on: battery before and after, calibration, rails by name.
    columns
        Raw samples over time, arrays of one length by name: `time_s` first, then what the source
        has of `current_ma` (positive: out of the battery), `voltage_v`, `power_mw`. Empty where
        it has none.
    """

    kind: Kind
    meter: str
    duration_s: float
    energy_mj: float
    conditions: Mapping[str, Any]
    columns: Mapping[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.duration_s > 0 and self.energy_mj > 0):
            raise PowerError(
                f"{self.meter}: {self.energy_mj:.4g} mJ in {self.duration_s:.4g} s; a phone that "
                "runs draws something: measure a longer stretch, or choose another --power"
            )

    @property
    def mean_power_mw(self) -> float:
        """Energy over time."""
        return self.energy_mj / self.duration_s


class PowerSource(Protocol):
    """A source of energy figures; one stretch at a time.

    Attributes
    ----------
    name
        As `BenchConfig.power` has it.
    kind, meter
        Of its figures, the second in words for a report's row.
    least_s
        How long a stretch it needs to say something, about.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    meter: ClassVar[str]
    least_s: ClassVar[float]

    def check(self) -> None:
        """Raise PowerError, with the reason and what to do, where this phone can't give it."""
        ...

    def start(self) -> None:
        """Begin a stretch; raises PowerError where it can't be measured now."""
        ...

    def stop(self) -> Power:
        """End the stretch; raises PowerError where its figures say nothing."""
        ...

    def abort(self) -> None:
        """End a stretch without figures, and leave the phone as it was; safe to call again."""
        ...


def choose_source(
    phone: Phone,
    wanted: str,
    stretch_s: float | None = None,
    refusals: list[str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> PowerSource | None:
    """Return where a phone's energy shall come from.

    Parameters
    ----------
    phone
        Connected.
    wanted
        As `BenchConfig.power`: `none`, one of `SOURCES`, or `auto` for the first of them that this
        phone can give.
    stretch_s
        How long the stretches will be; under `auto` a source that needs longer ones is passed over.
    refusals
        Under `auto`: why each source that goes before the one returned can't be had is appended.
    sleep
        Waits; a test need not.

    Returns
    -------
    PowerSource or None
        None where none was wanted, or under `auto` where the phone can give none.

    Raises
    ------
    PowerError, ExtraError
        Where the source that was named can't be had, or its package isn't installed.
    ConfigError
        Where there is no such source.
    DeviceLost
        Where the link breaks.
    """
    if wanted == "none":
        return None
    if wanted not in ("auto", *SOURCES):
        raise ConfigError(f"power {wanted!r} is unknown; choose auto, {', '.join(SOURCES)} or none")
    for source in _sources(phone, sleep):
        if wanted not in ("auto", source.name):
            continue
        try:
            if wanted == "auto" and stretch_s is not None and stretch_s < source.least_s:
                raise PowerError(
                    f"a stretch of {stretch_s:g} s is too short for it, it needs about "
                    f"{source.least_s:g} s"
                )
            source.check()
        except KilohearError as error:
            if wanted != "auto" or isinstance(error, DeviceLost):
                raise
            if refusals is not None:
                refusals.append(f"{source.name}: {error}")
        else:
            return source
    return None


def power_measurements(
    power: Power, common: Measurement, state: State, windows: int | None
) -> Outcome:
    """Return what a stretch says about a state of the phone, a sample each.

    Parameters
    ----------
    power
        Of the stretch.
    common
        Gives subject, device, versions, time and conditions, `rate_hz` among these.
    state
        What the phone did.
    windows
        How many windows it classified in the stretch; only with `inference`, None: not counted.

    Raises
    ------
    ConfigError
        Where windows are given with another state, or there is none.
    """
    if windows is not None and (windows < 1 or state != "inference"):
        raise ConfigError(
            f"{common.subject}: {windows} windows in a stretch of {state}; count windows of "
            "inference, one at least"
        )
    values = {f"power_{state}": (power.mean_power_mw, "mW")}
    if windows is not None:
        values |= {
            "window_energy": (power.energy_mj / windows, "mJ"),
            "window_power": (power.mean_power_mw, "mW"),
            "window_time": (power.duration_s / windows, "s"),
        }
    conditions = {
        **common.conditions,
        **power.conditions,
        "stretch_s": power.duration_s,
        "stretch_windows": windows,
    }
    measurements = [
        dataclasses.replace(
            common,
            name=name,
            samples=(value,),
            unit=unit,
            kind=power.kind,
            meter=power.meter,
            conditions=conditions,
        )
        for name, (value, unit) in values.items()
    ]
    celsius = power.conditions.get("battery_celsius")
    if celsius:
        measurements.append(
            dataclasses.replace(
                common,
                name="temperature",
                samples=(celsius[-1],),
                unit="celsius",
                kind="measured",
                meter="battery's thermometer",
            )
        )
    trace = Trace(
        name=f"power {state}",
        subject=common.subject,
        rate_hz=common.conditions["rate_hz"],
        kind=power.kind,
        meter=power.meter,
        columns=power.columns,
    )
    return Outcome(measurements, [trace] if power.columns else [])


def _sources(phone: Phone, sleep: Callable[[float], None]) -> list[PowerSource]:
    """Return all, in the order of `SOURCES`."""
    from kilohear_bench.meters.android.batterystats import BatteryStats
    from kilohear_bench.meters.android.charge_counter import ChargeCounter
    from kilohear_bench.meters.android.current_now import CurrentNow
    from kilohear_bench.meters.android.rails import Rails

    return [
        Rails(phone, sleep),
        ChargeCounter(phone, sleep),
        CurrentNow(phone, sleep),
        BatteryStats(phone, sleep),
    ]
