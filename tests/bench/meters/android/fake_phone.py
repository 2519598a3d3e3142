"""A phone made of a folder: this computer's shell runs its commands on files in place of its own.

Android's programs are small scripts whose outputs follow the format of AOSP's sources:
BatteryService.dumpInternal, BatteryStats.dumpCheckinLocked, Perfetto's android_power_data_source.
Its time passes only while the loop on the phone sleeps.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from kilohear.errors import KilohearError
from kilohear_bench.android.phone import Shell

DUMP = """Current Battery Service state:
{faked}  AC powered: {ac}
  USB powered: {usb}
  Wireless powered: {wireless}
  Dock powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: {counter}
  status: {status}
  health: 2
  present: true
  level: {level}
  scale: 100
  voltage: {voltage}
  temperature: {temperature}
  technology: Li-ion
  Charging state: 0
  Charging policy: 1
"""
UNPLUGGED = {
    "faked": "",
    "ac": "false",
    "usb": "false",
    "wireless": "false",
    "counter": "3200000",
    "status": "3",
    "level": "80",
    "voltage": "4000",
    "temperature": "273",
}
ON_USB = {"usb": "true", "status": "2"}
FAKED = "  (UPDATES STOPPED -- use 'reset' to restart)\n"

PROGRAMS = {
    "dumpsys": """
case "$*" in
battery) cat $D/battery.txt ;;
"battery suspend_input")
    if [ -e $D/debuggable ]; then cp $D/suspended.txt $D/battery.txt
    else echo "Security exception: battery suspend_input is only supported on debuggable builds"
    fi ;;
"battery reset") cp $D/plugged.txt $D/battery.txt ;;
"batterystats --reset") echo "Battery stats reset." ;;
"batterystats -c --charged") cat $D/batterystats.txt ;;
*) echo "Can't find service: $1" ;;
esac""",
    "cmd": """
case "$*" in
"battery get counter") cat $D/cmd_counter ;;
"battery get -f current_now") cat $D/cmd_current 2>/dev/null || echo "Unknown get option: $4" ;;
esac""",
    "getprop": "cat $D/maker",
    "nohup": 'IN_LOOP=1 exec "$@"',
    "sleep": """
[ -n "$IN_LOOP" ] || exec /bin/sleep 0.05
t=$(($(cat $D/ticks) + 100))
[ -e $D/jump ] && t=$((t + 100000)) && rm $D/jump
echo $t > $D/ticks
printf '%d.%02d 0.00\\n' $((t / 100)) $((t % 100)) > $D/uptime
[ -e $D/drain ] || exit 0
for n in $D/supply/battery/charge_counter $D/cmd_counter; do
    [ -e $n ] && echo $(($(cat $n) - $(cat $D/drain))) > $n
done; true""",
    "perfetto": """
cat > $D/config.txt
[ -e $D/trace ] || { echo "perfetto: inaccessible or not found" >&2; exit 127; }
case "$*" in
*--background-wait*) [ -e $D/old_perfetto ] && { echo "unknown option" >&2; exit 1; } ;;
*--background*) ;;
*) cp $D/trace $5; exit 0 ;;
esac
rm -f $D/ready
{ trap "cp $D/trace $5; exit 0" TERM; touch $D/ready
while :; do /bin/sleep 0.02; done; } >/dev/null 2>&1 &
echo $!
while [ ! -e $D/ready ]; do /bin/sleep 0.02; done""",
}
PLACES = {
    "/data/local/tmp": "tmp",
    "/data/misc/perfetto-traces": "traces",
    "/sys/class/power_supply": "supply",
    "/proc/uptime": "uptime",
    "/proc/sys/kernel/random/boot_id": "boot_id",
}


class FakePhone:
    """See the module; `battery` are fields of `DUMP` that differ from `UNPLUGGED`."""

    serial = "fake"

    def __init__(self, folder: Path, **battery: str) -> None:
        self.folder = folder
        self.commands: list[str] = []
        for name in ("bin", "tmp", "traces", "supply"):
            (folder / name).mkdir()
        for name, script in PROGRAMS.items():
            path = folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        self.write("uptime", "1000.00 0.00\n")
        self.write("ticks", "100000")
        self.write("boot_id", "0f5c\n")
        self.write("maker", "Google\n")
        self.set_battery(**battery)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set_battery(self, **changes: str) -> None:
        self.write("battery.txt", DUMP.format_map(UNPLUGGED | changes))
        self.write("plugged.txt", DUMP.format_map(UNPLUGGED | changes))
        self.write("suspended.txt", DUMP.format_map(UNPLUGGED | changes | {"status": "3"}))

    def node(self, name: str, value: object) -> None:
        self.write(f"supply/battery/{name}", f"{value}\n")

    def shell(self, command: str, timeout_s: float = 30.0) -> Shell:
        self.commands.append(command)
        done = subprocess.run(
            ["sh", "-c", self._here(command)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "D": str(self.folder)},
        )
        return Shell(done.stdout, done.stderr, done.returncode)

    def push(self, data: bytes, remote: str) -> None:
        Path(self._here(remote)).write_bytes(data)

    def pull(self, remote: str) -> bytes:
        path = Path(self._here(remote))
        if not path.is_file():
            raise KilohearError(f"{remote}: no such file")
        return path.read_bytes()

    def wait_for(self, readings: int, deadline_s: float = 30.0) -> None:
        """Return once the loop on the phone has read so often."""
        ends = time.monotonic() + deadline_s
        while len(self._readings().splitlines()) < readings:
            assert time.monotonic() < ends, "the loop on the phone doesn't read"
            time.sleep(0.02)

    def sleep(self, _: float) -> None:
        """Stand in for the bench's own waiting."""
        if list((self.folder / "tmp").glob("kilohear/run-*")):
            self.wait_for(3)

    def fall_asleep(self) -> None:
        """Let 1,000 s pass between two readings."""
        self.write("jump", "")
        while (self.folder / "jump").exists():
            time.sleep(0.02)
        self.wait_for(len(self._readings().splitlines()) + 3)

    def end(self) -> None:
        """End what a test left running on the phone."""
        for run in (self.folder / "tmp").glob("kilohear/run-*"):
            run.unlink()
        for pid in (self.folder / "tmp").glob("kilohear/perfetto-*.pid"):
            os.kill(int(pid.read_text()), signal.SIGTERM)

    def _readings(self) -> str:
        path = self.folder / "tmp/kilohear/readings.txt"
        return path.read_text() if path.is_file() else ""

    def _here(self, text: str) -> str:
        for there, here in PLACES.items():
            text = text.replace(there, str(self.folder / here))
        return text
