"""A private audio server with a loudspeaker whose sound a microphone hears: no hardware needed.

PipeWire with WirePlumber as its policy and its PulseAudio interface, which PortAudio reaches
through ALSA's plugin `pulse`. The loudspeaker is a null sink, the microphone the sink's monitor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from kilohear.errors import AudioError

PROGRAMS = ("dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse", "pactl", "pacat")
SINK = "kilohear"
DEADLINE_S = 10.0
_POLL_S = 0.02

_ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
# A developer's own sound cards and headsets stay with the developer's own session.
_NO_HARDWARE = {
    "main.lua.d": "alsa_monitor.enabled = false\nv4l2_monitor.enabled = false\n"
    "libcamera_monitor.enabled = false\n",
    "bluetooth.lua.d": "bluez_monitor.enabled = false\n",
}


def missing_programs() -> list[str]:
    """Return the programs that an audio server needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class AudioServer:
    """A running server; `environment` is what a program needs to find it.

    PortAudio looks at the environment once, when it starts: whoever listens is a process of its
    own. Made by `audio_server`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runtime = folder / "run"
        self._runtime.mkdir(mode=0o700)
        alsa = folder / "asound.conf"
        alsa.write_text(_ALSA)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PULSE_", "PIPEWIRE_", "ALSA_"))
        }
        self.environment = kept | {
            "XDG_RUNTIME_DIR": str(self._runtime),
            "ALSA_CONFIG_PATH": str(alsa),
            "PULSE_COOKIE": str(folder / "cookie"),
        }
        self._module: str | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the programs, one after the other, and plug the loudspeaker in."""
        bus = self._runtime / "bus"
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
        config = self._folder / "config"
        for folder, text in _NO_HARDWARE.items():
            file = config / "wireplumber" / folder / "51-no-hardware.lua"
            file.parent.mkdir(parents=True)
            file.write_text(text)
        address = f"--address=unix:path={bus}"
        self._run("dbus-daemon", "--session", "--nofork", "--nopidfile", address)
        self._wait_for(bus.exists, "dbus-daemon opens no socket")
        self._run("pipewire")
        self._wait_for((self._runtime / "pipewire-0").exists, "pipewire opens no socket")
        self._run("wireplumber")
        self.start_pulse()
        self.plug()

    def start_pulse(self) -> None:
        """Start the PulseAudio interface; the loudspeaker ends with it, and is plugged in anew."""
        self._run("pipewire-pulse")
        self._wait_for(lambda: self._says("info") is not None, "pipewire-pulse doesn't answer")

    def plug(self) -> None:
        """Plug the loudspeaker in; its monitor is the default microphone."""
        self._module = self._say(
            "load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000", "channels=1"
        )
        monitor = f"{SINK}.monitor"
        self._wait_for(lambda: monitor in (self._says("list", "short", "sources") or ""), "no sink")
        self._say("set-default-source", monitor)
        self._wait_for(
            lambda: f"Default Source: {monitor}" in (self._says("info") or ""), "no default source"
        )

    def unplug(self) -> None:
        """Take the loudspeaker away, and with it the microphone."""
        assert self._module is not None
        self._say("unload-module", self._module)

    def mute(self, muted: bool) -> None:
        """Mute the microphone."""
        self._say("set-source-mute", f"{SINK}.monitor", str(int(muted)))

    def stop(self, program: str) -> None:
        """End one of the server's programs."""
        process = self._processes.pop(program)
        process.terminate()
        process.wait(DEADLINE_S)

    def stop_all(self) -> None:
        """End every program, the last one first."""
        for program in reversed(list(self._processes)):
            self.stop(program)

    @contextmanager
    def player(self, rate_hz: int) -> Iterator[IO[bytes]]:
        """Yield where to write 16-bit little-endian mono PCM that the loudspeaker is to play.

        Writing waits for the loudspeaker. Leaving plays what was written to its end. Where the
        loudspeaker is unplugged the player ends: it doesn't move to another one.
        """
        command = ["pacat", "--playback", "--raw", f"--device={SINK}", f"--rate={rate_hz}"]
        command += ["--channels=1", "--format=s16le", "--latency-msec=1000", "--verbose"]
        command += ["--property=node.dont-reconnect=true"]
        with self._log("pacat").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.PIPE, stderr=log
            )
        assert process.stdin is not None
        try:
            with process.stdin:
                yield process.stdin
            process.wait()
        finally:
            process.kill()
            process.wait()

    def underruns(self) -> int:
        """Return how often a player had nothing to play: silence that nobody asked for."""
        log = self._log("pacat")
        return log.read_text(errors="replace").count("underrun") if log.exists() else 0

    def version(self) -> str:
        """Return PipeWire's version."""
        done = subprocess.run(["pipewire", "--version"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1].split()[-1]

    def _run(self, *command: str) -> None:
        own = {
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "XDG_STATE_HOME": str(self._folder / "state"),
        }
        with self._log(command[0]).open("ab") as log:
            self._processes[command[0]] = subprocess.Popen(
                command, env=self.environment | own, stdout=log, stderr=log
            )

    def _log(self, program: str) -> Path:
        return self._folder / f"{program}.log"

    def _says(self, *command: str) -> str | None:
        """Return what pactl answers; None where it can't."""
        done = subprocess.run(
            ["pactl", *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return None if done.returncode else done.stdout.strip()

    def _say(self, *command: str) -> str:
        said = self._says(*command)
        if said is None:
            raise AudioError(f"audio server: pactl {' '.join(command)} fails; {self._why()}")
        return said

    def _wait_for(self, is_there: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + DEADLINE_S
        while not is_there():
            if time.monotonic() > until:
                raise AudioError(f"audio server: {otherwise} in {DEADLINE_S:g} s; {self._why()}")
            time.sleep(_POLL_S)

    def _why(self) -> str:
        last = [log.read_text(errors="replace").splitlines()[-1:] for log in self._logs()]
        said = "; ".join(line for lines in last for line in lines) or "nothing"
        return f"its programs said: {said}"

    def _logs(self) -> list[Path]:
        return [path for program in PROGRAMS if (path := self._log(program)).exists()]


@contextmanager
def audio_server() -> Iterator[AudioServer]:
    """Yield a running server of its own; nothing of the user's session is touched.

    Raises
    ------
    AudioError
        Where a program is missing or doesn't start.
    """
    missing = missing_programs()
    if missing:
        raise AudioError(
            f"audio server: {', '.join(missing)} missing; install what .ci/system-packages lists"
        )
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kilohear-"))
        server = AudioServer(Path(folder))
        stack.callback(server.stop_all)
        server.start()
        yield server
