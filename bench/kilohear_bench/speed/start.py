"""Start: what importing kilohear takes, and how soon a process that wasn't there gives a result.

Every sample is a process of its own, started in turns. The files are in the system's cache by
then and Python's bytecode is there, as pip leaves it; nothing else is. A process ends without
clean-up once the result is out, so that the time is the result's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from kilohear_bench.fresh import require_success
from kilohear_bench.latency import WARM_UP, time_in_turns
from kilohear_bench.machine import load_conditions
from kilohear_bench.memory import peak_memory
from kilohear_bench.run import Say
from kilohear_bench.speed.part import BUNDLE, Part, Taking, listening_subjects

PYTHON, NUMPY, KILOHEAR = "python", "python with numpy", "python with numpy and kilohear"

_LEAVE = "import os; os._exit(0)"
_IMPORTS = {PYTHON: "", NUMPY: "import numpy", KILOHEAR: "import numpy, kilohear"}
_FIRST_RESULT = """
import numpy, kilohear
classifier = kilohear.Bundle.load({bundle!r}).open({runtime!r}, "float32", threads=1)
silence = numpy.zeros(classifier.card.samples, numpy.float32)
print(classifier.card.labels[classifier(silence).argmax()], flush=True)
"""


def measure_start(rounds: int, say: Say) -> Part:
    """Time fresh processes in turns; measure the peak memory of those that give a result.

    Raises
    ------
    BackendError
        Where a process fails, naming what it was to do.
    """
    taking = Taking({"threads": 1, "warm_up": WARM_UP, **load_conditions()})
    subjects = listening_subjects()
    programs = dict(_IMPORTS)
    for subject in subjects:
        runtime = subject.export.runtime
        programs[first_result(runtime)] = _FIRST_RESULT.format(bundle=BUNDLE, runtime=runtime)
    say(f"start: {rounds} rounds of {len(programs)} fresh processes")
    with tempfile.TemporaryDirectory() as bytecode:
        calls = {
            name: partial(run_program, name, program, Path(bytecode))
            for name, program in programs.items()
        }
        samples = time_in_turns(calls, rounds, WARM_UP)
    for name, values in samples.items():
        taking.add("latency", name, values, "ms", "time.perf_counter_ns around the process")
    for measured in map(peak_memory, subjects):
        name, meter = measured.subject, measured.meter
        taking.add(
            "peak_memory", name, measured.samples, "bytes", meter, None, **measured.conditions
        )
    return taking.done("start", {"rounds": rounds, "bundle": BUNDLE})


def first_result(runtime: str) -> str:
    """Return what a measurement of the time to the first result is called."""
    return f"first result, {runtime}"


def run_program(name: str, program: str, bytecode: Path) -> None:
    """Run a Python program in a process of its own, up to its last line.

    Parameters
    ----------
    name
        What to call it in an error.
    program
        Its text.
    bytecode
        The folder of its bytecode, which the first process fills.

    Raises
    ------
    BackendError
        Where it fails.
    """
    command = [sys.executable, "-c", f"{program}\n{_LEAVE}"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    require_success(done, f"{name}: the process", "run kilohear bundles")
