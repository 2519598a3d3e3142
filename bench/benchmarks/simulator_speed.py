"""How much faster than the board the simulator is: virtual seconds a second, counting included.

    python bench/benchmarks/simulator_speed.py --out bench/results/apollo3/simulator_speed.json

For each rate whose student is built into the firmware: `listen` for so many windows of noise, the
student at the end of each, timed from the command to its last line. The wall clock and this
process's processor time are both measured; on a busy computer the second one tells more.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from kilohear import extras
from kilohear.errors import KilohearError
from kilohear.files import write_text
from kilohear_bench.apollo3.elf import Image, load_image
from kilohear_bench.apollo3.machine import Machine
from kilohear_bench.apollo3.microphone import Microphone
from kilohear_bench.apollo3.rates import RATES
from kilohear_bench.machine import describe, load_conditions, versions
from kilohear_bench.measurement import Measurement, now


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Time the simulated board.")
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--note", default="", help="what else the machine was doing")
    parser.add_argument("--out", type=Path, default=Path("runs/simulator_speed.json"))
    given = parser.parse_args()
    image, results = load_image(), []
    for rate_hz in RATES:
        timed = time_rate(image, rate_hz, given.windows, given.repeats, given.note)
        results += timed
        for result in timed:
            print(f"{rate_hz:>6} Hz  {result.name:<16} {result.median:6.1f} x")
    record = {
        "host": describe(),
        "measurements": [dataclasses.asdict(result) for result in results],
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(given.out, json.dumps(record, indent=1) + "\n")


def time_rate(
    image: Image, rate_hz: int, windows: int, repeats: int, note: str
) -> list[Measurement]:
    """Time `windows` windows at a rate, `repeats` times; nothing where it has no student."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 10)
    machine = Machine(image, Microphone().queue(noise, 16_000))
    machine.command(f"rate {rate_hz}%")
    version = machine.command("version%")
    if "m-student-[none" in version:
        return []
    machine.command("listen 1%")  # decodes and translates the code
    started_at = now()
    walls, processors, used = [], [], machine.usage()
    for _ in range(repeats):
        before = machine.usage()
        wall, processor = time.perf_counter(), time.process_time()
        answer = machine.command(f"listen {windows}%")
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        if f"m-listened-[{windows}," not in answer:
            raise KilohearError(f"the board ended otherwise: {answer[-200:]}")
        used = machine.usage() - before
        walls.append(used.elapsed_s / wall)
        processors.append(used.elapsed_s / processor)
    conditions: dict[str, Any] = {
        "rate_hz": rate_hz,
        "windows": windows,
        "instructions_per_virtual_s": round(used.instructions / used.elapsed_s),
        "counting": "native" if machine.native else "python",
        "firmware": version.partition("m-version-[")[2].partition("]")[0],
        "note": note,
        **load_conditions(),
    }
    unicorn = extras.load("unicorn")
    return [
        Measurement(
            name=name,
            subject=f"listen at {rate_hz} Hz",
            samples=tuple(samples),
            unit="virtual seconds per second",
            kind="measured",
            device="host",
            meter=meter,
            versions=versions() | {"unicorn": unicorn.__version__},
            started_at=started_at,
            conditions=conditions,
        )
        for name, samples, meter in (
            ("speed", walls, "time.perf_counter"),
            ("processor_speed", processors, "time.process_time"),
        )
    ]


if __name__ == "__main__":
    main()
