"""Which device a name means."""

from __future__ import annotations

from kilohear.errors import ConfigError
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Device


def open_device(spec: str, config: BenchConfig) -> Device:
    """Return a device, not yet connected; raises ConfigError naming those there are."""
    kind, _, _address = spec.partition(":")
    if kind == "host" and spec == kind:
        from kilohear_bench.devices.host import Host

        return Host(config)
    if kind in ("apollo3", "apollo3-simulator"):
        from kilohear_bench.board.device import BoardDevice

        return BoardDevice(spec, config)
    if kind == "adb":
        from kilohear_bench.devices.android import Android

        return Android(spec, config)
    if kind == "ios":
        from kilohear_bench.devices.ios import Ios

        return Ios(spec, config)
    if kind == "app":
        from kilohear_bench.devices.app import SharedApp

        return SharedApp(spec, config)
    raise ConfigError(
        f"device {spec!r} is unknown; use host, apollo3-simulator, apollo3[:PORT], adb[:SERIAL], "
        "ios[:UDID] or app:FILE"
    )
