"""The runner on a phone: put there, checked, and started for each thing that is measured."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import KilohearError
from kilohear_bench.android.adb import AdbPhone
from kilohear_bench.android.build import NAMED, Build, source_version

FOLDER = "/data/local/tmp/kilohear/bench"
"""Where the shell's user may write and start programs. Its parent is the power sources' too: what
one of them notes there, that it suspended charging, say, outlives a run that was killed."""

METER = "raw monotonic clock around forward"

_WINDOWS = "windows.f32"
_SILENT_S = 120.0
"""The longest that a window or a start may take."""


@dataclasses.dataclass(frozen=True, eq=False)
class Inferred:
    """What windows gave.

    Attributes
    ----------
    latency_ms
        Of each window, by the phone's clock.
    outputs
        float32 (windows, classes): probabilities.
    instructions
        Of each window, where the phone runs in QEMU with its plugin; else empty.
    peak_memory_bytes
        The most that the runner's process held; 0 where the phone doesn't say.
    core
        On which it stayed; -1 where it wasn't pinned.
    """

    latency_ms: tuple[float, ...]
    outputs: NDArray[np.float32]
    instructions: tuple[int, ...]
    peak_memory_bytes: int
    core: int


class Runner:
    """The runner on one phone.

    Parameters
    ----------
    phone
        Connected.
    name
        What messages call it.
    """

    def __init__(self, phone: AdbPhone, name: str) -> None:
        self._phone = phone
        self._name = name
        self._there: dict[str, str] = {}

    def install(self, build: Build) -> dict[str, str]:
        """Put the runner and its libraries on the phone, and return what it says of itself.

        Returns
        -------
        Its version as `runner`, and `executorch`, that of its library.

        Raises
        ------
        DeviceLost
            Where the link breaks.
        KilohearError
            Where there is no room, it doesn't start, or it isn't of this source.
        """
        self._there.clear()
        self.put("runner", build.runner.read_bytes())
        for library in build.libraries:
            self.put(library.name, library.read_bytes())
        self._phone.shell(f"chmod 755 {FOLDER}/runner")
        done = self._phone.shell(f"{FOLDER}/runner version", _SILENT_S)
        try:
            about = json.loads(done.output)
        except ValueError:
            raise KilohearError(
                f"{self._name}: the runner doesn't start ({(done.error or done.output).strip()}); "
                f"Android needs one built by its NDK: see bench/android/README.md, then set {NAMED}"
            ) from None
        if about.get("runner") != source_version():
            raise KilohearError(
                f"{self._name}: the runner is of version {about.get('runner')!r}, its source here "
                f"of {source_version()!r}; build it again, or unset {NAMED}"
            )
        return {"runner": about["runner"], "executorch": about["executorch"]}

    def forget(self) -> None:
        """Look again at what lies on the phone: it was away."""
        self._there.clear()

    def put(self, name: str, data: bytes) -> str:
        """Return the path of a file on the phone that holds `data`, written where it doesn't."""
        remote, sha256 = f"{FOLDER}/{name}", hashlib.sha256(data).hexdigest()
        if self._there.get(name) != sha256 and self._phone.sha256_of(remote) != sha256:
            self._phone.push(data, remote)
        self._there[name] = sha256
        return remote

    def remove(self) -> None:
        """Remove all that was put on the phone, and the parent where nothing else is in it."""
        self._phone.shell(f"rm -rf {FOLDER}; rmdir {posixpath.dirname(FOLDER)}")
        self._there.clear()

    def infer(
        self, model: str, windows: NDArray[np.float32], warm_up: int = 0, keep: bool = True
    ) -> Inferred:
        """Classify windows.

        Parameters
        ----------
        model
            Its path on the phone.
        windows
            float32 (windows, samples) at the student's rate.
        warm_up
            Untimed windows before them.
        keep
            Whether the windows may stay on the phone until the end: noise may, a recording not.

        Raises
        ------
        DeviceLost
            Where the link breaks, or not every window came back.
        KilohearError
            With the runner's words, where it fails.
        """
        held = self._put_windows(windows)
        try:
            lines, error = self._run(["infer", model, held, str(warm_up)], _SILENT_S)
        finally:
            if not keep:
                self._there.pop(_WINDOWS, None)
                self._phone.shell(f"rm -f {held}")
        rows = [line for line in lines if "window" in line]
        if len(rows) != len(windows) or lines[-1].get("done") != len(windows):
            raise KilohearError(
                f"{self._name}: the runner gave {len(rows)} of {len(windows)} windows; run again"
            )
        counts = [int(count) for count in re.findall(r"^instructions (\d+)$", error, re.MULTILINE)]
        between = [after - before for before, after in zip(counts[::2], counts[1::2], strict=True)]
        return Inferred(
            latency_ms=tuple(row["latency_ns"] / 1e6 for row in rows),
            outputs=np.array([row["outputs"] for row in rows], np.float32),
            instructions=tuple(between[warm_up:]),
            peak_memory_bytes=lines[-1]["peak_memory_bytes"],
            core=lines[0]["core"],
        )

    def loop(self, model: str, windows: NDArray[np.float32], seconds: float) -> int:
        """Classify window after window for `seconds`; return how many."""
        held = self._put_windows(windows)
        lines, _ = self._run(["loop", model, held, f"{seconds:g}"], seconds + _SILENT_S)
        return lines[-1]["windows"]

    def idle(self, seconds: float) -> None:
        """Do nothing for `seconds`."""
        self._run(["idle", f"{seconds:g}"], seconds + _SILENT_S)

    def listen(self, seconds: float, rate_hz: int) -> int:
        """Keep the microphone open for `seconds`, and return the rate that was granted, Hz."""
        lines, _ = self._run(["listen", f"{seconds:g}", str(rate_hz)], seconds + _SILENT_S)
        return lines[-1]["rate_hz"]

    def _put_windows(self, windows: NDArray[np.float32]) -> str:
        return self.put(_WINDOWS, np.ascontiguousarray(windows, "<f4").tobytes())

    def _run(self, words: Sequence[str], timeout_s: float) -> tuple[list[dict[str, Any]], str]:
        """Return what the runner said, and what came on its error stream."""
        done = self._phone.shell(shlex.join([f"{FOLDER}/runner", *words]), timeout_s)
        try:
            lines = [json.loads(line) for line in done.output.splitlines()]
        except ValueError:
            lines = []
        if done.code or not lines:
            said = lines[-1].get("error") if lines else None
            why = said or done.error.strip() or f"status {done.code}"
            raise KilohearError(f"{self._name}: the runner's {words[0]} failed: {why}")
        return lines, done.error
