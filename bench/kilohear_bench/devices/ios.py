"""An iPhone: what the app measured there, collected over cable or Wi-Fi.

The app runs the protocol on the phone, since no program may be started there from outside, and
leaves a file a step; this collects them. Nothing of it was run on an iPhone.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from kilohear.errors import ConfigError, KilohearError
from kilohear_bench.app_results import read_result, select
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import DeviceLost, Found, Outcome, Step
from kilohear_bench.ios.battery import sample_battery
from kilohear_bench.ios.tool import COMMAND, Tool
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.meters.android import power_measurements
from kilohear_bench.subject import Tested

IDLE = "power/idle"


def find_iphones() -> list[Found]:
    """Return the iPhones that are connected; one that says why where that can't be known."""
    try:
        phones = Tool().phones()
    except KilohearError as error:
        return [Found("", f"iPhones: {error}")]
    return [
        Found(
            f"ios:{phone['Identifier']}",
            f"{phone.get('ProductType') or 'a device'}, iOS {phone.get('ProductVersion') or '?'}, "
            f"by {'Wi-Fi' if phone.get('ConnectionType') == 'Network' else 'cable'}",
        )
        for phone in phones
    ]


class Ios:
    """An iPhone; see `kilohear_bench.devices.Device`.

    A step is a result that the app left, as it is when the run connects. With `power`
    `current-now` one more step samples the battery while the phone lies there: over Wi-Fi alone,
    since a cable charges it.

    Parameters
    ----------
    spec
        `ios`, or `ios:UDID` where several are connected.
    config
        `bundles`, `runtimes` and `rates_hz` choose among the app's results, `power` see above.
    sleep
        Waits between two readings of the battery.
    """

    def __init__(
        self, spec: str, config: BenchConfig, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._config, self._sleep = config, sleep
        self._udid = spec.partition(":")[2]
        self._tool = Tool()
        self._info: dict[str, Any] = {}
        self._results: dict[str, list[Measurement]] = {}
        self._subjects: list[Tested] = []

    @property
    def name(self) -> str:
        """`ios`, with a short hash of the UDID where one was given: it tells two iPhones apart."""
        return f"ios-{hashlib.sha256(self._udid.encode()).hexdigest()[:6]}" if self._udid else "ios"

    def __enter__(self) -> Self:
        self._tool = Tool(self._choose())
        self._info = self._tool.info()
        with tempfile.TemporaryDirectory() as folder:
            files = [read_result(path) for path in self._tool.pull_results(Path(folder))]
        model = self._info.get("ProductType")
        self._results, self._subjects = select(files, self._config, model, self.name, (IDLE,))
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: every command was a process of its own."""

    def describe(self) -> dict[str, Any]:
        """Return model, processor and system; neither UDID nor name."""
        return {
            "model": self._info.get("ProductType"),
            "architecture": self._info.get("CPUArchitecture"),
            "system": f"iOS {self._info.get('ProductVersion')} ({self._info.get('BuildVersion')})",
            "measured_by": "the kilohear app on the phone",
        }

    def subjects(self) -> Sequence[Tested]:
        """Return what the app measured."""
        return self._subjects

    def plan(self) -> Sequence[Step]:
        """Return a step a result, and the battery's where it was asked for."""
        steps = [Step(name, partial(self._collected, name)) for name in self._results]
        if self._config.power == "current-now":
            steps.append(Step(IDLE, self._idle))
        return steps

    def _choose(self) -> str:
        """Return the UDID of the iPhone that is meant."""
        phones = {phone["Identifier"] for phone in self._tool.phones()}
        if self._udid:
            if self._udid not in phones:
                raise DeviceLost(
                    f"{self.name}: no iPhone with that UDID is connected, {len(phones)} others "
                    "are; connect it and unlock it"
                )
            return self._udid
        if len(phones) > 1:
            raise ConfigError(
                f"{len(phones)} iPhones are connected; name one: "
                + " or ".join(f"--device ios:{udid}" for udid in sorted(phones))
            )
        if not phones:
            raise DeviceLost(
                "no iPhone is connected; connect one by cable, unlock it and tap Trust"
            )
        return phones.pop()

    def _collected(self, step: str) -> Outcome:
        return Outcome(self._results[step])

    def _idle(self) -> Outcome:
        started_at, tested = now(), self._subjects[0]
        power = sample_battery(self._tool, self._sleep)
        common = Measurement(
            name="power_idle",
            subject=tested.name,
            samples=(power.mean_power_mw,),
            unit="mW",
            kind=power.kind,
            device=self.name,
            meter=power.meter,
            versions={"ios": str(self._info.get("ProductVersion"))},
            started_at=started_at,
            conditions={"rate_hz": tested.rate_hz, "read_by": f"{COMMAND} over Wi-Fi"},
        )
        return power_measurements(power, common, "idle", None)
