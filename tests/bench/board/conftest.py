"""A small run of the simulator, a data set of its own, and a meter that plays a recording."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from kilohear_bench.apollo3.elf import FIRMWARE
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.board.run import BoardRun, board_view
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices.apollo3_simulator import Simulator
from kilohear_bench.meters import Context, Recording
from kilohear_bench.run import run_bench

RATES_HZ = (16_000, 1_000)


def quiet(_text: str) -> None:
    pass


def recording_of(pulses: int = 2, fault: str | None = None) -> Recording:
    """9 s at 1 kHz: 0.5 mA, 3 mA in pulses of 0.5 s, 3 s from the end of one to the next's."""
    logic = np.zeros(9_000, np.uint8)
    for start in range(1_000, 1_000 + 3_000 * pulses, 3_000):
        logic[start : start + 500] = 1
    return Recording(
        meter="ppk2", device="PPK2 of the test", firmware="1", kind="measured",
        started_at="2026-01-01T00:00:00+00:00", rate_hz=1_000.0,
        current_ma=np.where(logic, 3.0, 0.5), voltage_v=None, supply_v=3.0, logic=logic,
        fault=fault,
    )  # fmt: skip


class FakeMeter(Context):
    """A meter whose every recording is the same; it must be stopped before it starts again."""

    name: ClassVar[str] = "fake"

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.running = False

    def open(self) -> None:
        pass

    def close(self) -> None:
        self.running = False

    def start(self) -> None:
        assert not self.running
        self.running = True

    def stop(self) -> Recording:
        assert self.running
        self.running = False
        return self.recording


@pytest.fixture(autouse=True)
def _simulator_is_there() -> None:
    pytest.importorskip("unicorn")
    if not FIRMWARE.is_file():
        pytest.skip("the firmware isn't built: make -C bench/apollo3")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two rates, a window each."""
    folder = tmp_path_factory.mktemp("board") / "run"
    config = BenchConfig(devices=(SIMULATOR,), rates_hz=RATES_HZ, windows=1)
    run_bench(config, folder, quiet)
    return folder


@pytest.fixture
def run_folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="session")
def board(finished: Path) -> BoardRun:
    from kilohear_bench.store import load_run

    return board_view(load_run(finished), SIMULATOR)


@pytest.fixture
def port() -> Iterator[str]:
    """The serial port of a simulator, which the bench can't tell from a board's."""
    with Simulator() as simulator:
        yield simulator.port


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """Four clips of noise of two classes that no student was trained on."""
    import soundfile

    random = np.random.default_rng(0)
    rows = ["filename,category,fold"]
    for i, label in enumerate(("dog", "dog", "rain", "rain")):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * random.standard_normal(16_000 * 5), 16_000)
        rows.append(f"{i}.wav,{label},1")
    table = tmp_path / "noise.csv"
    table.write_text("\n".join(rows) + "\n")
    return str(table)
