"""A powercap tree of two packages and what isn't one, whose counters a fake clock advances."""

from __future__ import annotations

from pathlib import Path

RANGE_UJ = 1_000_000
"""Small, so that counters wrap around in seconds."""


class Powercap:
    """A computer's packages.

    Parameters
    ----------
    root
        An empty folder for the tree.
    watts
        Of each package that does nothing.
    range_uj
        Where the counters wrap around.
    """

    def __init__(
        self,
        root: Path,
        watts: tuple[float, ...] = (2.0, 1.0),
        range_uj: int = RANGE_UJ,
    ) -> None:
        self.root, self.watts, self.now_s = root, watts, 0.0
        self._range_uj = range_uj
        self._counted = [range_uj - 1.0 for _ in watts]
        for i in range(len(watts)):
            self._zone(f"intel-rapl:{i}", f"package-{i}")
            self._zone(f"intel-rapl:{i}:0", "core")
        self._zone(f"intel-rapl:{len(watts)}", "psys")
        self._zone("intel-rapl-mmio:0", "package-0")
        (root / "intel-rapl").mkdir()
        self._write()

    def pass_time(self, seconds: float, times: float = 1.0) -> None:
        """Let time pass at so many times the packages' power."""
        self.now_s += seconds
        for i, watts in enumerate(self.watts):
            self._counted[i] = (self._counted[i] + 1e6 * times * watts * seconds) % self._range_uj
        self._write()

    def clock(self) -> float:
        """Return the time in s."""
        return self.now_s

    def _zone(self, folder: str, name: str) -> None:
        (self.root / folder).mkdir()
        (self.root / folder / "name").write_text(f"{name}\n")
        (self.root / folder / "energy_uj").write_text("7\n")
        (self.root / folder / "max_energy_range_uj").write_text(f"{self._range_uj}\n")

    def _write(self) -> None:
        for i, counted in enumerate(self._counted):
            file = self.root / f"intel-rapl:{i}" / "energy_uj"
            file.write_text(f"{round(counted) % self._range_uj}\n")
