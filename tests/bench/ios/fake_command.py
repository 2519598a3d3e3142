"""A `pymobiledevice3` on PATH that answers as version 11.45.0 does, from what a test wrote.

Options, JSON shapes, log lines and error texts are that version's; the values are made up.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

UDID = "00008110-000A1B2C3D4E801E"
OTHER = "00008101-00112233445566AA"
PHONE = {
    "BuildVersion": "21F90",
    "ConnectionType": "Network",
    "DeviceClass": "iPhone",
    "DeviceName": "Ada's iPhone",
    "Identifier": UDID,
    "ProductType": "iPhone14,5",
    "ProductVersion": "17.5.1",
    "UniqueDeviceID": UDID,
}
INFO = {
    **PHONE,
    "CPUArchitecture": "arm64e",
    "SerialNumber": "F2LXYZ",
    "WiFiAddress": "a4:00:00:00:00:01",
}
BATTERY = {
    "AppleRawCurrentCapacity": 2105,
    "CurrentCapacity": 71,
    "ExternalConnected": False,
    "InstantAmperage": -212,
    "IsCharging": False,
    "Temperature": 2861,
    "UpdateTime": 1732464000,
    "Voltage": 3912,
}

SCRIPT = """#!{python}
import json, pathlib, sys, time
state = json.loads(pathlib.Path({state!r}).read_text())
arguments = sys.argv[1:]
with open({log!r}, "a") as file:
    file.write(" ".join(arguments) + "\\n")
command = " ".join(arguments[:2])

def fail(text):
    print("2026-11-24 16:24:07 mac pymobiledevice3.__main__[1] ERROR " + text, file=sys.stderr)
    print("2026-11-24 16:24:07 mac pymobiledevice3.__main__[1] INFO Run again with -v for the full "
          "traceback (include it when reporting an issue)", file=sys.stderr)
    sys.exit(1)

if command in state["fail"]:
    fail(state["fail"][command])
if command == "apps pull":
    bundle, remote, local, documents, option, udid = arguments[2:]
    assert (documents, option) == ("--documents", "--udid")
    folder = pathlib.Path(local) / pathlib.Path(remote).name
    folder.mkdir()
    for name, text in state["files"].items():
        (folder / name).write_text(text)
else:
    print(json.dumps(state["answers"][command], indent=4, sort_keys=True))
"""


class FakeCommand:
    """Writes the command into `folder`/bin; `state` is what it answers."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._state, self._log = folder / "state.json", folder / "log.txt"
        self.bin.mkdir()
        self.state: dict[str, Any] = {
            "answers": {
                "usbmux list": [PHONE],
                "lockdown info": INFO,
                "diagnostics battery": BATTERY,
            },
            "files": {},
            "fail": {},
        }
        self.save()
        path = self.bin / "pymobiledevice3"
        path.write_text(
            SCRIPT.format(python=sys.executable, state=str(self._state), log=str(self._log))
        )
        path.chmod(0o755)

    def answer(self, command: str, value: Any) -> None:
        self.state["answers"][command] = value
        self.save()

    def fail(self, command: str, text: str) -> None:
        self.state["fail"][command] = text
        self.save()

    def leave(self, name: str, result: Any) -> None:
        """Leave a result file on the phone."""
        text = result if isinstance(result, str) else json.dumps(result)
        self.state["files"][name] = text
        self.save()

    def save(self) -> None:
        self._state.write_text(json.dumps(self.state))

    @property
    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.is_file() else []


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    """Put a command on PATH that knows one iPhone over Wi-Fi, its app without results."""
    fake = FakeCommand(folder)
    monkeypatch.setenv("PATH", str(fake.bin))
    return fake
