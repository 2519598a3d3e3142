"""The battery read over and over by a loop on the phone: no transport is in its times."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import FOLDER, PowerError
from kilohear_bench.meters.android.battery import Battery, Discharge, find_node

_LONGEST_S = 2 * 3600.0
_MAX_GAP = 0.1


class Sampler:
    """Reads integers on the phone every `period_s`, each line with the phone's time since boot.

    Parameters
    ----------
    phone
        Connected.
    readings
        Shell words for each value: they must end in one integer on standard output.
    period_s
        From the end of a reading to the next.
    """

    def __init__(self, phone: Phone, readings: Sequence[str], period_s: float) -> None:
        self._phone, self._readings, self._period_s = phone, tuple(readings), period_s
        self._run = ""

    def start(self) -> None:
        """Begin; a loop that a killed process left behind ends."""
        self._run = f"{FOLDER}/run-{secrets.token_hex(4)}"
        values = " ".join(f"$({reading})" for reading in self._readings)
        loop = (
            f"n=0; while [ -e {self._run} ] && [ $n -lt {_LONGEST_S / self._period_s:.0f} ]; do "
            f'read t x < /proc/uptime; echo "$t {values}"; sleep {self._period_s:g}; '
            "n=$((n+1)); done"
        )
        said = self._phone.shell(
            f"mkdir -p {FOLDER} && rm -f {FOLDER}/run-* {self._output} && touch {self._run} && "
            f"{{ nohup sh -c '{loop}' > {self._output} 2>/dev/null < /dev/null & }}"
        )
        if said.code != 0:
            raise PowerError(
                f"{FOLDER}: the phone's shell can't write there ({said.error.strip()}); free "
                "some space on it"
            )

    def stop(self) -> NDArray[np.float64]:
        """End and return what was read: shape (samples, 1 + readings), the phone's time in s first.

        Raises
        ------
        PowerError
            Where fewer than two lines came, or the phone slept in between.
        """
        said = self._phone.shell(f"rm -f {self._run}; sleep {self._period_s:g}; cat {self._output}")
        self._run = ""
        rows = []
        for line in said.output.splitlines():
            try:
                row = [float(word) for word in line.split()]
            except ValueError:
                continue
            if len(row) == 1 + len(self._readings):
                rows.append(row)
        if len(rows) < 2:
            raise PowerError(
                f"{len(rows)} readings of the battery came ({said.output!r:.80}); measure a "
                "longer stretch"
            )
        table = np.array(rows)
        gaps, length_s = np.diff(table[:, 0]), table[-1, 0] - table[0, 0]
        if gaps.max() > max(_MAX_GAP * length_s, 10 * self._period_s):
            raise PowerError(
                f"no reading for {gaps.max():.3g} of {length_s:.3g} s: the phone slept; keep it "
                "awake"
            )
        return table

    def abort(self) -> None:
        """End without readings; safe to call again."""
        if self._run:
            self._phone.shell(f"rm -f {self._run}")
        self._run = ""

    @property
    def _output(self) -> str:
        return f"{FOLDER}/readings.txt"


@dataclasses.dataclass(frozen=True, eq=False)
class Sampled:
    """What was read over a stretch.

    Attributes
    ----------
    time_s
        The phone's time since boot, shape (samples,).
    readings
        Raw, shape (samples,).
    voltage_v
        Of the battery, shape (samples,): read beside, or drawn from before to after.
    conditions
        Of the battery, and what was read where.
    """

    time_s: NDArray[np.float64]
    readings: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    conditions: dict[str, Any]


class SampledBattery:
    """What the sources have in common that read one value of the battery over a stretch.

    Parameters
    ----------
    phone
        Connected.
    sleep
        Waits.
    period_s
        See `Sampler`.
    """

    def __init__(self, phone: Phone, sleep: Callable[[float], None], period_s: float) -> None:
        self._phone, self._sleep, self._period_s = phone, sleep, period_s
        self._discharge = Discharge(phone, sleep)
        self._sampler: Sampler | None = None
        self._reading = self._voltage = ""

    def start(self) -> None:
        """Begin a stretch; raises PowerError where the phone charges or can't be read."""
        try:
            self._reading = self._find(self._discharge.begin())
            voltage = find_node(self._phone, "voltage_now")
            readings = [self._reading]
            if voltage is not None:
                readings.append(f"cat {voltage}")
            self._voltage = voltage or "dumpsys battery, before and after"
            self._sampler = Sampler(self._phone, readings, self._period_s)
            self._sampler.start()
        except PowerError:
            self.abort()
            raise

    def abort(self) -> None:
        """End a stretch without figures."""
        if self._sampler is not None:
            self._sampler.abort()
        self._sampler = None
        self._discharge.abort()

    def _find(self, battery: Battery) -> str:
        """Return the shell words that read the value; raises PowerError where none do."""
        raise NotImplementedError

    def _end(self) -> Sampled:
        assert self._sampler is not None, "stop without start"
        try:
            table = self._sampler.stop()
            conditions = self._discharge.end()
        finally:
            self.abort()
        before_v, after_v = conditions["battery_voltage_v"]
        return Sampled(
            time_s=table[:, 0],
            readings=table[:, 1],
            voltage_v=table[:, 2] / 1e6
            if table.shape[1] > 2
            else np.linspace(before_v, after_v, len(table)),
            conditions={**conditions, "read": self._reading, "voltage": self._voltage},
        )
