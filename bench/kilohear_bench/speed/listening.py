"""Listening: what a listener costs over an hour of sound, in a fresh process for each runtime.

The sound is made block by block, and what making it costs is taken off. It comes as fast as the
listener takes it, as a recording does. Paced runs beside it come at the speed of sound, where
processor and caches cool down between blocks: the longer the blocks, the fewer the awakenings.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.bundle import Bundle
from kilohear.capture.paced import Paced
from kilohear.listener import Listener
from kilohear_bench.fresh import run_fresh
from kilohear_bench.machine import load_conditions
from kilohear_bench.memory import SETTLED_S, line, peak_bytes, resident_bytes
from kilohear_bench.run import Say
from kilohear_bench.speed.part import BUNDLE, Part, Taking, listening_subjects

GRANTED_HZ = (16_000, 8_000)
BLOCK_S, PACED_BLOCKS_S = 0.1, (0.1, 0.5)
SAMPLES = 60
"""Samples of CPU and memory in a run: one a minute, where it is an hour."""

_TONE_HZ = 200  # whole waves in a block
_PART_S = 5.0
_LEVELS = ((0.3, 0.0), (0.0, 1e-4), (0.0, 0.1))  # tone, noise


class MadeSound:
    """A source: tone, near silence and noise in turns, made block by block.

    It looks at the process whenever another part of its length has been heard.

    Parameters
    ----------
    rate_hz, block_s
        Of the blocks.
    duration_s
        How much there is.

    Attributes
    ----------
    cpu_s
        CPU time of the process at each look, without what making the sound has cost.
    resident
        Resident memory at each look, bytes.
    every_s
        Sound between two looks.
    """

    name = "made sound"
    lost_samples = 0

    def __init__(self, rate_hz: int, duration_s: float, block_s: float = BLOCK_S) -> None:
        self.rate_hz = self.requested_hz = rate_hz
        self._block_s = block_s
        self._blocks = round(duration_s / block_s)
        self._every = max(1, self._blocks // SAMPLES)
        self.every_s = self._every * block_s
        self.cpu_s: list[float] = []
        self.resident: list[float] = []

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (samples,)."""
        random = np.random.default_rng(0)
        size = round(self._block_s * self.rate_hz)
        wave = np.sin(2 * np.pi * _TONE_HZ * np.arange(size) / self.rate_hz).astype(np.float32)
        own_ns = 0
        for number in range(self._blocks + 1):
            began_ns = time.process_time_ns()
            if number % self._every == 0:
                self.cpu_s.append((began_ns - own_ns) / 1e9)
                self.resident.append(float(resident_bytes()))
            tone, noise = _LEVELS[int(number * self._block_s / _PART_S) % len(_LEVELS)]
            block = random.standard_normal(size, np.float32)
            block *= noise
            block += tone * wave
            own_ns += time.process_time_ns() - began_ns
            if number < self._blocks:
                yield block


@dataclasses.dataclass(frozen=True)
class Run:
    """What a fresh process is to listen to, and with what."""

    bundle: str
    runtime: str
    granted_hz: int
    sound_s: float
    block_s: float
    paced: bool

    @property
    def name(self) -> str:
        """What its measurements are called."""
        paced = f", paced, blocks of {self.block_s:g} s" if self.paced else ""
        return f"{BUNDLE} {self.runtime}, {self.granted_hz:,} Hz granted{paced}"


def measure_listening(duration_s: float, paced_s: float, say: Say) -> Part:
    """Listen with each runtime at each granted rate.

    Parameters
    ----------
    duration_s, paced_s
        Sound of each run, and of the paced ones; 0: none of those.

    Raises
    ------
    BackendError
        Where a process fails.
    """
    taking = Taking({"threads": 1, **load_conditions()})
    for run in _runs(duration_s, paced_s):
        say(f"listening: {run.name}, {run.sound_s:g} s of sound")
        arguments = [json.dumps(dataclasses.asdict(run))]
        heard = run_fresh(__name__, arguments, run.name, 60 + run.sound_s)
        conditions = {
            "runtime": run.runtime,
            "granted_hz": run.granted_hz,
            "sound_s": run.sound_s,
            "block_s": run.block_s,
            "paced": run.paced,
            "every_s": heard["every_s"],
            "windows": heard["windows"],
            "torch_imported": heard["torch_imported"],
        }
        share = np.diff(heard["cpu_s"]) / heard["every_s"]
        for quantity, samples, unit, meter in (
            ("cpu_share", share, "CPU s / s", "time.process_time_ns"),
            ("resident_memory", heard["resident"][1:], "bytes", "resident set"),
            ("peak_memory", [heard["peak"]], "bytes", heard["meter"]),
        ):
            values, used = tuple(map(float, samples)), {run.runtime: heard["version"]}
            taking.add(quantity, run.name, values, unit, meter, used, **conditions)
    configuration = {"bundle": BUNDLE, "duration_s": duration_s, "paced_s": paced_s}
    return taking.done("listening", configuration)


def drift(resident: Sequence[float], every_s: float) -> tuple[float, float] | None:
    """Return how memory moves once settled: bytes an hour by least squares, and highest - lowest.

    None where less than two samples are from after the first 5 minutes.
    """
    at_s = every_s * np.arange(1, len(resident) + 1)
    settled = at_s >= SETTLED_S
    values = np.asarray(resident)[settled]
    if len(values) < 2:
        return None
    return line(at_s[settled].tolist(), values.tolist())


def _runs(duration_s: float, paced_s: float) -> Iterator[Run]:
    for subject in listening_subjects():
        of_bundle = partial(Run, str(subject.bundle.path), subject.export.runtime)
        for granted_hz in GRANTED_HZ:
            yield of_bundle(granted_hz, duration_s, BLOCK_S, False)
        for block_s in PACED_BLOCKS_S if paced_s else ():
            yield of_bundle(GRANTED_HZ[0], paced_s, block_s, True)


def _listen(run: Run) -> dict[str, Any]:
    sound = MadeSound(run.granted_hz, run.sound_s, run.block_s)
    classifier = Bundle.load(run.bundle).open(run.runtime, "float32", threads=1)
    listener = Listener(classifier, Paced(sound) if run.paced else sound)
    for _ in listener:
        pass
    peak, meter = peak_bytes()
    return {
        "cpu_s": sound.cpu_s,
        "resident": sound.resident,
        "every_s": sound.every_s,
        "windows": listener.statistics.windows,
        "version": classifier.backend.version,
        "torch_imported": "torch" in sys.modules,
        "peak": peak,
        "meter": meter,
    }


if __name__ == "__main__":
    print(json.dumps(_listen(Run(**json.loads(sys.argv[1])))))
