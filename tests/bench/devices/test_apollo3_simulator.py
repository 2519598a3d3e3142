"""The simulator's serial port: as a board's, whatever the host does with it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tests.bench.devices.conftest import microphone

from kilohear_bench.apollo3.block import SimulatorError
from kilohear_bench.devices.apollo3 import Board
from kilohear_bench.devices.apollo3_simulator import Simulator

pytest.importorskip("serial")


def test_starts_stops_and_starts_again(simulator: Simulator) -> None:
    port = simulator.start()  # already on
    assert port == simulator.port
    assert Path(port).is_symlink()
    simulator.stop()
    assert not Path(port).exists()
    with pytest.raises(SimulatorError, match="isn't running"):
        simulator.usage()
    with pytest.raises(SimulatorError, match="isn't running"):
        _ = simulator.port
    simulator.stop()  # off already
    with Board(simulator.start()) as board:
        assert board.stats().reset == "power-on"


def test_a_waiting_board_keeps_the_walls_pace(simulator: Simulator) -> None:
    with Board(simulator.port):
        pass
    before, began = simulator.usage().elapsed_s, time.monotonic()
    time.sleep(0.5)
    passed, wall = simulator.usage().elapsed_s - before, time.monotonic() - began
    assert 0.2 < passed <= wall + 0.2


def test_unpaced_the_same_commands_take_the_same_whatever_was_before(board_image: None) -> None:
    used = []
    simulator = Simulator(microphone=microphone(), paced=False)
    with simulator, Board(simulator.start()) as board:
        for before in ("help", "rate 16000", ""):
            board.command(before)
            time.sleep(0.05)  # no virtual time passes
            simulator.power_cycle(None)
            board.take_greeting()
            assert board.rate().nominal_hz == 1_000  # the settings are the defaults again
            began = simulator.usage()
            board.fft(2)
            assert board.timestamp_us() > 0
            simulator.settle()
            used.append(simulator.usage() - began)
    assert used[0].stages == used[1].stages == used[2].stages
    assert used[0].elapsed_s == pytest.approx(used[2].elapsed_s, abs=1e-9)


def test_a_sleeping_board_does_not(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        began = time.monotonic()
        board.sleep(600_000)
        assert time.monotonic() - began < 60


def test_output_that_nobody_reads_is_lost_in_the_end_without_harm(simulator: Simulator) -> None:
    import serial

    with serial.Serial(simulator.port, 115_200) as port:
        for _ in range(20):
            port.write(b"help%")
            time.sleep(0.01)
        simulator.usage()  # it runs on
    with Board(simulator.port) as board:
        assert board.profile()[0]


def test_every_cause_of_reset_is_told(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        for cause in ("pin", "brown-out", "power-on", "watchdog"):
            simulator.reset(cause)
            board.reopen()
            assert board.stats().reset == cause


def test_a_student_is_flashed_into_the_user_slot(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        simulator.write_user_slot(b"this is no student")
        board.reopen()
        with pytest.raises(SimulatorError, match="user slot"):
            simulator.write_user_slot(bytes(65_537))
        simulator.write_user_slot(None)
        board.reopen()
        assert board.name()


def test_windows_is_told_what_there_is(monkeypatch: pytest.MonkeyPatch, board_image: None) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SimulatorError, match="without a serial port"):
        Simulator().start()
