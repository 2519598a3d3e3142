"""Count each kernel's instructions in two simulators that know nothing of each other.

QEMU (mps2-an386) runs a program that calls every kernel; Unicorn calls the same machine code one
kernel at a time. The counts are simulated.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from apollo3.checks.arm import ARM_CC, CHECKS, STAGES, ArmKernel, build_arm, missing_tool

QEMU = "qemu-system-arm"
SRAM = (0x2000_0000, 384 * 1024)

_ICOUNT_SHIFT = 10  # an instruction takes 2^10 ns
_TICK_NS = 40  # of the board's timers, 25 MHz
_WARM_UP = 1  # calls before the one that counts, as the program does it


def missing() -> str | None:
    """Return why this machine can't run the check, or None."""
    return missing_tool(ARM_CC, QEMU)


def build(images: dict[str, bytes], students: dict[str, bytes], into: Path) -> Path:
    """Build the program in a folder; return the ELF.

    Both are student images by C name; of `images` only the front end is used.
    """
    lines = [_array(name, image) for name, image in (images | students).items()]
    for macro, names in (("IMAGES", images), ("STUDENTS", students)):
        lines.append(f"#define {macro}(X) " + " ".join(f"X({name})" for name in names))
    (into / "cross_check_images.h").write_text("\n".join(lines) + "\n")
    stages = ("decimator.c", "fft.c", "logmel.c", "student.c")
    sources = [CHECKS / "cross_check.c", *(STAGES / name for name in stages)]
    flags = (f"-I{STAGES}", f"-I{into}")
    return build_arm(sources, into, flags, CHECKS / "cross_check.ld")


def _array(name: str, image: bytes) -> str:
    padded = image + bytes(-len(image) % 4)
    words = (int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4))
    return f"static const uint32_t {name}[] = {{{', '.join(map(hex, words))}}};"


def count_in_qemu(elf: Path) -> dict[str, int]:
    """Return the instructions of each case, less those of a case that does nothing."""
    machine = ("-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none")
    counting = ("-icount", f"shift={_ICOUNT_SHIFT}")
    semihosting = ("-semihosting-config", "enable=on,target=native")
    command = (QEMU, *machine, *counting, *semihosting, "-kernel", str(elf))
    # Semihosting writes to the standard error.
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    ticks = dict(line.split() for line in (done.stdout + done.stderr).splitlines())
    counts = {name: round(int(n) * _TICK_NS / 2**_ICOUNT_SHIFT) for name, n in ticks.items()}
    return _less_the_call(counts)


def count_in_unicorn(elf: Path) -> dict[str, int]:
    """Return the same, counted by the other simulator."""
    kernel = ArmKernel(elf, sram=SRAM)
    kernel.call("prepare")
    counts = {}
    for symbol in kernel.symbols:
        if symbol.startswith("case_"):
            calls = [kernel.call(symbol) for _ in range(_WARM_UP + 1)]
            counts[symbol.removeprefix("case_")] = calls[-1].instructions
    return _less_the_call(counts)


def _less_the_call(counts: dict[str, int]) -> dict[str, int]:
    nothing = counts.pop("nothing")
    return {name: count - nothing for name, count in sorted(counts.items())}
