"""RAPL: the energy of the processor's packages, as Linux's powercap tells it.

A domain is a folder `intel-rapl:N` with `name`, `energy_uj` and `max_energy_range_uj` (Linux,
Documentation/power/powercap/powercap.rst); AMD's processors show up under the same name. A package
is the whole chip: cores, caches, graphics, memory controller. Its parts (core, uncore, dram) and
the platform (psys) are left out, so that nothing counts twice. It isn't the computer: memory,
disk, screen and power supply aren't in it; and whatever else runs on the processor is.

The counter moves about every millisecond: stretches must be long against that.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from kilohear_bench.meters import MeterError

POWERCAP = Path("/sys/class/powercap")
METER = "RAPL package"

_MOVES_WITHIN_S = 0.1


@dataclasses.dataclass(frozen=True)
class Stretch:
    """What was spent over a stretch of time.

    Attributes
    ----------
    energy_mj
        Of all packages, mJ.
    time_s
        How long it took, s.
    calls
        How often the call was made; 0 of an idle one.
    """

    energy_mj: float
    time_s: float
    calls: int

    @property
    def power_mw(self) -> float:
        """Mean power, mW."""
        return self.energy_mj / self.time_s


def spent_uj(before_uj: int, after_uj: int, range_uj: int) -> int:
    """Return what a counter counted that wraps around at most once, at `range_uj`."""
    return after_uj - before_uj + (range_uj if after_uj < before_uj else 0)


class Rapl:
    """The packages' energy counters.

    Parameters
    ----------
    root
        Where powercap's domains are.
    clock, sleep
        Seconds, and what waits for so many.
    """

    def __init__(
        self,
        root: Path = POWERCAP,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root, self._clock, self._sleep = root, clock, sleep
        self._ranges_uj: dict[Path, int] = {}

    def open(self) -> None:
        """Find the packages.

        Raises
        ------
        MeterError
            Where there is none, it may not be read, or it doesn't count.
        """
        packages = [
            folder
            for folder in sorted(self._root.glob("intel-rapl:*"))
            if (folder / "name").is_file() and _text(folder / "name").startswith("package")
        ]
        if not packages:
            raise MeterError(
                f"no RAPL: {self._root} holds no package; it takes Linux on an Intel or AMD "
                "processor that isn't virtual, with the module intel_rapl_msr loaded"
            )
        self._ranges_uj = {
            folder: int(_text(folder / "max_energy_range_uj")) for folder in packages
        }
        before = self._read_uj()
        self._sleep(_MOVES_WITHIN_S)
        if self._read_uj() == before:
            raise MeterError(
                f"RAPL: {self._root}'s packages count nothing in {_MOVES_WITHIN_S:g} s, as on "
                "virtual machines; measure on the machine itself"
            )

    def idle(self, seconds: float) -> Stretch:
        """Do nothing for `seconds`."""
        return self._stretch(seconds, None)

    def during(self, call: Callable[[], object], seconds: float) -> Stretch:
        """Make a call again and again until `seconds` are over; once at least, always whole."""
        return self._stretch(seconds, call)

    def _stretch(self, seconds: float, call: Callable[[], object] | None) -> Stretch:
        before = self._read_uj()
        started_s, calls = self._clock(), 0
        if call is None:
            self._sleep(seconds)
        while call is not None and (not calls or self._clock() < started_s + seconds):
            call()
            calls += 1
        after = self._read_uj()
        time_s = self._clock() - started_s
        spent = sum(
            spent_uj(before[folder], after[folder], range_uj)
            for folder, range_uj in self._ranges_uj.items()
        )
        return Stretch(spent / 1e3, time_s, calls)

    def _read_uj(self) -> dict[Path, int]:
        return {folder: int(_text(folder / "energy_uj")) for folder in self._ranges_uj}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except PermissionError:
        raise MeterError(
            f"RAPL: {file} is for root only; allow it until the next start with: sudo chmod a+r "
            f"{file.parent.parent}/intel-rapl:*/energy_uj (then every program on this computer "
            "can watch its power, which CVE-2020-8694 is about), or leave energy out"
        ) from None
    except OSError as error:
        raise MeterError(f"RAPL: {file} can't be read ({error.strerror}); try again") from None
