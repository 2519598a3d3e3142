"""An iPhone's battery, against objects that follow pyobjus 1.2.4."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sdk.apple import Pyobjus, compile_toolbox

from kilohear.objc import Objc
from kilohear_ui.power.ios import IosBattery


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_toolbox(tmp_path_factory.mktemp("apple"))


class Device:
    """UIDevice: it tells nothing until its battery is watched."""

    def __init__(self, state: int = 1, level: float = 0.75, as_methods: bool = False) -> None:
        self._told = {"batteryState": state, "batteryLevel": level}
        self._as_methods = as_methods
        self.batteryMonitoringEnabled: Any = False

    def setBatteryMonitoringEnabled_(self, wanted: bool) -> None:  # noqa: N802
        self.batteryMonitoringEnabled = wanted

    def __getattr__(self, name: str) -> Any:
        unknown = {"batteryState": 0, "batteryLevel": -1.0}
        value = (self._told if self.batteryMonitoringEnabled else unknown)[name]
        return (lambda: value) if self._as_methods else value


def battery(toolbox: ctypes.CDLL, device: Device, thermal: int = 0) -> IosBattery:
    info = SimpleNamespace(thermalState=thermal)
    classes = Pyobjus(
        UIDevice=SimpleNamespace(currentDevice=lambda: device),
        NSProcessInfo=SimpleNamespace(processInfo=lambda: info),
    )
    return IosBattery(Objc(classes, toolbox))


@pytest.mark.parametrize("as_methods", [False, True])
def test_level_and_cable_are_told_and_no_current(toolbox: ctypes.CDLL, as_methods: bool) -> None:
    reading = battery(toolbox, Device(as_methods=as_methods)).read()
    assert reading is not None
    assert (reading.level, reading.is_fed, reading.is_throttled) == (0.75, False, False)
    assert (reading.current_ma, reading.voltage_v, reading.celsius) == (None, None, None)


@pytest.mark.parametrize("state", [2, 3])
def test_a_cable_is_seen(toolbox: ctypes.CDLL, state: int) -> None:
    reading = battery(toolbox, Device(state)).read()
    assert reading is not None
    assert reading.is_fed


@pytest.mark.parametrize(("thermal", "slowed"), [(0, False), (1, False), (2, True), (3, True)])
def test_heat_is_told(toolbox: ctypes.CDLL, thermal: int, slowed: bool) -> None:
    reading = battery(toolbox, Device(), thermal).read()
    assert reading is not None
    assert reading.is_throttled is slowed


def test_where_ios_doesn_t_know_there_is_no_battery(toolbox: ctypes.CDLL) -> None:
    assert battery(toolbox, Device(0)).read() is None
