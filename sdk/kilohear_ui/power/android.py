"""A phone's battery, from Android's BatteryManager and PowerManager through pyjnius.

It hasn't been read on a phone yet: it is tested on a desktop's JVM, against classes with the
signatures of Android's.
"""

from __future__ import annotations

import time
from typing import Any

from kilohear import android
from kilohear_ui.power import Reading
from kilohear_ui.power.calibration import Calibration

_THERMAL_LEVEL = 29
"""API level from which PowerManager tells its thermal status."""
_UNSUPPORTED = (-(1 << 31), -(1 << 63), (1 << 31) - 1, (1 << 63) - 1)
"""What a property that the phone doesn't have is: Integer's or Long's smallest; some drivers say
the largest."""


class AndroidBattery:
    """The phone's battery; see `kilohear_ui.power.Battery`. Make it in the app's main thread.

    Raises
    ------
    AudioError
        Where no app is around this Python.
    """

    meter = "CURRENT_NOW of Android's BatteryManager, times the battery's voltage"

    def __init__(self) -> None:
        self._context = android.app().getApplicationContext()
        names = android.java("android.content.Context")
        self._manager = self._context.getSystemService(names.BATTERY_SERVICE)
        self._power = self._context.getSystemService(names.POWER_SERVICE)
        self._keys = android.java("android.os.BatteryManager")
        # Sticky: asking for it with no receiver returns the last one at once.
        self._changed = android.java("android.content.IntentFilter")(
            android.java("android.content.Intent").ACTION_BATTERY_CHANGED
        )
        self._calibration = Calibration()

    @property
    def calibration(self) -> str:
        """The unit and the sign of the phone's readings."""
        return self._calibration.words

    def read(self) -> Reading | None:
        """Return a reading, from any thread; None where there is no battery."""
        intent = self._context.registerReceiver(None, self._changed)
        if intent is None or not intent.getBooleanExtra(self._keys.EXTRA_PRESENT, True):
            return None
        is_fed = intent.getIntExtra(self._keys.EXTRA_PLUGGED, 0) != 0
        level = _extra(intent, self._keys.EXTRA_LEVEL)
        scale = _extra(intent, self._keys.EXTRA_SCALE)
        millivolts = _extra(intent, self._keys.EXTRA_VOLTAGE)
        tenths = intent.getIntExtra(self._keys.EXTRA_TEMPERATURE, _UNSUPPORTED[0])
        current = self._property(self._keys.BATTERY_PROPERTY_CURRENT_NOW)
        charge = self._property(self._keys.BATTERY_PROPERTY_CHARGE_COUNTER)
        return Reading(
            at_s=time.monotonic(),
            level=level / scale if level is not None and scale else None,
            current_ma=None if current is None else self._calibration.current_ma(current, is_fed),
            voltage_v=_volts(millivolts),
            celsius=None if tenths in _UNSUPPORTED else tenths / 10,
            is_fed=is_fed,
            charge_mah=charge / 1e3 if charge else None,
            is_throttled=self._is_throttled(),
        )

    def _property(self, key: int) -> int | None:
        """Return a property; None where the phone doesn't have it."""
        value = self._manager.getLongProperty(key)
        return None if value in _UNSUPPORTED else value

    def _is_throttled(self) -> bool | None:
        if android.sdk_level() < _THERMAL_LEVEL:
            return None
        return self._power.getCurrentThermalStatus() != self._power.THERMAL_STATUS_NONE


def _extra(intent: Any, name: str) -> int | None:
    value = intent.getIntExtra(name, -1)
    return value if value >= 0 else None


def _volts(told: int | None) -> float | None:
    """Return volts of millivolts; some phones tell volts."""
    if not told:
        return None
    return told / 1e3 if told > 100 else float(told)
