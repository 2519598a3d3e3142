"""The pymobiledevice3 command: run as a program of its own, since it is GPL-3; never imported.

Commands, options and answers are those of version 11.45.0. Lockdown, diagnostics and an app's
documents need no tunnel and no developer mode, on iOS 17 and later neither.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from kilohear.errors import KilohearError
from kilohear_bench.devices import DeviceLost

COMMAND = "pymobiledevice3"
APP = "org.kilohear.kilohear"
"""The app's bundle identifier."""
RESULTS = "/Documents/kilohear/bench"
"""Where the app leaves its results, inside its container."""

_LOST = (
    ("usbmuxd socket", "start usbmuxd (Linux: apt install usbmuxd)"),
    ("device is not connected", "connect it by cable, or over the Wi-Fi that it was paired for"),
    ("device not found", "connect it by cable, or over the Wi-Fi that it was paired for"),
    ("trust", "unlock the iPhone and tap Trust"),
    ("paired", "unlock the iPhone and tap Trust"),
    ("pairing", "unlock the iPhone and tap Trust"),
    ("password protected", "unlock the iPhone"),
    ("passcode", "unlock the iPhone"),
    ("connection", "check cable or Wi-Fi"),
)
_WRONG = (
    ("no app with bundle id", "install the kilohear app on it"),
    ("app is not installed", "install the kilohear app on it"),
    ("no such file on the device", "open the app there and press Profile"),
    ("object_not_found", "open the app there and press Profile"),
)
_TIMEOUT_S = 120.0


class IosError(KilohearError):
    """An iPhone can't give what was asked, or the command that asks it is missing."""


class Tool:
    """Runs the command for one iPhone.

    Parameters
    ----------
    udid
        Of the iPhone; None: for commands that ask none.
    """

    def __init__(self, udid: str | None = None) -> None:
        self._udid = udid

    def phones(self) -> list[dict[str, Any]]:
        """Return what is connected, one entry each: a cable goes before Wi-Fi.

        Raises
        ------
        IosError, DeviceLost
            Where the command is missing, or usbmuxd isn't there.
        """
        found: dict[str, dict[str, Any]] = {}
        for phone in self._json("usbmux", "list"):
            if phone["Identifier"] not in found or phone.get("ConnectionType") == "USB":
                found[phone["Identifier"]] = phone
        return list(found.values())

    def info(self) -> dict[str, Any]:
        """Return lockdown's values: `ProductType`, `ProductVersion` and many more."""
        return self._json("lockdown", "info")

    def battery(self) -> dict[str, Any]:
        """Return the registry's entry of the battery."""
        return self._json("diagnostics", "battery", "single") or {}

    def pull_results(self, folder: Path) -> list[Path]:
        """Copy what the app left into `folder`; return the files in the order of their names.

        Raises
        ------
        IosError
            Where the app isn't installed or has left nothing.
        DeviceLost
            Where the iPhone is locked, doesn't trust this computer or is gone.
        """
        self._run("apps", "pull", APP, RESULTS, str(folder), "--documents")
        files = sorted((folder / Path(RESULTS).name).glob("*.json"))
        if not files:
            raise IosError(
                f"the app has left no result in {RESULTS}; open it on the iPhone and press Profile"
            )
        return files

    def _json(self, *arguments: str) -> Any:
        said = self._run(*arguments)
        try:
            return json.loads(said)
        except ValueError:
            raise IosError(
                f"{COMMAND} {' '.join(arguments)} said {said!r:.120} where JSON is expected; "
                "install version 11 of it"
            ) from None

    def _run(self, *arguments: str) -> str:
        path = shutil.which(COMMAND)
        what = f"{COMMAND} {' '.join(arguments[:3])}"
        if path is None:
            raise IosError(
                f"{COMMAND} isn't installed, which talks to iPhones; run: pipx install {COMMAND}"
            )
        if self._udid is not None:
            arguments += ("--udid", self._udid)
        try:
            done = subprocess.run(
                [path, *arguments],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "NO_COLOR": "1"},
            )
        except subprocess.TimeoutExpired:
            raise DeviceLost(
                f"{what} didn't end in {_TIMEOUT_S:.0f} s; unlock the iPhone, check its cable"
            ) from None
        if done.returncode != 0:
            said = done.stderr or done.stdout
            raise _failure(what, said.replace(self._udid, "UDID") if self._udid else said)
        return done.stdout


def _failure(what: str, said: str) -> KilohearError:
    """Return the error for what a failed command said, with what to do."""
    errors = [line.partition(" ERROR ")[2] for line in said.splitlines() if " ERROR " in line]
    lines = errors or said.strip().splitlines() or ["nothing"]
    cause = lines[-1].strip()
    for causes, error in ((_WRONG, IosError), (_LOST, DeviceLost)):
        for phrase, advice in causes:
            if phrase in cause.lower():
                return error(f"{what}: {cause.rstrip('.')}; {advice}")
    return DeviceLost(f"{what}: {cause}; check that the iPhone is unlocked and connected")
