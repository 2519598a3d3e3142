"""An iPhone's battery, from UIDevice and NSProcessInfo through pyobjus.

iOS tells apps no current: no energy is measured there by the app. The bench can sample one over
Wi-Fi (`kilohear bench --device ios --power current-now`). It hasn't been read on an iPhone yet: it
is tested against objects that follow pyobjus 1.2.4.
"""

from __future__ import annotations

import time

from kilohear import objc
from kilohear.objc import Objc
from kilohear_ui.power import Reading

_UNPLUGGED, _CHARGING, _FULL = 1, 2, 3
"""UIDeviceBatteryState; 0 is unknown, as in the simulator."""
_SERIOUS = 2
"""NSProcessInfoThermalState from which iOS slows the device down."""


class IosBattery:
    """The device's battery; see `kilohear_ui.power.Battery`.

    Parameters
    ----------
    system
        The system's classes; None: those of this device.
    """

    meter = "UIDevice, which tells no current"
    calibration = ""

    def __init__(self, system: Objc | None = None) -> None:
        self._system = system

    def read(self) -> Reading | None:
        """Return a reading, without current, voltage and temperature; None: iOS doesn't know."""
        if self._system is None:
            self._system = Objc()
        with self._system.calls():
            (devices,) = self._system.load("UIKit", "UIDevice")
            (processes,) = self._system.load("Foundation", "NSProcessInfo")
            device = devices.currentDevice()
            if not objc.read(device, "batteryMonitoringEnabled"):
                device.setBatteryMonitoringEnabled_(True)
            state = objc.read(device, "batteryState")
            level = objc.read(device, "batteryLevel")
            thermal = objc.read(processes.processInfo(), "thermalState")
        if state not in (_UNPLUGGED, _CHARGING, _FULL):
            return None
        return Reading(
            at_s=time.monotonic(),
            level=level if level >= 0 else None,
            current_ma=None,
            voltage_v=None,
            celsius=None,
            is_fed=state != _UNPLUGGED,
            is_throttled=thermal >= _SERIOUS,
        )
