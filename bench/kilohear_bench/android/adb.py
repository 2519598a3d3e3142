"""The link: a phone through the adb server, by adbutils; every loss is a DeviceLost in words."""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kilohear import extras
from kilohear.errors import ConfigError, KilohearError
from kilohear_bench.android.phone import Shell
from kilohear_bench.devices import DeviceLost

STATES = {
    "unauthorized": "allow USB debugging on its screen",
    "authorizing": "allow USB debugging on its screen",
    "offline": "unplug it and plug it in again, or run adb reconnect",
    "no permissions": "install adb's udev rules (Debian: android-sdk-platform-tools-common)",
    "recovery": "reboot it",
    "sideload": "reboot it",
    "bootloader": "reboot it",
}
"""What to do where adb lists a phone in another state than `device`."""

_TRANSFER_S = 60.0
"""The longest that a transfer may stand still."""

_POLL_S = 0.5
_SPARE_BYTES = 16 * 2**20
"""What is left free on a phone: a full one misbehaves."""


def server_address() -> tuple[str, int]:
    """Return host and port of the adb server, as adb finds them.

    `ADB_SERVER_SOCKET` (tcp:HOST:PORT or tcp:PORT) goes before `ANDROID_ADB_SERVER_ADDRESS` and
    `ANDROID_ADB_SERVER_PORT`.

    Raises
    ------
    ConfigError
        Where one of them is no such address.
    """
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or "127.0.0.1"
    port = os.environ.get("ANDROID_ADB_SERVER_PORT") or "5037"
    named = os.environ.get("ADB_SERVER_SOCKET")
    if named:
        kind, _, address = named.partition(":")
        named_host, _, port = address.rpartition(":")
        host = named_host or "127.0.0.1"
        if kind != "tcp" or not port.isdigit():
            raise ConfigError(f"ADB_SERVER_SOCKET is {named!r}; give tcp:HOST:PORT")
    if not port.isdigit():
        raise ConfigError(f"ANDROID_ADB_SERVER_PORT is {port!r}; give a number")
    return host, int(port)


def listed() -> list[tuple[str, str, str]]:
    """Return (serial, state, model) of every phone that the adb server lists.

    Raises
    ------
    DeviceLost
        Where no adb server answers: none is started from here.
    """
    with _link("adb"), _client().make_connection(_TRANSFER_S) as connection:
        connection.send_command("host:devices-l")
        connection.check_okay()
        lines = connection.read_string_block().splitlines()
    found = []
    for line in lines:
        # "SERIAL  no permissions (user in plugdev group?); see [...] usb:1-1 model:X"
        serial, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        state = "no permissions" if rest.startswith("no permissions") else rest.partition(" ")[0]
        model = re.search(r"\bmodel:(\S+)", rest)
        found.append((serial, state, model[1].replace("_", " ") if model else "Android device"))
    return found


def find_serial(spec: str) -> str:
    """Return the serial of the phone that `adb` or `adb:SERIAL` names, in state `device`.

    An address HOST:PORT that isn't listed is connected to first, as `adb connect` does.

    Raises
    ------
    DeviceLost
        Where there is none, it can't be used, or `adb` alone could mean several.
    """
    _, _, wanted = spec.partition(":")
    wanted = wanted or os.environ.get("ANDROID_SERIAL", "")
    phones = {serial: state for serial, state, _ in listed()}
    if wanted and wanted not in phones and re.fullmatch(r".+:\d+", wanted):
        _connect(wanted)
        phones = {serial: state for serial, state, _ in listed()}
    if not wanted:
        usable = [serial for serial, state in phones.items() if state == "device"]
        if len(usable) > 1:
            raise DeviceLost(
                f"adb: {len(usable)} phones are connected; name one: --device adb:SERIAL, as adb "
                "devices lists them"
            )
        wanted = next(iter(usable or phones), "")
    if wanted not in phones:
        raise DeviceLost(
            f"{spec}: no such phone is connected; plug it in with USB debugging on, and look at "
            "adb devices"
        )
    if phones[wanted] != "device":
        state = phones[wanted]
        raise DeviceLost(
            f"{spec}: the phone is {state}; {STATES.get(state, 'look at adb devices')}"
        )
    return wanted


class AdbPhone:
    """A phone over adb; see `kilohear_bench.android.phone.Phone`.

    Parameters
    ----------
    serial
        As adb lists it.
    name
        What messages call it.
    """

    def __init__(self, serial: str, name: str = "adb") -> None:
        self._serial = serial
        self._name = name
        self._device: Any = None

    @property
    def serial(self) -> str:
        """As adb lists it; for the person at the desk only, never in a result."""
        return self._serial

    def shell(self, command: str, timeout_s: float = 30.0) -> Shell:
        """Run a command; DeviceLost where the link breaks or it is silent for `timeout_s`."""
        with _link(self._name):
            done = self._reached().shell2(command, timeout=timeout_s, v2=True)
        return Shell(done.stdout, done.stderr, done.returncode)

    def push(self, data: bytes, remote: str) -> None:
        """Write a file on the phone, its folder made, and compare its SHA-256 there."""
        self.shell(f"mkdir -p {shlex.quote(posixpath.dirname(remote))}")
        free = self.free_bytes(remote)
        if free < len(data) + _SPARE_BYTES:
            raise KilohearError(
                f"{self._name}: {free / 2**20:.0f} MB are free, {remote} takes "
                f"{len(data) / 2**20:.1f} MB and {_SPARE_BYTES // 2**20} MB are to stay free; free "
                "some space on the phone"
            )
        with _link(self._name, f"{remote} can't be written", remote):
            self._reached().sync.push(io.BytesIO(data), remote)
        arrived = self.sha256_of(remote)
        if arrived != hashlib.sha256(data).hexdigest():
            raise KilohearError(
                f"{self._name}: {remote} isn't what was sent (SHA-256 {arrived}); check cable and "
                "storage, then resume the run"
            )

    def pull(self, remote: str) -> bytes:
        """Return what a file on the phone holds; KilohearError where there is no such file."""
        with _link(self._name, f"{remote} can't be read", remote):
            return self._reached().sync.read_bytes(remote)

    def sha256_of(self, remote: str) -> str | None:
        """Return the SHA-256 of a file on the phone; None where there is no such file."""
        done = self.shell(f"sha256sum {shlex.quote(remote)}", timeout_s=_TRANSFER_S)
        return done.output.partition(" ")[0] if done.code == 0 else None

    def free_bytes(self, remote: str) -> int:
        """Return how many bytes are free where a file would lie."""
        done = self.shell(f"df -k {shlex.quote(posixpath.dirname(remote))}")
        rows = [line.split() for line in done.output.splitlines()]
        try:
            return 1024 * int(rows[-1][rows[0].index("Available")])
        except (IndexError, ValueError):
            raise KilohearError(
                f"{self._name}: df doesn't say what is free ({done.output or done.error!r:.200}); "
                "look at the phone's storage"
            ) from None

    def boot_id(self) -> str:
        """Return what differs after each start of the phone."""
        return self.shell("cat /proc/sys/kernel/random/boot_id").output.strip()

    def reconnect(self, timeout_s: float) -> None:
        """Wait until the phone answers again; DeviceLost where it doesn't in `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                find_serial(f"adb:{self._serial}")
                self.boot_id()
                return
            except DeviceLost as error:
                if time.monotonic() > end:
                    raise DeviceLost(
                        f"{self._name}: not back within {timeout_s:g} s; plug it in, unlock it, "
                        "then resume the run"
                    ) from error
            time.sleep(_POLL_S)

    def _reached(self) -> Any:
        """Return adbutils' device; it asks for the phone's features once."""
        client = _client()
        if self._device is None:
            device = client.device(self._serial)
            if "shell_v2" not in device.get_features().split(","):
                raise KilohearError(
                    f"{self._name}: its adb has no shell protocol 2, which tells errors from "
                    "output; it needs Android 7 or later"
                )
            self._device = device
        return self._device


def _client() -> Any:
    """Return adbutils' client, where a server answers: else it would start one by itself."""
    host, port = server_address()
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        raise DeviceLost(
            f"adb: no adb server answers at {host}:{port}; start it: adb start-server"
        ) from None
    return extras.load("adbutils").AdbClient(host, port, socket_timeout=_TRANSFER_S)


def _connect(address: str) -> None:
    with _link(f"adb:{address}"):
        _client().connect(address, timeout=_TRANSFER_S)


@contextmanager
def _link(name: str, what: str = "", remote: str | None = None) -> Iterator[None]:
    """Turn what breaks in adbutils into the bench's errors.

    In a transfer of `remote` it is `what` that fails where the phone refuses: adbutils raises
    AdbError("FAIL") for a push, AdbError(words, path) for a pull. All else is the link's.
    """
    errors = extras.load("adbutils").errors
    try:
        yield
    except (errors.AdbTimeout, TimeoutError):
        raise DeviceLost(f"{name}: the phone doesn't answer; plug it in again") from None
    except errors.AdbError as error:
        said = str(error.args[0] if error.args else error).strip().partition("\n")[0]
        for state, step in STATES.items():
            if state in said:
                raise DeviceLost(f"{name}: the phone is {state}; {step}") from None
        if remote is not None and (error.args == ("FAIL",) or error.args[1:] == (remote,)):
            raise KilohearError(f"{name}: {what} ({said}); look at the phone's storage") from None
        raise DeviceLost(f"{name}: the link broke ({said or 'closed'}); plug it in again") from None
    except (OSError, EOFError) as error:
        raise DeviceLost(f"{name}: the link broke ({error}); plug it in again") from None
