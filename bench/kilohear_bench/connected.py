"""What is connected: everything that `--device` and `--meter` can be given here."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from kilohear.errors import KilohearError
from kilohear_bench.devices import Found

if TYPE_CHECKING:
    from kilohear.capture.microphone import Device

OTII_PORT = 1905


def find_all() -> dict[str, list[Found]]:
    """Return what there is, by group; a group that can't be looked for says why."""
    groups: dict[str, Callable[[], list[Found]]] = {
        "this computer": _host,
        "microphones (kilohear listen)": _microphones,
        "Android phones": _phones,
        "iPhones": _iphones,
        "what the app shared": _shared,
        "boards": _boards,
        "simulators": _simulators,
        "PPK2 (--meter)": _ppk2,
        "Joulescope (--meter)": _joulescope,
        "Otii (--meter)": _otii,
    }
    return {name: _looked(look) for name, look in groups.items()}


def _looked(look: Callable[[], list[Found]]) -> list[Found]:
    try:
        return look()
    except KilohearError as error:
        return [Found("", str(error))]


def _host() -> list[Found]:
    from kilohear_bench.machine import describe

    what = describe()
    return [Found("host", f"{what['cpu']}, {what['logical_cores']} cores, {what['system']}")]


def _microphones() -> list[Found]:
    from kilohear.capture import microphone

    found = [
        Found("microphone" if device.is_default else f"microphone:{device.name}", _rates(device))
        for device in microphone.devices()
    ]
    return found or [Found("", "no device here records; plug in a microphone")]


def _rates(device: Device) -> str:
    rates = ", ".join(f"{hz:,}" for hz in device.rates_hz) or "none of those asked for"
    return f"{device.name}, grants Hz: {rates}"


def _phones() -> list[Found]:
    from kilohear_bench.devices.android import find_phones

    return find_phones()


def _iphones() -> list[Found]:
    from kilohear_bench.devices.ios import find_iphones

    return find_iphones()


def _shared() -> list[Found]:
    """Say how a phone without a link is measured: nothing can be looked for."""
    return [Found("app:FILE", "a zip that the kilohear app shared after Profile, of any phone")]


def _boards() -> list[Found]:
    from kilohear_bench.devices.apollo3 import find_ports

    found = [Found(f"apollo3:{port.path}", port.description) for port in find_ports()]
    return found or [Found("", "no serial port; plug a board in")]


def _simulators() -> list[Found]:
    from kilohear import extras

    extras.load("unicorn")
    return [Found("apollo3-simulator", "the board's firmware in Unicorn; simulated and modelled")]


def _ppk2() -> list[Found]:
    from kilohear import extras

    ports = extras.load("ppk2_api.ppk2_api").PPK2_API.list_devices()
    found = [Found(f"ppk2:{port}", "Power Profiler Kit II") for port in ports]
    return found or [Found("", "no PPK2; plug one in")]


def _joulescope() -> list[Found]:
    from kilohear import extras

    devices = extras.load("joulescope").scan()
    # Its words end in the serial number, which is how `open_meter` finds it.
    found = [Found(f"joulescope:{str(d).rpartition(':')[2]}", str(d)) for d in devices]
    return found or [Found("", "no Joulescope; plug one in")]


def _otii() -> list[Found]:
    """Say whether the Otii program's server listens here; what hangs on it the server knows."""
    address = ("127.0.0.1", OTII_PORT)
    try:
        socket.create_connection(address, timeout=0.2).close()
    except OSError:
        return [Found("", f"no Otii server on port {OTII_PORT}; start the Otii program's server")]
    return [Found("otii", f"the Otii program's server, port {OTII_PORT}")]
