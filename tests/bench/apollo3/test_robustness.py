"""The firmware that ships under what goes wrong: noise, lost bytes, a core that is too slow."""

from __future__ import annotations

import numpy as np
import pytest

from kilohear_bench.apollo3.elf import FIRMWARE, load_image
from kilohear_bench.apollo3.machine import Edge, Machine, Usage
from kilohear_bench.apollo3.microphone import Microphone

pytest.importorskip("unicorn")
if not FIRMWARE.is_file():
    pytest.skip("the firmware isn't built: make -C bench/apollo3", allow_module_level=True)


def machine(core_hz: int = 48_000_000) -> Machine:
    noise = np.random.default_rng(3).normal(0, 0.1, 16_000 * 2)
    machine = Machine(load_image(), Microphone().queue(noise, 16_000), core_hz=core_hz)
    machine.run(stop_when_waiting=True)
    return machine


def field(answer: str, kind: str, name: str) -> int:
    line = next(line for line in answer.splitlines() if line.startswith(f"m-{kind}-["))
    pairs = dict(pair.split("=") for pair in line.partition("[")[2].rstrip("]").split(","))
    return int(pairs[name])


def test_a_million_random_bytes_and_it_still_answers() -> None:
    board = machine()
    random = np.random.default_rng(5)
    for _ in range(10):
        board.feed(random.integers(0, 256, 100_000, np.uint8).tobytes())
        board.run(stop_when_waiting=True)
        board.command("%")
        assert "m-name-dut-[kilohear-apollo3]" in board.command("name%")
        board.output.clear()
    stats = board.command("stats%")
    assert field(stats, "stats", "errors") > 1_000
    assert field(stats, "stats", "uart_overruns") > 0  # it answered while more was coming
    assert "reset=power-on" in stats
    assert board.faults == []


def test_noise_of_printable_words_is_refused_too() -> None:
    board = machine()
    random = np.random.default_rng(6)
    # No letters that make `listen`, `sleep`, `fft` or `stream`: those take their time.
    letters = np.frombuffer(b"nameprofildbatersu 0123456789%-[]", np.uint8)
    board.feed(random.choice(letters, 50_000).tobytes())
    board.run(stop_when_waiting=True)
    board.command("%")
    assert "m-name-dut-[kilohear-apollo3]" in board.command("name%")


def test_lost_bytes_are_counted_and_reported() -> None:
    board = machine()
    shape = board.command("version%").partition("m-shape-[")[2].split(",")
    if len(shape) < 3:
        pytest.skip("no student is built in")
    size = int(shape[1]) * int(shape[2])
    board.command(f"db load {size}%")
    for start in range(0, size, 256):
        board.command(f"db {'00' * min(256, size - start)}%")
    board.output.clear()
    board.feed(b"infer 1 0%" + b"n" * 100 + b"%")  # the FIFO takes 32 while it computes
    board.run(stop_when_waiting=True)
    assert "bytes were lost" in board.command("%")
    assert board.usage().uart_bytes_lost == 101 - 32
    assert field(board.command("stats%"), "stats", "uart_overruns") > 0


def test_a_core_too_slow_loses_samples_and_says_so() -> None:
    def listened(core_hz: int) -> tuple[str, Usage]:
        board = machine(core_hz=core_hz)
        if "m-student-[none" in board.command("version%"):
            pytest.skip("no student is built in")
        return board.command("listen 2%"), board.usage()

    fine, usage = listened(48_000_000)
    assert fine.splitlines()[0].endswith(",0]")
    assert usage.pdm_words_lost == 0
    slow, usage = listened(4_000_000)
    overruns = int(slow.splitlines()[-2].partition("[")[2].split(",")[1])
    assert overruns > 0
    assert usage.pdm_words_lost > 0


def test_listening_is_repeatable_to_the_cycle() -> None:
    def run() -> tuple[str, Usage, list[Edge]]:
        board = machine()
        return board.command("listen 1%"), board.usage(), list(board.edges)

    assert run() == run()


def test_the_analogue_microphone_is_heard_as_well() -> None:
    board = machine()
    board.command("source adc%")
    answer = board.command("stream 100%")
    assert "m-streamed-[100,0]" in answer
    assert board.usage().adc_s > 0.1
    assert board.usage().pdm_s == {}


def test_pins_mark_the_work_and_each_window() -> None:
    board = machine()
    if "m-student-[none" in board.command("version%"):
        pytest.skip("no student is built in")
    board.command("listen 1%")
    window, work = ([e for e in board.edges if e.pin == pin] for pin in (5, 6))
    assert [edge.level for edge in window] == [True, False]
    assert [edge.level for edge in work] == [True, False] * (len(work) // 2)
    assert window[1].cycles - window[0].cycles > 10_000_000  # the student
    awake = sum(down.time_s - up.time_s for up, down in zip(work[::2], work[1::2], strict=True))
    # Beside what the pin marks the core only wakes, starts the next transfer and talks.
    assert awake == pytest.approx(board.usage().awake_s, rel=0.05)
