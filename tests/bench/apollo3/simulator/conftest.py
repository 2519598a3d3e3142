"""A small firmware for the simulator, built from `board.c` beside this file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kilohear_bench.apollo3.elf import Image, load_image

COMPILER = shutil.which("arm-none-eabi-gcc")
FLAGS = (
    "-O2 -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -ffreestanding "
    "-fno-tree-loop-distribute-patterns -nostdlib -Wall -Wextra -Werror"
)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build an ELF from C source."""
    if COMPILER is None:
        pytest.skip("arm-none-eabi-gcc isn't installed")
    script = Path(__file__).with_name("board.ld")

    def run(source: str) -> Path:
        folder = tmp_path_factory.mktemp("firmware")
        (folder / "board.c").write_text(source)
        command = [COMPILER, *FLAGS.split(), "-T", script, "board.c", "-lgcc", "-o", "board.elf"]
        subprocess.run(command, cwd=folder, check=True)
        return folder / "board.elf"

    return run


@pytest.fixture(scope="session")
def board_elf(build: Callable[[str], Path]) -> Path:
    return build(Path(__file__).with_name("board.c").read_text())


@pytest.fixture(scope="session")
def board(board_elf: Path) -> Image:
    pytest.importorskip("unicorn")
    return load_image(board_elf)
