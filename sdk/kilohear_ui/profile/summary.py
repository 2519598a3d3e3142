"""The summary: a profile's finished steps as a table that a person can read."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping

import numpy as np

from kilohear_ui.profile.records import Kept, Measurement, Profile


@dataclasses.dataclass(frozen=True)
class Row:
    """One subject; None: not measured yet, or not told here.

    Attributes
    ----------
    subject, rate_hz
        Which.
    latency_ms, latency_p95_ms
        Of a window: measured.
    idle_mw, microphone_mw, listening_mw, inference_mw
        Of the whole device, median over stretches: measured.
    above_idle_mw
        Listening less idle, median over rounds: of measured values.
    window_mj
        A window's energy back to back, of the whole device: measured.
    hours
        How long a full battery would last while it listens with the screen on: modelled, from the
        charge that its gauge tells.
    celsius
        The highest: measured.
    """

    subject: str
    rate_hz: int
    latency_ms: float | None = None
    latency_p95_ms: float | None = None
    idle_mw: float | None = None
    microphone_mw: float | None = None
    listening_mw: float | None = None
    inference_mw: float | None = None
    above_idle_mw: float | None = None
    window_mj: float | None = None
    hours: float | None = None
    celsius: float | None = None


def summarise(profile: Profile, steps: Mapping[str, Kept]) -> list[Row]:
    """Return a row a subject that has something to show, lowest rate first."""
    found: dict[str, list[Measurement]] = {subject: [] for subject in profile.subjects}
    for kept in steps.values():
        for measurement in kept.measurements:
            found[measurement.subject].append(measurement)
    rows = [_row(subject, measured) for subject, measured in found.items() if measured]
    return sorted(rows, key=lambda row: (row.rate_hz, row.subject))


def _row(subject: str, measured: list[Measurement]) -> Row:
    latency_ms = _samples(measured, "latency")
    powers = {
        state: _median(_samples(measured, f"power_{state}"))
        for state in ("idle", "microphone", "listening", "inference")
    }
    celsius = _samples(measured, "temperature")
    return Row(
        subject=subject,
        rate_hz=measured[0].conditions["rate_hz"],
        latency_ms=_median(latency_ms),
        latency_p95_ms=float(np.percentile(latency_ms, 95)) if latency_ms else None,
        idle_mw=powers["idle"],
        microphone_mw=powers["microphone"],
        listening_mw=powers["listening"],
        inference_mw=powers["inference"],
        above_idle_mw=_above_idle(measured),
        window_mj=_median(_samples(measured, "window_energy")),
        hours=_hours(measured),
        celsius=max(celsius) if celsius else None,
    )


def _above_idle(measured: list[Measurement]) -> float | None:
    """Pair the stretches of a round: what drifts from round to round is in both."""
    idle, listening = (
        {m.conditions["turn"]: m.samples[0] for m in measured if m.name == f"power_{state}"}
        for state in ("idle", "listening")
    )
    return _median([listening[turn] - idle[turn] for turn in listening if turn in idle])


def _hours(measured: list[Measurement]) -> float | None:
    """Return the energy of a full battery over the power of listening."""
    hours = []
    for m in measured:
        told = m.conditions
        if m.name != "power_listening" or "battery_charge_mah" not in told:
            continue
        level = told.get("battery_level", [0])[-1]
        if level > 0:
            full_mah = told["battery_charge_mah"][-1] / level
            hours.append(full_mah * statistics.mean(told["battery_voltage_v"]) / m.samples[0])
    return _median(hours)


def _samples(measured: Iterable[Measurement], name: str) -> list[float]:
    return [sample for m in measured if m.name == name for sample in m.samples]


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
