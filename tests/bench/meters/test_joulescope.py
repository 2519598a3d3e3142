"""The library's own device and stream buffer, over a stand-in of its native USB driver.

USB itself can't be faked here: what the native driver does with an instrument isn't tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kilohear_bench.meters import MeterError, windows_of
from kilohear_bench.meters.joulescope import Joulescope

DeviceJs220 = pytest.importorskip(
    "joulescope.v1.js220", reason="the extra joulescope isn't installed"
).DeviceJs220

PATH = "u/js220/000123"
_SIGNALS = {
    "s/i/": (1, 0),
    "s/v/": (2, 0),
    "s/p/": (3, 0),
    "s/i/range/": (4, 0),
    "s/gpi/0/": (5, 0),
    "s/gpi/1/": (5, 1),
}


class FakeDriver:
    """Publishes what a test gives it to whoever subscribed to an instrument's signals."""

    def __init__(self, busy: bool = False) -> None:
        self.busy = busy
        self.published: list[tuple[str, Any]] = []
        self._listeners: dict[str, Any] = {}
        self._index = 0

    def open(self, path: str, mode: Any = None, timeout: Any = None) -> int:
        if self.busy:
            raise RuntimeError("jsdrv_open failed: 5 IN_USE")
        return 0

    def close(self, path: str, timeout: Any = None) -> int:
        return 0

    def publish(self, topic: str, value: Any, timeout: Any = None) -> None:
        self.published.append((topic, value))

    def query(self, topic: str, timeout: Any = None) -> int:
        return 1 << 24 | 2 << 16 | 3

    def subscribe(self, topic: str, flags: Any, fn: Any, timeout: Any = None) -> None:
        self._listeners[topic.removeprefix(f"{PATH}/")] = fn

    def unsubscribe(self, topic: str, fn: Any, timeout: Any = None) -> None:
        self._listeners.pop(topic.removeprefix(f"{PATH}/"), None)

    def send(self, current_ma: np.ndarray, level: np.ndarray, volt: np.ndarray) -> None:
        """Send a multiple of 8 samples at 100 kHz, each signal as its own message."""
        current = (current_ma / 1e3).astype(np.float32)
        volts = volt.astype(np.float32)
        bits = np.packbits(level.astype(np.uint8), bitorder="little")
        data = {
            "s/i/": current,
            "s/v/": volts,
            "s/p/": current * volts,
            "s/i/range/": np.zeros(len(current), np.uint8),
            "s/gpi/0/": bits,
            "s/gpi/1/": np.zeros_like(bits),
        }
        for topic, (field, index) in _SIGNALS.items():
            self._listeners[f"{topic}!data"](
                topic,
                {
                    "field_id": field,
                    "index": index,
                    "sample_id": self._index * 10,
                    "sample_rate": 1_000_000,
                    "decimate_factor": 10,
                    "data": data[topic],
                },
            )
        self._index += len(current)

    def lose(self, samples: int) -> None:
        """Let samples pass that nobody gets."""
        self._index += samples


def meter_at(driver: FakeDriver, monkeypatch: Any, **options: Any) -> Joulescope:
    device = DeviceJs220(driver, PATH)
    monkeypatch.setattr("joulescope.scan", lambda: [device])
    return Joulescope(clock_tolerance=None, **options)


def send(driver: FakeDriver, *stretches: tuple[int, float, int], volt: float = 3.3) -> None:
    for samples, current, level in stretches:
        driver.send(
            np.full(samples, current), np.full(samples, level), np.full(samples, volt, float)
        )


def test_gated_windows_are_recovered(monkeypatch):
    driver = FakeDriver()
    with meter_at(driver, monkeypatch) as meter:
        meter.start()
        send(driver, (800, 0.5, 0), (1600, 4.0, 1), (800, 0.5, 0), (2400, 2.0, 1), (800, 0.5, 0))
        recording = meter.stop()
    assert recording.device == "JS220-000123"
    assert recording.firmware == "1.2.3"
    windows = windows_of(recording, 0)
    assert [window.samples for window in windows.active] == [1600, 2400]
    assert windows.active[0].current_ma == pytest.approx(4.0, rel=1e-6)
    assert windows.active[0].energy_uj == pytest.approx(4.0 * 3.3 * 16, rel=1e-6)


def test_samples_lost_on_usb_are_gaps(monkeypatch):
    driver = FakeDriver()
    with meter_at(driver, monkeypatch) as meter:
        meter.start()
        send(driver, (800, 0.5, 0), (800, 4.0, 1))
        driver.lose(240)
        send(driver, (800, 4.0, 1), (800, 0.5, 0), (800, 4.0, 1), (800, 0.5, 0))
        recording = meter.stop()
    assert [(gap.index, gap.missing) for gap in recording.gaps] == [(1599, 240)]
    windows = windows_of(recording, 0)
    assert [window.samples for window in windows.active] == [800]
    assert windows.damaged[0][1] == "240 samples lost"


def test_a_meter_that_stops_keeps_its_finished_windows(monkeypatch):
    driver = FakeDriver()
    with meter_at(driver, monkeypatch, stall_s=0.0) as meter:
        meter.start()
        send(driver, (800, 0.5, 0), (800, 4.0, 1), (800, 0.5, 0), (800, 4.0, 1))
        with pytest.raises(MeterError, match="stopped sampling") as error:
            meter.stop()
    assert error.value.recording is not None
    assert len(windows_of(error.value.recording, 0).active) == 1


def test_a_device_that_vanishes_is_reported(monkeypatch):
    driver = FakeDriver()
    with meter_at(driver, monkeypatch) as meter:
        meter.start()
        send(driver, (800, 0.5, 0), (800, 4.0, 1), (800, 0.5, 0))
        meter._device.stop()  # what the library does where its driver loses the instrument
        with pytest.raises(MeterError, match="stopped by itself") as error:
            meter.stop()
    assert error.value.recording is not None


def test_a_sagging_supply_is_a_brown_out(monkeypatch):
    driver = FakeDriver()
    with meter_at(driver, monkeypatch) as meter:
        meter.start()
        send(driver, (800, 5.0, 0))
        send(driver, (800, 5.0, 0), volt=2.2)
        with pytest.raises(MeterError, match="brown-out") as error:
            meter.stop()
    assert error.value.recording is not None
    assert error.value.recording.fault == "brown-out"


def test_missing_busy_and_other_instruments_are_told_apart(monkeypatch):
    monkeypatch.setattr("joulescope.scan", list)
    with pytest.raises(MeterError, match="found: none"):
        Joulescope().open()
    with pytest.raises(MeterError, match="can't be opened"):
        meter_at(FakeDriver(busy=True), monkeypatch).open()
    with pytest.raises(MeterError, match="000999 wanted, found: JS220-000123"):
        meter_at(FakeDriver(), monkeypatch, serial_number="000999").open()
    with pytest.raises(MeterError, match="refuses its settings"):
        meter_at(FakeDriver(), monkeypatch, rate_hz=123).open()
