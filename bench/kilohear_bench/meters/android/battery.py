"""The battery's state, and seeing to it that the phone lives on its battery alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from kilohear_bench.android.phone import Phone
from kilohear_bench.meters.android import FOLDER, PowerError

STATUSES = {1: "unknown", 2: "charging", 3: "discharging", 4: "not charging", 5: "full"}
"""`BatteryManager.BATTERY_STATUS_*`."""
_DISCHARGING = 3

_READ = (
    "dumpsys battery; cd /sys/class/power_supply 2>/dev/null && for s in *; do "
    'for n in type status online; do v=$(cat "$s/$n" 2>/dev/null) && echo "sysfs $s/$n=$v"; '
    "done; done; true"
)
THIS_BOOT = "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
"""Shell words for a file's name, so that what was left there before a restart isn't believed."""

_CABLES = {"AC": "AC", "USB": "USB", "Wireless": "a wireless charger", "Dock": "a dock"}
_SUPPLIES = ("USB", "Mains", "Wireless")


@dataclasses.dataclass(frozen=True)
class Battery:
    """The battery at one moment, as `dumpsys battery` and the kernel tell it.

    Attributes
    ----------
    level
        Percent.
    voltage_v, celsius
        At its terminals; its thermometer.
    status
        A key of `STATUSES`.
    plugged
        What feeds the phone, in words.
    charge_uah
        Its charge counter; None where Android has none.
    faked
        Whether `dumpsys battery unplug` or `set` froze what Android says.
    kernel_status, kernel_plugged
        What the kernel says, where the shell may read it; empty where not.
    """

    level: int
    voltage_v: float
    celsius: float
    status: int
    plugged: tuple[str, ...]
    charge_uah: int | None
    faked: bool
    kernel_status: str
    kernel_plugged: tuple[str, ...]

    def refusal(self, suspended: bool = False) -> str | None:
        """Return why the battery's current isn't the phone's; None where it is.

        A cable is no reason where the phone's input is suspended.
        """
        status = STATUSES.get(self.status, str(self.status))
        cable = " and ".join(self.plugged)
        if self.faked:
            return (
                "what dumpsys battery says is faked (UPDATES STOPPED), which doesn't stop the "
                "charger; run: adb shell dumpsys battery reset"
            )
        if self.status != _DISCHARGING:
            return f"the battery is {status}{f' ({cable})' if cable else ''}"
        if self.kernel_status not in ("", "Discharging"):
            return f"Android says discharging, but the kernel says {self.kernel_status}"
        if suspended:
            return None
        if self.plugged:
            return f"{cable} feeds the phone beside its battery"
        if self.kernel_plugged:
            return (
                "Android says unplugged, but by the kernel "
                f"{' and '.join(self.kernel_plugged)} feeds the phone"
            )
        return None


def read_battery(phone: Phone) -> Battery:
    """Return the battery's state.

    Raises
    ------
    PowerError
        Where Android's battery service doesn't say it.
    """
    said = phone.shell(_READ).output
    fields: dict[str, str] = {}
    for line in said.splitlines():
        key, _, value = line.strip().partition(": ")
        fields.setdefault(key, value.strip())
    supplies: dict[str, dict[str, str]] = {}
    for supply, node, value in re.findall(r"^sysfs ([^/]+)/(\w+)=(.*)$", said, re.MULTILINE):
        supplies.setdefault(supply, {})[node] = value.strip()
    batteries = [s for s in supplies.values() if s.get("type") == "Battery"]
    try:
        return Battery(
            level=int(fields["level"]),
            voltage_v=int(fields["voltage"]) / 1e3,
            celsius=int(fields["temperature"]) / 10,
            status=int(fields["status"]),
            plugged=tuple(w for k, w in _CABLES.items() if fields.get(f"{k} powered") == "true"),
            charge_uah=int(fields["Charge counter"]) if "Charge counter" in fields else None,
            faked="UPDATES STOPPED" in said,
            kernel_status=next((s["status"] for s in batteries if "status" in s), ""),
            kernel_plugged=tuple(
                name
                for name, supply in supplies.items()
                if supply.get("type") in _SUPPLIES and supply.get("online") == "1"
            ),
        )
    except (KeyError, ValueError) as error:
        raise PowerError(
            f"dumpsys battery doesn't tell the battery's state ({error} in {said!r:.120}); use "
            "--power rails or none"
        ) from None


def uptime_s(phone: Phone) -> float:
    """Return the phone's time since boot, sleep included: no transport is in a difference."""
    said = phone.shell("cat /proc/uptime").output
    try:
        return float(said.split()[0])
    except (IndexError, ValueError):
        raise PowerError(f"/proc/uptime says {said!r:.80}; use --power none") from None


def find_node(phone: Phone, name: str) -> str | None:
    """Return the battery's node of that name in sysfs; None where the shell can't read a number.

    Most user builds keep the shell out of it.
    """
    for supply in ("battery", "bms", "Battery"):
        path = f"/sys/class/power_supply/{supply}/{name}"
        if re.fullmatch(r"-?\d+", phone.shell(f"cat {path} 2>/dev/null").output.strip()):
            return path
    return None


@dataclasses.dataclass(frozen=True)
class _Switch:
    """A way to cut the cable's current off while the cable stays."""

    name: str
    suspend: str
    resume: str


_QUALCOMM = "/sys/class/power_supply/battery/input_suspend"
_SWITCHES = (
    # BatteryService.suspendBatteryInput: refused on builds that aren't debuggable.
    _Switch(
        "dumpsys battery suspend_input", "dumpsys battery suspend_input", "dumpsys battery reset"
    ),
    # Qualcomm's charger drivers (qpnp-smb2, smb5); needs root.
    _Switch(
        "input_suspend",
        f"test -w {_QUALCOMM} && echo 1 > {_QUALCOMM}",
        f"echo 0 > {_QUALCOMM}",
    ),
)
_MARK = f"{FOLDER}/input-suspended-{THIS_BOOT}"


class Discharge:
    """Sees to it that the phone lives on its battery for a stretch.

    Unplugged, nothing is done. On a cable the phone's input is suspended where it lets us, and
    resumed at the end. A mark on the phone tells a later process that this one suspended it and
    was killed.
    """

    def __init__(self, phone: Phone, sleep: Callable[[float], None]) -> None:
        self._phone, self._sleep = phone, sleep
        self._before: Battery | None = None
        self._suspended: _Switch | None = None

    def begin(self) -> Battery:
        """Return the battery's state, discharging.

        Raises
        ------
        PowerError
            Where something else feeds the phone and can't be cut off, naming it.
        """
        mark = self._phone.shell(f"cat {_MARK} 2>/dev/null").output.strip()
        self._suspended = next((s for s in _SWITCHES if s.name == mark), None)
        battery = read_battery(self._phone)
        refusal = battery.refusal(self._suspended is not None)
        if refusal is not None and not battery.faked:
            for switch in _SWITCHES:
                suspended = self._suspend(switch)
                if suspended is not None:
                    battery, refusal = suspended, None
                    break
        if refusal is not None:
            raise PowerError(
                refusal
                if battery.faked
                else f"{refusal}, so its current says nothing about the phone, and its input can't "
                "be suspended here; pull the cable and use wireless adb, or --power rails"
            )
        self._before = battery
        return battery

    def end(self) -> dict[str, Any]:
        """End the stretch; return what a measurement's conditions say of the battery.

        Raises
        ------
        PowerError
            Where the battery didn't discharge up to the end.
        """
        before = self._before
        assert before is not None, "end without begin"
        after = read_battery(self._phone)
        how = f"suspended by {self._suspended.name}" if self._suspended else "unplugged"
        refusal = after.refusal(self._suspended is not None)
        self.abort()
        if refusal is not None:
            raise PowerError(
                f"at the end of the stretch {refusal}; measure it again, unplugged throughout"
            )
        return battery_conditions(before, after) | {"charging": how}

    def abort(self) -> None:
        """Let the phone charge again; safe to call again."""
        if self._suspended is not None:
            self._phone.shell(f"{self._suspended.resume}; rm -f {_MARK}")
        self._suspended = self._before = None

    def _suspend(self, switch: _Switch) -> Battery | None:
        """Return the battery's state once the input is suspended; None where it can't be."""
        # The mark goes first: a process that is killed in between may suspend for nothing, but
        # never leaves an input suspended that nobody knows of.
        self._phone.shell(f"mkdir -p {FOLDER}; echo '{switch.name}' > {_MARK}")
        said = self._phone.shell(switch.suspend)
        # A refused `dumpsys` prints why and still exits with 0; a heeded one prints nothing.
        if said.code != 0 or (said.output + said.error).strip():
            self._phone.shell(f"rm -f {_MARK}")
            return None
        self._suspended = switch
        for _ in range(10):
            battery = read_battery(self._phone)
            if battery.refusal(suspended=True) is None:
                return battery
            self._sleep(0.5)
        self.abort()
        return None


def battery_conditions(before: Battery, after: Battery) -> dict[str, Any]:
    """Return the battery before and after a stretch, as a measurement's conditions keep it."""
    return {
        "battery_level": [before.level, after.level],
        "battery_voltage_v": [before.voltage_v, after.voltage_v],
        "battery_celsius": [before.celsius, after.celsius],
    }
