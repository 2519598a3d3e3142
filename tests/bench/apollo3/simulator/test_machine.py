"""The simulated chip: exact, repeatable, and strict about what it doesn't model."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from kilohear.errors import AudioError
from kilohear_bench.apollo3.block import SimulatorError
from kilohear_bench.apollo3.elf import Image
from kilohear_bench.apollo3.machine import Machine
from kilohear_bench.apollo3.microphone import Clip, Microphone, pcm

READY = "m-ready\r\n"


def tone() -> Microphone:
    return Microphone().queue(0.5 * np.sin(2 * np.pi * 200 * np.arange(8_000) / 8_000), 8_000)


@pytest.fixture
def machine(board: Image) -> Machine:
    machine = Machine(board, tone())
    machine.run(stop_when_waiting=True)
    return machine


def test_boots_and_answers(machine: Machine) -> None:
    assert machine.output.decode() == f"m-init-done\r\nm-reset-[2]\r\n{READY}"
    assert machine.command("n%") == f"m-name-dut-[simulated]\r\n{READY}"
    assert machine.command("x%") == f"e-[unknown command]\r\n{READY}"


def test_two_runs_are_equal_to_the_last_cycle(board: Image) -> None:
    def run() -> object:
        machine = Machine(board, tone())
        answers = [machine.command(text) for text in ("n%", "w3000%", "l20%", "s250%")]
        return answers, machine.usage(), list(machine.edges)

    assert run() == run()


def test_native_and_python_counting_agree(board: Image) -> None:
    runs = []
    for native in (True, False):
        machine = Machine(board, tone(), native=native)
        machine.command("w500%")
        machine.command("l3%")
        runs.append((machine.usage(), list(machine.edges)))
        if native and not machine.native:
            pytest.skip("no native counter on this computer")
    assert runs[0] == runs[1]


def test_stopping_anywhere_changes_nothing(board: Image) -> None:
    usages = []
    for step_s in (1e9, 0.000_37):
        machine = Machine(board, tone())
        machine.run(stop_when_waiting=True)
        machine.feed(b"w20000%l2%")
        while not machine.waits_for_host:
            machine.run(machine.time_s + step_s, stop_when_waiting=True)
        usage = machine.usage()
        usages.append((usage.stages, usage.awake_s, machine.output))
    assert usages[0] == usages[1]


def test_counts_equal_the_instructions_executed(board: Image) -> None:
    """Against an emulator that stops after exactly as many instructions."""
    unicorn = pytest.importorskip("unicorn")
    machine = Machine(board)
    counted = [0]
    machine._uc.hook_add(
        unicorn.UC_HOOK_CODE, lambda *_: counted.__setitem__(0, counted[0] + 1), None
    )
    machine.run(stop_when_waiting=True)
    machine.command("w200%")
    assert machine.usage().instructions == counted[0]


def test_stages_come_from_symbols(machine: Machine) -> None:
    before = machine.usage()
    machine.command("w1000%")
    used = (machine.usage() - before).stages["work"]
    # The loop: convert, multiply-add, compare, branch and the counter, some 6 to 9 instructions.
    assert 6_000 <= used.instructions <= 9_100
    assert 1.0 <= used.cycles / used.instructions <= 2.0


def test_time_passes_asleep_without_instructions(machine: Machine) -> None:
    before = machine.usage()
    answer = machine.command("s500%")
    used = machine.usage() - before
    ticks = int(answer.partition("[")[2].partition("]")[0])
    assert ticks == 16_384  # of 32,768 Hz
    assert used.deep_sleep_s == pytest.approx(0.5, abs=1e-4)
    assert used.deep_sleeps == 1
    assert used.elapsed_s == pytest.approx(used.awake_s + used.sleep_s + used.deep_sleep_s)


def test_microphone_comes_through_the_dma(machine: Machine) -> None:
    blocks, samples = 5, 128
    answer = machine.command(f"l{blocks}%")
    total, overruns, second = answer.partition("[")[2].partition("]")[0].split(",")
    clip = Clip(
        np.float32(0.5) * np.sin(2 * np.pi * 200 * np.arange(8_000) / 8_000).astype(np.float32),
        8_000,
    )
    heard = pcm(clip, Fraction(187_500, 96))[: blocks * samples].astype(int)
    assert int(total) == np.abs(heard).sum()
    assert int(second) == heard[1] % 2**16
    assert overruns == "0"
    assert machine.usage().pdm_s[187_500.0] == pytest.approx(blocks * samples / 1953.125, rel=0.01)


def test_pins_mark_each_block(machine: Machine) -> None:
    machine.command("l4%")
    assert [edge.level for edge in machine.edges] == [True, False] * 4
    assert {edge.pin for edge in machine.edges} == {5}
    rises = [edge.time_s for edge in machine.edges if edge.level]
    np.testing.assert_allclose(np.diff(rises), 128 / 1953.125, atol=1e-5)


def test_slow_processing_overruns_the_pdm(board: Image) -> None:
    """A block lasts 65.5 ms; at a hundredth of the clock the work takes longer."""
    for core_hz, expected in ((48_000_000, False), (1_000_000, True)):
        machine = Machine(board, tone(), core_hz=core_hz)
        machine.command("w10000%")
        answer = machine.command("l6%")
        overruns = int(answer.partition("[")[2].split(",")[1])
        lost = machine.usage().pdm_words_lost
        assert (overruns > 0, lost > 0) == (expected, expected)


def test_uart_overrun_is_flagged_and_counted(machine: Machine) -> None:
    machine.feed(b"b100000%" + b"n" * 50)  # busy while 50 bytes come: 32 find room
    machine.run(stop_when_waiting=True)
    assert machine.usage().uart_bytes_lost == 18
    machine.command("%")
    assert "m-overrun-[8]" in machine.command("o%")
    assert "m-overrun-[0]" in machine.command("o%")


def test_bytes_take_their_time(machine: Machine) -> None:
    began = machine.time_s
    answer = machine.command("n%")
    assert machine.time_s - began >= (len("n%") + len(answer) - 1) * 10 / 115_200


def test_watchdog_resets(machine: Machine) -> None:
    began = machine.time_s
    answer = machine.command("d%")
    assert answer == f"m-init-done\r\nm-reset-[64]\r\n{READY}"
    assert 2.0 < machine.time_s - began < 2.1


def test_reset_in_the_middle_of_anything(machine: Machine) -> None:
    for cause, bit in (("pin", 1), ("brown-out", 4), ("power-on", 2)):
        machine.feed(b"l1000%")
        machine.run(machine.time_s + 1.234)
        machine.output.clear()
        machine.reset(cause)
        machine.run(stop_when_waiting=True)
        assert machine.output.decode() == f"m-init-done\r\nm-reset-[{bit}]\r\n{READY}"
        assert "simulated" in machine.command("n%")


def test_a_fault_enters_the_handler(machine: Machine) -> None:
    answer = machine.command("f16%")
    assert "m-reset-[8]" in answer
    (fault,) = machine.faults
    assert (fault.kind, fault.address) == ("hard-fault", 0x6000_0010)
    assert f"m-scratch-[{0x6000_0010}]" in machine.command("r%")


def test_what_isnt_modelled_is_refused_with_its_address(machine: Machine) -> None:
    with pytest.raises(SimulatorError, match=r"write of 0x40003000.*near pc 0x0000c"):
        machine.command("u1%")


def test_random_bytes_leave_it_serving(machine: Machine) -> None:
    random = np.random.default_rng(5)
    noise = random.integers(0, 256, 100_000, np.uint8)
    # Not the letters of commands that take long or end the simulation on purpose.
    noise[np.isin(noise, np.frombuffer(b"dfuslwb", np.uint8))] = 0
    machine.feed(noise.tobytes())
    machine.run(stop_when_waiting=True)
    machine.command("%")
    assert "m-name-dut-[simulated]" in machine.command("n%")


def test_random_bytes_are_the_same_noise_every_time(board: Image) -> None:
    outputs = set()
    for _ in range(2):
        machine = Machine(board)
        machine.run(stop_when_waiting=True)
        machine.feed(np.random.default_rng(1).integers(0, 128, 2_000, np.uint8).tobytes())
        machine.run(machine.time_s + 3.0)
        outputs.add(bytes(machine.output))
    assert len(outputs) == 1


def test_microphone_queue_then_repeat_then_silence() -> None:
    rate = Fraction(1_000)
    first, second = np.full(1_000, 0.25), np.full(1_000, 0.5)
    microphone = Microphone().queue(first, 1_000).queue(second, 1_000)
    peaks = [int(np.median(microphone.start(rate, 0.0))) for _ in range(3)]
    assert peaks == [8192, 16384, 16384]
    assert len(Microphone(repeat=False).start(rate, 0.0)) == 0


def test_pcm_saturates_and_refuses() -> None:
    loud = Clip(np.full(100, 0.9, np.float32), 1_000)
    assert pcm(loud, Fraction(1_000), 6.0).max() == 32_767
    with pytest.raises(AudioError, match="finite mono"):
        Clip(np.zeros((2, 2), np.float32), 1_000)


def test_fractional_rates_keep_a_tone() -> None:
    tone_hz, rate = 440.0, Fraction(15_625, 8)
    clip = Clip(np.sin(2 * np.pi * tone_hz * np.arange(32_000) / 16_000).astype(np.float32), 16_000)
    heard = pcm(clip, rate)[1_000:3_000] / 32_767
    expected = np.sin(2 * np.pi * tone_hz * np.arange(1_000, 3_000) / float(rate))
    np.testing.assert_allclose(heard, expected, atol=2e-3)
