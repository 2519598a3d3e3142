"""Count the instructions of the board's FFT and of CMSIS-DSP's, in the same simulator.

    make -f bench/apollo3/checks/checks.mk compare PYTHON=.venv/bin/python

Both are real FFTs of the same signals, built by the same compiler; each result is held against
numpy's before it counts. The figures are simulated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apollo3.checks.arm import ARM_CC, CHECKS, COMMON, CORTEX_M4F, STAGES, ArmKernel, build_arm

POINTS = (32, 64, 128, 256, 512)
DESIGN_POINTS = (32, 64, 512)
"""Where the FFT has to stay within WITHIN of CMSIS-DSP's count."""

WITHIN = 1.3

BUILDS = {
    "the firmware's flags": ("-ffp-contract=off",),
    "-O3, fused operations": ("-O3", "-ffp-contract=fast"),
}
"""Of CMSIS-DSP: as the firmware is built, and as it needs the fewest (fewer than by -Ofast)."""

_CMSIS_SOURCES = (
    *(f"TransformFunctions/arm_rfft_{name}.c" for name in ("fast_f32", "fast_init_f32")),
    *(f"TransformFunctions/arm_rfft_{name}.c" for name in ("q15", "init_q15")),
    *(f"TransformFunctions/arm_cfft_{name}.c" for name in ("f32", "init_f32", "radix8_f32")),
    *(f"TransformFunctions/arm_cfft_{name}.c" for name in ("q15", "init_q15", "radix4_q15")),
    *(f"TransformFunctions/arm_bitreversal{name}.c" for name in ("", "2")),
    *(f"CommonTables/arm_{name}.c" for name in ("common_tables", "const_structs")),
    "BasicMathFunctions/arm_shift_q15.c",
)


def signal_of(points: int) -> NDArray[np.float64]:
    """Return noise between -1 and 1, (points,)."""
    return np.random.default_rng(points).uniform(-1, 1, points)


def count_own(elf: Path, points: int) -> dict[str, int]:
    """Return the instructions of `fft_f32` and `fft_q15`.

    Raises
    ------
    RuntimeError
        Where a spectrum isn't numpy's.
    """
    kernel = ArmKernel(elf)
    signal = signal_of(points)
    out = kernel.place(bytes(8 * (points // 2 + 1)))
    f32 = kernel.call("fft_f32", kernel.place(signal.astype(np.float32)), out, points)
    _check("fft_f32", signal, kernel.read(out, np.float32, points + 2), 1.0, 1e-4)
    halved = np.round(16_383 * signal).astype(np.int16)
    q15 = kernel.call("fft_q15", kernel.place(halved), out, points)
    _check("fft_q15", halved, kernel.read(out, np.int16, points + 2), 2 / points, 8)
    return {"f32": f32.instructions, "q15": q15.instructions}


def build_cmsis(source: Path, flags: tuple[str, ...], into: Path) -> Path:
    """Build the FFTs of an unpacked CMSIS-DSP; return the ELF."""
    folders = (CHECKS / "cmsis", source / "Include", source / "PrivateInclude")
    # It reads pairs by memcpy, which only a hosted compiler turns into loads.
    options = ("-std=gnu11", "-fhosted", "-fbuiltin", "-w", *flags)
    files = [source / "Source" / name for name in _CMSIS_SOURCES]
    return build_arm(files, into, (*options, *(f"-I{folder}" for folder in folders)))


def count_cmsis(elf: Path, points: int) -> dict[str, int]:
    """Return the instructions of `arm_rfft_fast_f32` and `arm_rfft_q15`; errors as `count_own`."""
    kernel = ArmKernel(elf)
    signal = signal_of(points)
    plan, out = kernel.place(bytes(64)), kernel.place(bytes(4 * points))
    kernel.call("arm_rfft_fast_init_f32", plan, points)
    f32 = kernel.call(
        "arm_rfft_fast_f32", plan, kernel.place(signal.astype(np.float32)), out, 0
    ).instructions
    packed = kernel.read(out, np.float32, points)  # the last bin stands behind the first
    _check("arm_rfft_fast_f32", signal, [packed[0], 0, *packed[2:], packed[1], 0], 1.0, 1e-4)
    plan = kernel.place(bytes(64))
    kernel.call("arm_rfft_init_q15", plan, points, 0, 1)
    loud = np.round(32_767 * signal).astype(np.int16)  # it makes its own headroom
    q15 = kernel.call("arm_rfft_q15", plan, kernel.place(loud), out).instructions
    _check("arm_rfft_q15", loud, kernel.read(out, np.int16, points + 2), 1 / points, 16)
    return {"f32": f32, "q15": q15}


def _check(name: str, signal: NDArray, given: Any, scale: float, tolerance: float) -> None:
    spectrum = np.asarray(given, np.float64).view(np.complex128)
    error = np.abs(spectrum - np.fft.rfft(signal) * scale).max()
    if error > tolerance:
        raise RuntimeError(f"{name} of {len(signal)} points is wrong by {error:.3g}")


def compare(cmsis: Path) -> dict[str, Any]:
    """Count all; return what fft.json holds."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        own_elf = build_arm([STAGES / "fft.c"], into)
        own = {points: count_own(own_elf, points) for points in POINTS}
        theirs = {}
        for name, flags in BUILDS.items():
            elf = build_cmsis(cmsis, flags, into)
            theirs[name] = {points: count_cmsis(elf, points) for points in POINTS}
    rows = [
        {
            "points": points,
            "format": kind,
            "instructions": own[points][kind],
            "cmsis_instructions": {name: counts[points][kind] for name, counts in theirs.items()},
            "ratio": round(
                own[points][kind] / min(counts[points][kind] for counts in theirs.values()), 3
            ),
        }
        for kind in ("f32", "q15")
        for points in POINTS
    ]
    compiler = subprocess.run([ARM_CC, "-dumpfullversion"], capture_output=True, text=True)
    return {
        "name": "instructions of a real FFT",
        "kind": "simulated",
        "meter": f"unicorn {version('unicorn')}",
        "versions": {"gcc": compiler.stdout.strip(), "cmsisdsp": cmsis.name.rpartition("-")[2]},
        "flags": " ".join((*COMMON, *CORTEX_M4F)),
        "ratio": "to the lesser count of CMSIS-DSP",
        "rows": rows,
    }


def main() -> None:
    """Print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cmsis", type=Path, required=True, help="CMSIS-DSP, unpacked")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    result = compare(arguments.cmsis)
    for row in result["rows"]:
        theirs = ", ".join(
            f"{count:,} ({name})" for name, count in row["cmsis_instructions"].items()
        )
        print(
            f"{row['format']} {row['points']:3} points: {row['instructions']:6,}; "
            f"CMSIS-DSP {theirs}; ratio {row['ratio']:.2f}"
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
