"""A stand-in for a phone: an adb server on loopback with one Linux "phone" behind it.

The real adb and adbutils drive it. Its files lie under a folder, a shell runs commands on them,
and programs for 64-bit ARM run in QEMU. Time in QEMU means nothing; instructions are counted where
a plugin can be built. It says of itself that it is one: property `ro.kilohear.stand_in`.

    python -m kilohear_bench.android.stand_in --root FOLDER
    ANDROID_ADB_SERVER_PORT=PORT kilohear bench --device adb
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import socket
import socketserver
import stat
import struct
import subprocess
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

from kilohear.errors import BackendError, KilohearError
from kilohear_bench.android.build import build_plugin

SERIAL = "stand-in"
STAND_IN = "ro.kilohear.stand_in"
"""The property by which a stand-in says that it is one."""

CPU = "cortex-a76"
"""A core of phones since 2018 without SVE, which QEMU 7.2 gets wrong in int8 kernels."""

SYSROOT = Path("/usr/aarch64-linux-gnu")

_VERSION = 41  # of the server: an adb of another one would end it and start its own
_FEATURES = "shell_v2"
_ROOTED = re.compile(
    r"(?<![\w./-])/(data|sys|system|proc/meminfo|proc/sys/kernel/random/boot_id)\b"
)
_TOOLS = {
    "getprop": 'sed -n "s/^$1=//p" {root}/system/build.prop\n',
    "dumpsys": 'cat {root}/system/dumpsys/"$1" 2>/dev/null || '
    '{{ echo "Can\'t find service: $1" >&2; exit 20; }}\n',
    "df": "echo 'Filesystem 1K-blocks Used Available Use% Mounted on'\n"
    "read -r free < {root}/system/free_kb\n"
    'echo "/dev/stand-in 99999999 1 $free 1% /data"\n',
}
_BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  status: 3
  level: 80
  scale: 100
  temperature: 280
"""
_THERMAL = "IsStatusOverride: false\nThermal Status: 0\n"

# Identifiers of adb's shell protocol, version 2, and of its sync service: adb's SERVICES.TXT,
# SYNC.TXT and shell_protocol.h.
_STDOUT, _STDERR, _EXIT = 1, 2, 3
_SYNC_MOST = 64 * 1024


class StandIn:
    """A phone of files; used as a context manager: served on entry.

    Parameters
    ----------
    root
        Its folder; what it lacks is made on entry, what is there is kept.
    port
        Of the server on 127.0.0.1; 0: a free one.

    Attributes
    ----------
    state
        As adb lists it: `device`, `offline`, `unauthorized`, or `absent`.
    fault
        Called with each service before it is done, `shell,v2:COMMAND` or `sync:SEND:PATH`; what
        it raises of ConnectionError cuts the link in the middle of that service.
    arrives
        Given what was sent as a file, returns what is written.
    """

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        self.state = "device"
        self.fault: Callable[[str], None] = lambda service: None
        self.arrives: Callable[[bytes], bytes] = lambda data: data
        self._port = port
        self._server: _Server | None = None
        self._plugin: Path | None = None

    @property
    def port(self) -> int:
        """Where it serves."""
        assert self._server is not None, "serves on entry"
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        qemu = shutil.which("qemu-aarch64")
        if qemu is None or not SYSROOT.is_dir():
            raise BackendError(
                "a stand-in runs the phone's program in QEMU; install qemu-user and "
                "g++-aarch64-linux-gnu"
            )
        counted = self._try_plugin(qemu)
        self._furnish(f"QEMU {CPU}, {counted}")
        self._server = _Server(self, self._port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def reboot(self) -> None:
        """Start anew: another boot id, its files stay."""
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")

    def write(self, path: str, text: str) -> None:
        """Write a file under its root: what /sys, /proc or `dumpsys` (system/dumpsys) say."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def battery(self, celsius: float) -> None:
        """Set what `dumpsys battery` gives as temperature."""
        tenths = f"temperature: {round(10 * celsius)}"
        self.write("system/dumpsys/battery", re.sub(r"temperature: \d+", tenths, _BATTERY))

    def throttle(self, status: int) -> None:
        """Set the status of `dumpsys thermalservice`: 0 none, 1 light, 2 moderate, 3 severe."""
        self.write("system/dumpsys/thermalservice", _THERMAL.replace("0", str(status)))

    def path(self, remote: str) -> Path:
        """Return where a path of the phone lies; raises PermissionError outside its root."""
        path = (self.root / remote.lstrip("/")).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise PermissionError(f"{remote}: outside")
        return path

    def command(self, command: str) -> str:
        """Return a command with its paths under the root, programs of ARM in QEMU."""
        command = _ROOTED.sub(lambda found: f"{self.root.resolve()}/{found[1]}", command)
        words = list(shlex.shlex(command, posix=False, punctuation_chars=True))
        for word in dict.fromkeys(words):
            if _is_arm(Path(word)):
                # In front of arguments only: sha256sum and rm take the same word as a path.
                start = re.compile(rf"(^|[;&|]\s*|\bexec\s+){re.escape(word)}(?=\s|$)")
                command = start.sub(lambda found: f"{found[1]}{self._qemu()} {word}", command)  # noqa: B023
        return command

    def _qemu(self) -> str:
        words = ["qemu-aarch64", "-cpu", CPU, "-L", str(SYSROOT)]
        if self._plugin is not None:
            words += ["-plugin", str(self._plugin), "-d", "plugin"]
        return shlex.join(words)

    def _try_plugin(self, qemu: str) -> str:
        """Take the plugin where this QEMU takes it, and say so in words."""
        try:
            plugin = build_plugin()
        except BackendError as error:
            return f"instructions not counted: {error}"
        probe = [qemu, "-plugin", str(plugin), "/dev/null"]
        said = subprocess.run(probe, capture_output=True, text=True, check=False).stderr
        if "plugin" in said.lower():
            return f"instructions not counted: {said.strip().splitlines()[0]}"
        self._plugin = plugin
        return "instructions counted"

    def _furnish(self, about: str) -> None:
        for folder in ("data/local/tmp", "system/bin", "system/dumpsys"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name, script in _TOOLS.items():
            tool = self.root / "system/bin" / name
            quoted = shlex.quote(str(self.root.resolve()))
            tool.write_text("#!/bin/sh\n" + script.format(root=quoted))
            tool.chmod(0o755)
        properties = {
            "ro.product.model": "stand-in",
            "ro.product.manufacturer": "kilohear",
            "ro.soc.model": f"QEMU {CPU}",
            "ro.build.version.release": "none",
            "ro.build.version.sdk": "0",
            "ro.build.fingerprint": "kilohear/stand-in",
            "ro.product.cpu.abi": "arm64-v8a",
            STAND_IN: about,
        }
        lines = "".join(f"{name}={value}\n" for name, value in properties.items())
        self.write("system/build.prop", lines)
        for path, text in (
            ("system/free_kb", f"{2**20}\n"),
            ("system/dumpsys/battery", _BATTERY),
            ("system/dumpsys/thermalservice", _THERMAL),
            ("proc/meminfo", "MemTotal:        4000000 kB\n"),
        ):
            if not (self.root / path).exists():
                self.write(path, text)
        if not (self.root / "proc/sys/kernel/random/boot_id").exists():
            self.reboot()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, phone: StandIn, port: int) -> None:
        self.phone = phone
        super().__init__(("127.0.0.1", port), _Connection)


class _RefusedError(Exception):
    """What the server answers with FAIL."""


class _Connection(socketserver.BaseRequestHandler):
    """A client's connection: services of the server, then of the phone that it chose."""

    request: socket.socket

    @property
    def phone(self) -> StandIn:
        return cast(_Server, self.server).phone

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, EOFError):
            try:
                while self._serve(self._read(int(self._read(4), 16)).decode()):
                    pass
            except _RefusedError as refused:
                self.request.sendall(b"FAIL" + _counted(str(refused)))
            self._finish()

    def _finish(self) -> None:
        """Close so that the client can still read: unread input would reset the connection."""
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(5)
            while self.request.recv(4096):
                pass

    def _serve(self, service: str) -> bool:
        """Do a service; returns whether another may follow on this connection."""
        host = re.fullmatch(rf"host(?:-serial:{SERIAL})?:(.+)", service)
        if host is None:
            if service.startswith("host-serial:"):
                raise _RefusedError(f"device '{service.split(':')[1]}' not found")
            self._do(service)
            return False
        asked = host[1]
        if re.match(r"(transport|tport)(:|-any)", asked):
            self._require(asked)
            self.request.sendall(b"OKAY" + (struct.pack("<Q", 1) if asked[1] == "p" else b""))
            return True
        self.request.sendall(b"OKAY" + _counted(self._answer(asked)))
        return False

    def _require(self, asked: str) -> None:
        named = asked.rpartition(":")[2]
        if named not in (SERIAL, "any", "transport-any") or self.phone.state == "absent":
            raise _RefusedError(f"device '{named}' not found")
        if self.phone.state != "device":
            raise _RefusedError(f"device {self.phone.state}")

    def _answer(self, asked: str) -> str:
        there = self.phone.state != "absent"
        if asked == "version":
            return f"{_VERSION:04x}"
        if asked == "devices":
            return f"{SERIAL}\t{self.phone.state}\n" if there else ""
        if asked == "devices-l":
            about = "product:stand_in model:stand_in device:stand_in transport_id:1"
            return f"{SERIAL:22} {self.phone.state} {about}\n" if there else ""
        if asked in ("features", "host-features"):
            self._require(SERIAL)
            return _FEATURES
        if asked == "get-state":
            self._require(SERIAL)
            return self.phone.state
        if asked == "get-serialno":
            return SERIAL
        if asked.startswith("connect:"):
            return f"failed to connect to '{asked[8:]}': Connection refused"
        raise _RefusedError(f"unknown host service '{asked}'")

    def _do(self, service: str) -> None:
        if service == "sync:":
            self.request.sendall(b"OKAY")
            self._sync()
        elif match := re.fullmatch(r"shell(,[^:]*)?:(.*)", service, re.DOTALL):
            self.phone.fault(service)
            self.request.sendall(b"OKAY")
            self._shell(match[2], packets="v2" in (match[1] or ""))
        else:
            raise _RefusedError(f"unknown service '{service}'")

    def _shell(self, command: str, packets: bool) -> None:
        phone, lock = self.phone, threading.Lock()
        path = f"{(phone.root / 'system/bin').resolve()}:{os.environ['PATH']}"
        process = subprocess.Popen(
            ["/bin/sh", "-c", phone.command(command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if packets else subprocess.STDOUT,
            env={"PATH": path, "HOME": str(phone.root)},
        )

        def forward(stream: int, pipe: int) -> None:
            while data := os.read(pipe, 4096):
                with lock, contextlib.suppress(OSError):
                    self.request.sendall(_packet(stream, data) if packets else data)

        assert process.stdout is not None
        pipes = {_STDOUT: process.stdout} | ({_STDERR: process.stderr} if process.stderr else {})
        threads = [
            threading.Thread(target=forward, args=(stream, pipe.fileno()))
            for stream, pipe in pipes.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        code = process.wait()
        for pipe in pipes.values():
            pipe.close()
        if packets:
            self.request.sendall(_packet(_EXIT, bytes([code & 255])))

    def _sync(self) -> None:
        while True:
            kind, length = struct.unpack("<4sI", self._read(8))
            if kind == b"QUIT":
                return
            path = self._read(length).decode()
            self.phone.fault(f"sync:{kind.decode()}:{path}")
            try:
                if kind == b"STAT":
                    self._stat(path)
                elif kind == b"SEND":
                    self._receive(path)
                elif kind == b"RECV":
                    self._send(path)
                else:
                    raise OSError(f"unknown command {kind!r}")
            except ConnectionError:
                raise
            except OSError as error:
                said = f"{path}: {error.strerror or error}".encode()
                self.request.sendall(struct.pack("<4sI", b"FAIL", len(said)) + said)

    def _stat(self, path: str) -> None:
        numbers = (0, 0, 0)
        with contextlib.suppress(OSError):
            found = self.phone.path(path).stat()
            numbers = (found.st_mode, found.st_size, int(found.st_mtime))
        self.request.sendall(struct.pack("<4sIII", b"STAT", *numbers))

    def _receive(self, named: str) -> None:
        path, _, mode = named.rpartition(",")
        data = bytearray()
        while True:
            kind, length = struct.unpack("<4sI", self._read(8))
            if kind == b"DONE":
                break
            if kind != b"DATA" or length > _SYNC_MOST:
                raise OSError(f"unexpected {kind!r} of {length} bytes")
            data += self._read(length)
        target = self.phone.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        free = 1024 * int((self.phone.root / "system/free_kb").read_text())
        if len(data) > free:
            raise OSError("No space left on device")
        target.write_bytes(self.phone.arrives(bytes(data)))
        target.chmod(stat.S_IMODE(int(mode)) | stat.S_IRUSR | stat.S_IWUSR)
        self.request.sendall(struct.pack("<4sI", b"OKAY", 0))

    def _send(self, path: str) -> None:
        data = self.phone.path(path).read_bytes()
        for at in range(0, len(data), _SYNC_MOST):
            part = data[at : at + _SYNC_MOST]
            self.request.sendall(struct.pack("<4sI", b"DATA", len(part)) + part)
        self.request.sendall(struct.pack("<4sI", b"DONE", 0))

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def _counted(text: str) -> bytes:
    data = text.encode()
    return b"%04x" % len(data) + data


def _packet(stream: int, data: bytes) -> bytes:
    return struct.pack("<BI", stream, len(data)) + data


def _is_arm(path: Path) -> bool:
    """Whether a file is a program for 64-bit ARM: ELF, e_machine 183 (the ELF header)."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return False
    return head[:4] == b"\x7fELF" and head[18:20] == b"\xb7\x00"


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A stand-in for a phone, behind an adb server.")
    parser.add_argument("--root", type=Path, required=True, help="the folder of its files")
    parser.add_argument("--port", type=int, default=0, help="of the server; 0: a free one [0]")
    options = parser.parse_args()
    try:
        with StandIn(options.root, options.port) as phone:
            print(f"ANDROID_ADB_SERVER_PORT={phone.port} (serial {SERIAL})", flush=True)
            threading.Event().wait()
    except KilohearError as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
