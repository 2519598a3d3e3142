"""Power rails: the energy that the phone's own meters (ODPM) counted, read through Perfetto."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.bundle import Kind
from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import FOLDER, Power, PowerError
from kilohear_bench.meters.android.battery import THIS_BOOT, battery_conditions, read_battery

POLL_MS = 250
_LONGEST_MS = 2 * 3600 * 1000
_PROBE_MS = 500
_TRACE = "/data/misc/perfetto-traces/kilohear.pftrace"
"""Where Perfetto may write and the shell may read."""
_PID = f"{FOLDER}/perfetto-{THIS_BOOT}.pid"

WHOLE = re.compile(
    r"(PPVAR_)?(VSYS|VPH|VBAT|BATT?(ERY)?|SYS(TEM)?|TOTAL)(_(PWR|POWER|TOTAL))*", re.I
)
"""Names of a rail that feeds all others: `VPH_PWR`, but not `VPH_PWR_OLED`."""
_FED_BY = re.compile(r"\[from (.+)\]")


@dataclasses.dataclass(frozen=True, eq=False)
class Rail:
    """A rail of a trace.

    Attributes
    ----------
    name, subsystem
        As the phone's maker has them.
    time_s
        Since boot, rising.
    energy_mj
        Counted since boot, as many.
    """

    name: str
    subsystem: str
    time_s: NDArray[np.float64]
    energy_mj: NDArray[np.float64]

    @property
    def power_mw(self) -> float:
        """Mean over the trace."""
        energy_mj = self.energy_mj[-1] - self.energy_mj[0]
        return float(energy_mj / (self.time_s[-1] - self.time_s[0]))


class Rails:
    """Power rails through Perfetto's data source android.power; see `PowerSource`.

    Pixel 6 and later meter all they can, some before them a few; other makers' phones none.
    """

    name: ClassVar[str] = "rails"
    kind: ClassVar[Kind] = "measured"
    meter: ClassVar[str] = "power rails (ODPM) by Perfetto"
    least_s: ClassVar[float] = 5.0

    def __init__(self, phone: Phone, sleep: Callable[[float], None]) -> None:
        self._phone, self._sleep = phone, sleep
        self._pid = ""

    def check(self) -> None:
        """Raise PowerError where the phone has no Perfetto or no rails: a trace of 0.5 s shows."""
        said = self._phone.shell(f"rm -f {_TRACE}; {_command(_PROBE_MS)}")
        if said.code != 0:
            raise PowerError(
                f"perfetto doesn't run on this phone ({(said.error + said.output).strip():.120}); "
                "it needs Android 10: use another --power"
            )
        rails_of(self._pull())

    def start(self) -> None:
        """Begin a trace; one that a killed process left running ends."""
        self._before = read_battery(self._phone)
        self._phone.shell(
            f"mkdir -p {FOLDER}; kill $(cat {_PID} 2>/dev/null) 2>/dev/null; rm -f {_PID} {_TRACE}"
        )
        said = self._phone.shell(f"{_command(_LONGEST_MS)} --background-wait", timeout_s=60.0)
        if said.code != 0:  # before Android 12 Perfetto doesn't wait until its sources run
            said = self._phone.shell(f"{_command(_LONGEST_MS)} --background")
            self._sleep(1.0)
        pid = next((word for word in said.output.split() if word.isdigit()), "")
        if said.code != 0 or not pid:
            raise PowerError(
                f"perfetto didn't start ({(said.error + said.output).strip():.120}); end other "
                "traces on the phone and measure again"
            )
        self._pid = pid
        self._phone.shell(f"echo {pid} > {_PID}")

    def stop(self) -> Power:
        """End the trace; raises PowerError where a rail's counter fell or stood still."""
        self._end()
        rails = rails_of(self._pull())
        return power_of(rails, battery_conditions(self._before, read_battery(self._phone)))

    def abort(self) -> None:
        """End a trace without figures."""
        if self._pid:
            self._end()
            self._phone.shell(f"rm -f {_TRACE}")

    def _end(self) -> None:
        pid, self._pid = self._pid, ""
        self._phone.shell(
            f"kill {pid}; n=0; while kill -0 {pid} 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; "
            f"n=$((n+1)); done; rm -f {_PID}"
        )

    def _pull(self) -> bytes:
        data = self._phone.pull(_TRACE)
        self._phone.shell(f"rm -f {_TRACE}")
        return data


def config(duration_ms: int) -> str:
    """Return a trace's configuration: rails alone, no packet ever dropped for a newer one."""
    return (
        f"duration_ms: {duration_ms} "
        "buffers { size_kb: 16384 fill_policy: DISCARD } "
        'data_sources { config { name: "android.power" android_power_config { '
        f"battery_poll_ms: {POLL_MS} collect_power_rails: true }} }} }}"
    )


def rails_of(trace: bytes) -> list[Rail]:
    """Return the rails of a Perfetto trace, in the order in which the phone lists them.

    Raises
    ------
    PowerError
        Where the phone has none, or a counter fell (it wrapped, or the phone restarted).
    """
    protos = extras.load("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    names: dict[int, tuple[str, str]] = {}
    points: dict[int, dict[float, float]] = {}
    for packet in protos.Trace.FromString(trace).packet:
        for descriptor in packet.power_rails.rail_descriptor:
            names[descriptor.index] = (descriptor.rail_name, descriptor.subsys_name)
        for data in packet.power_rails.energy_data:
            # A rail that wasn't read anew since the last poll repeats its time.
            points.setdefault(data.index, {})[data.timestamp_ms / 1e3] = data.energy / 1e3
    if not names:
        raise PowerError(
            "this phone has no power rails that can be read (ODPM: Pixel 6 and later); use "
            "another --power"
        )
    rails = []
    for index, (name, subsystem) in names.items():
        times = sorted(points.get(index, {}))
        energy_mj = np.array([points[index][time_s] for time_s in times])
        if len(energy_mj) > 1 and np.diff(energy_mj).min() < 0:
            at = int(np.argmin(np.diff(energy_mj)))
            raise PowerError(
                f"rail {name} fell from {energy_mj[at]:.6g} to {energy_mj[at + 1]:.6g} mJ: its "
                "counter wrapped or the phone restarted; measure the stretch again"
            )
        rails.append(Rail(name, subsystem, np.array(times), energy_mj))
    return rails


def summed(rails: Sequence[Rail]) -> list[Rail]:
    """Return the rails whose energy adds up to the total: none that holds another's.

    Left out are a rail that feeds all others, by its name (`WHOLE`), and one that says which
    metered rail feeds it (`WCN3998_VDD13 [from PP1304_L2C]`). A regulator behind a metered one
    that doesn't say so is counted twice: the names are all that a phone gives.
    """
    return [
        rail
        for rail in rails
        if not WHOLE.fullmatch(rail.name)
        and not any(
            other is not rail and feeder.group(1) in other.name
            for feeder in [_FED_BY.search(rail.name)]
            if feeder is not None
            for other in rails
        )
    ]


def power_of(rails: Sequence[Rail], conditions: dict[str, Any]) -> Power:
    """Return the energy of all rails that add up.

    Each rail's is last less first of its counter, over its own times; rails that are read a little
    apart are brought to one length of time by their mean power.

    Raises
    ------
    PowerError
        Where a rail was read less than twice.
    """
    for rail in rails:
        if len(rail.time_s) < 2:
            raise PowerError(
                f"rail {rail.name} was read {len(rail.time_s)} times; measure a longer stretch"
            )
    counted = summed(rails)
    if not counted:
        raise PowerError(
            f"the rails {', '.join(rail.name for rail in rails)} all feed others, so there is no "
            "sum; use another --power"
        )
    duration_s = float(np.median([rail.time_s[-1] - rail.time_s[0] for rail in counted]))
    time_s = counted[0].time_s
    total_mj = np.sum([np.interp(time_s, rail.time_s, rail.energy_mj) for rail in counted], axis=0)
    return Power(
        kind=Rails.kind,
        meter=Rails.meter,
        duration_s=duration_s,
        energy_mj=sum(rail.power_mw for rail in counted) * duration_s,
        conditions={
            **conditions,
            "total": "sum of the rails that are metered and hold no other; not the whole phone",
            "started_uptime_s": float(time_s[0]),
            "rails": [
                {
                    "name": rail.name,
                    "subsystem": rail.subsystem,
                    "energy_mj": float(rail.energy_mj[-1] - rail.energy_mj[0]),
                    "summed": rail in counted,
                }
                for rail in rails
            ],
        },
        columns={
            "time_s": time_s[1:] - time_s[0],
            "power_mw": np.diff(total_mj) / np.diff(time_s),
        },
    )


def _command(duration_ms: int) -> str:
    return f"echo '{config(duration_ms)}' | perfetto --txt -c - -o {_TRACE}"
