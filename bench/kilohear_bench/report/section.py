"""A section of figures: its charts with their captions, and one palette for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kilohear_bench.report import svg
from kilohear_bench.report.results import Row


@dataclasses.dataclass(frozen=True)
class Mark:
    """An entry of a legend: a shape of `svg.SHAPES` in a colour class, and what it means."""

    shape: str
    colour: str
    name: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes
    ----------
    title, kinds
        What it shows, and the kind of each of its numbers.
    drawing
        SVG.
    legend
        Of this chart alone.
    """

    title: str
    kinds: tuple[str, ...]
    drawing: str
    legend: tuple[Mark, ...] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """Charts that belong together.

    Attributes
    ----------
    title
        The heading.
    lead
        How to read the charts.
    charts, legend
        What there is to see; the legend is of all charts.
    absent
        Where there is nothing to see: what would be needed.
    """

    title: str
    lead: str = ""
    charts: tuple[Chart, ...] = ()
    legend: tuple[Mark, ...] = ()
    absent: str = ""


@dataclasses.dataclass(frozen=True)
class Palette:
    """The colour of a rate and the shape of a device, the same in all charts."""

    rates_hz: tuple[int, ...]
    devices: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Palette:
        """Return the palette of all rows."""
        rates_hz = sorted({row.rate_hz for row in rows if row.rate_hz is not None})
        return cls(tuple(rates_hz), tuple(dict.fromkeys(row.device for row in rows)))

    def colour(self, rate_hz: int | None) -> str:
        """Return a rate's colour class."""
        known = rate_hz in self.rates_hz
        return f"c{self.rates_hz.index(rate_hz) % svg.COLOURS}" if known and rate_hz else "plain"

    def shape(self, device: str) -> str:
        """Return a device's shape."""
        return svg.SHAPES[self.devices.index(device) % len(svg.SHAPES)]

    def legend(self, rates_hz: Sequence[int], devices: Sequence[str]) -> tuple[Mark, ...]:
        """Return the marks of these rates and devices."""
        return (
            *(
                Mark("dot", self.colour(rate_hz), f"{rate_hz / 1000:g} kHz")
                for rate_hz in self.rates_hz
                if rate_hz in rates_hz
            ),
            *(
                Mark(self.shape(device), "plain", device)
                for device in self.devices
                if device in devices
            ),
        )
