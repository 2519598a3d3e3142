"""Kill a bench run at random, again and again: it must end as one that nothing stopped.

    python bench/benchmarks/killed_runs.py --out runs/killed.json

A run is begun and left alone. Then runs are begun, killed with SIGKILL after a random time and
gone on with, until so many kills have hit a living process; every run is brought to its end. The
folders must hold the same files, and the results the same measurements with as many samples, the
same labels and, where a device is simulated, the same numbers. The result file says when each kill
came and how many steps it found finished.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kilohear.config import save_json
from kilohear_bench import machine
from kilohear_bench.journal import Journal
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.result import Run
from kilohear_bench.store import HEAD, STEPS, load_run


@dataclasses.dataclass(frozen=True)
class Kill:
    """A kill: in which run, after how many seconds of its process, with how many steps on disk."""

    run: int
    after_s: float
    steps: int


@dataclasses.dataclass(frozen=True)
class Result:
    """What the result file keeps; `differences` must be empty."""

    started_at: str
    command: tuple[str, ...]
    seed: int
    uninterrupted_s: float
    steps: int
    kills: tuple[Kill, ...]
    runs: int
    differences: tuple[str, ...]
    machine: dict[str, Any]
    versions: dict[str, str]


def main() -> int:
    """Do it; returns 1 where a killed run ended otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="A JSON file.")
    parser.add_argument("bench", nargs="*", help="Options of `kilohear bench`, after --.")
    given = parser.parse_args()
    options = given.bench or [
        *("--device", "host", "--device", "apollo3-simulator", "--bundle", "esc10-1khz"),
        *("--rate", "1000", "--windows", "30", "--no-memory"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        result = kill_again_and_again(options, given.kills, given.seed, Path(folder))
    print(f"{len(result.kills)} kills, {result.runs} runs, {len(result.differences)} differences")
    for difference in result.differences:
        print(difference)
    if given.out is not None:
        save_json(result, given.out)
    return bool(result.differences)


def kill_again_and_again(options: list[str], kills: int, seed: int, folder: Path) -> Result:
    """Make the runs in `folder`."""
    chance, started_at = random.Random(seed), now()
    whole = folder / "whole"
    began = time.monotonic()
    _bench([*options, "--out", str(whole)]).wait()
    longest_s = time.monotonic() - began
    expected = load_run(whole)
    dealt: list[Kill] = []
    differences: list[str] = []
    runs = 0
    while len(dealt) < kills:
        stopped = folder / f"run-{runs}"
        while True:
            begin = [*options, "--out", str(stopped)]
            process = _bench(["resume", str(stopped)] if (stopped / HEAD).exists() else begin)
            after_s = chance.uniform(0, longest_s) if len(dealt) < kills else None
            try:
                process.wait(after_s)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                dealt.append(Kill(runs, round(after_s or 0.0, 3), _steps(stopped)))
                print(f"kill {len(dealt)} of {kills}: {dealt[-1]}", flush=True)
        differences += [f"run {runs}: {what}" for what in _differences(whole, expected, stopped)]
        shutil.rmtree(stopped)
        runs += 1
    return Result(
        started_at=started_at,
        command=("kilohear", "bench", *options),
        seed=seed,
        uninterrupted_s=round(longest_s, 2),
        steps=_steps(whole),
        kills=tuple(dealt),
        runs=runs,
        differences=tuple(differences),
        machine=machine.describe(),
        versions=machine.versions(),
    )


def _bench(arguments: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kilohear.cli", "bench", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _steps(folder: Path) -> int:
    return sum(1 for file in folder.glob(f"*/{STEPS}") for _ in Journal(file).read())


def _differences(whole: Path, expected: Run, stopped: Path) -> list[str]:
    """Return in which the two runs aren't alike, in words."""
    run, found = load_run(stopped), []
    if run.finished_at is None:
        found.append("it isn't finished")
    files, others = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        for folder in (whole, stopped)
    )
    found += [f"the file {name} is in one of the two" for name in sorted(files ^ others)]
    pairs = zip(expected.measurements, run.measurements, strict=False)
    if len(expected.measurements) != len(run.measurements):
        found.append(f"{len(expected.measurements)} and {len(run.measurements)} measurements")
    for one, other in pairs:
        if _shape(one) != _shape(other):
            found.append(f"{_shape(one)} and {_shape(other)}")
        elif one.kind == "simulated" and one.samples != other.samples:
            found.append(f"{one.name} of {one.subject}: {one.samples} and {other.samples}")
    return found


def _shape(m: Measurement) -> tuple[Any, ...]:
    labels = m.conditions.get("clips_true_predicted")
    what = (m.name, m.subject, m.device, m.unit, m.kind, m.meter, len(m.samples))
    return (*what, tuple(m.conditions), labels)


if __name__ == "__main__":
    sys.exit(main())
