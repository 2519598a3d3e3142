"""The board's host driver, against the firmware in the simulator and lines that misbehave."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kilohear_bench.devices import apollo3
from kilohear_bench.devices.apollo3 import (
    NAME,
    PROTOCOL,
    Board,
    BoardError,
    BoardEvent,
    BoardRefused,
    BoardReset,
    LinkLost,
    Listened,
    Window,
    WrongFirmware,
    choose_port,
    find_ports,
)
from kilohear_bench.devices.apollo3_simulator import Simulator

pytest.importorskip("serial")

MakeLine = Callable[[Callable[[str], bytes]], Any]
READY = b"m-ready\r\n"


def test_answers_are_typed(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        assert board.name() == NAME
        assert board.profile()[0] == PROTOCOL
        first, second = board.timestamp_us(), board.timestamp_us()
        assert 0 < first < second < 60_000_000
        stats = board.stats()
        assert (stats.pdm_overruns, stats.errors, stats.reset) == (0, 0, "power-on")
        assert 0 < stats.stack_used < stats.stack_size
        assert len(board.version().firmware) == 12


@pytest.mark.parametrize(
    ("nominal", "effective", "clock", "sampled", "by"),
    [
        (16_000, 15_625.0, 1_500_000, 15_625.0, 1),
        (8_000, 7_812.5, 750_000, 7_812.5, 1),
        (4_000, 3_906.25, 750_000, 7_812.5, 2),
        (2_000, 1_953.125, 375_000, 3_906.25, 2),
        (1_000, 976.5625, 187_500, 1_953.125, 2),
    ],
)
def test_rates(
    simulator: Simulator, nominal: int, effective: float, clock: int, sampled: float, by: int
) -> None:
    with Board(simulator.port) as board:
        rate = board.set_rate(nominal)
        assert rate == board.rate() == apollo3.Rate(nominal, effective, clock, sampled, by)


def test_buffer_echoes(simulator: Simulator) -> None:
    data = np.random.default_rng(0).integers(0, 256, 1_000, np.uint8).tobytes()
    with Board(simulator.port) as board:
        board.load(data)
        assert board.features().tobytes() == data
        with pytest.raises(BoardError, match="1 to 32768"):
            board.load(b"")


def test_sleep_is_timed_by_the_board(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        before = simulator.usage()
        assert board.sleep(60_000) == pytest.approx(60e6, rel=1e-4)
        assert (simulator.usage() - before).deep_sleep_s == pytest.approx(60, abs=0.01)


def test_stream_and_fft(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        stream = board.stream(300)
        assert stream.samples.shape == (300,)
        assert stream.overruns == 0
        assert stream.samples.std() > 100
        fft = board.fft(5)
        assert (fft.points, fft.blocks, fft.overruns) == (32, 5, 0)
        assert set(fft.cycles) == {"capture", "decimator", "fft"}


def test_refusals_leave_it_serving(simulator: Simulator) -> None:
    with Board(simulator.port) as board:
        for command, cause in (
            ("nonsense", "unknown command"),
            ("rate 3", "wrong argument"),
            ("x" * 700, "command too long"),
        ):
            with pytest.raises(BoardRefused) as caught:
                board.command(command)
            assert caught.value.cause == cause
        assert board.name() == NAME


def test_listening(listening: Simulator) -> None:
    with Board(listening.port) as board:
        student = board.version().student
        assert student is not None
        assert student.rate_hz == 1_000
        items = list(board.listen(2))
        windows = [item for item in items if isinstance(item, Window)]
        assert [window.index for window in windows] == [0, 1]
        for window in windows:
            assert window.label == student.labels[int(np.argmax(window.probabilities))]
            assert sum(window.probabilities) == pytest.approx(1, abs=1e-4)
            assert window.cycles["student"] > 1_000_000
            assert window.overruns == 0
        (end,) = [item for item in items if isinstance(item, Listened)]
        assert (end.windows, end.overruns, end.samples) == (2, 0, 2 * student.samples)
        assert all(isinstance(item, Window | BoardEvent) for item in items[:-1])
        features = board.features()
        assert len(features) == student.frames * student.bands
        assert zlib.crc32(features.tobytes()) == windows[-1].features_crc
        board.load_features(features)
        assert board.infer(1).logits == windows[-1].logits == board.results().logits


def test_leaving_early_stops_the_board(listening: Simulator) -> None:
    with Board(listening.port) as board:
        for item in board.listen(0):
            assert isinstance(item, Window)
            break
        assert board.name() == NAME


def test_a_run_survives_a_brown_out(listening: Simulator) -> None:
    troubles: list[BoardError] = []
    with Board(listening.port) as board:
        board.use("q15")
        windows = []
        for window in board.run_windows(3, on_trouble=troubles.append):
            windows.append(window)
            if len(windows) == 1:
                listening.reset("brown-out")
        assert [window.index for window in windows] == [0, 1, 2]
        assert [type(trouble) for trouble in troubles] == [BoardReset]
        assert "brown-out" in str(troubles[0])
        assert "power it" in str(troubles[0])
        assert board.command("use") == ["m-use-[q15]"]  # as before the reset


def test_a_run_survives_a_lost_link(listening: Simulator) -> None:
    troubles: list[BoardError] = []

    def plug_in(trouble: BoardError) -> None:
        troubles.append(trouble)
        listening.plug()

    with Board(listening.port) as board:
        windows = []
        for window in board.run_windows(3, on_trouble=plug_in):
            windows.append(window)
            if len(windows) == 2:
                listening.unplug()
        assert [window.index for window in windows] == [0, 1, 2]
        assert [type(trouble) for trouble in troubles] == [LinkLost]


def test_a_link_that_stays_lost_names_what_is_kept(listening: Simulator) -> None:
    with Board(listening.port) as board:
        run = board.run_windows(3, reconnect_s=0.3)
        assert next(run).index == 0
        listening.unplug()
        with pytest.raises(LinkLost, match=r"1 of 3 windows.*run_windows\(2, first=1\)"):
            next(run)


def test_the_simulation_ends_as_a_lost_link(listening: Simulator) -> None:
    board = Board(listening.port).open()
    listening._call(lambda: listening._machine._fail(apollo3.BoardError("broken on purpose")))
    with pytest.raises(LinkLost):
        _ = [board.name() for _ in range(3)]  # the thread may still be ending
    with pytest.raises(BoardError, match="on purpose"):
        listening.stop()
    listening.failure = None


def test_wrong_hash(simulator: Simulator) -> None:
    with pytest.raises(WrongFirmware, match=r"not 0123456789ab.*board flash"):
        Board(simulator.port, firmware="0123456789ab").open()


def answering(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    usual = {
        "": READY,
        "name": f"m-name-dut-[{NAME}]\r\n".encode() + READY,
        "profile": f"m-profile-[{PROTOCOL}]\r\nm-model-[none]\r\n".encode() + READY,
        "rate": b"m-rate-[1000,976.5625,187500,1953.125,2]\r\n" + READY,
    }
    return lambda command: (usual | answers)[command]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("name", b"m-name-dut-[something else]\r\n" + READY),
        ("profile", b"m-profile-[kilohear board 99]\r\nm-model-[none]\r\n" + READY),
        ("name", b"e-[what?]\r\n" + READY),
    ],
)
def test_another_firmware_is_refused(line: MakeLine, command: str, answer: bytes) -> None:
    with pytest.raises(WrongFirmware):
        Board(line(answering({command: answer})).port).open()


def test_silence_is_an_error(line: MakeLine) -> None:
    began = time.monotonic()
    with pytest.raises(LinkLost, match="doesn't answer at 115200 baud"):
        Board(line(lambda _command: b"").port).open()
    assert time.monotonic() - began < 10
    quiet = line(answering({"timestamp": b""}))
    with Board(quiet.port, timeout_s=0.2) as board, pytest.raises(LinkLost, match="'timestamp'"):
        board.timestamp_us()


def test_damaged_and_missing_lines(line: MakeLine) -> None:
    def data(offset: int, text: str, change: int = 0) -> bytes:
        body = f"m-stream-{offset}-[{text}]"
        return f"{body}-{zlib.crc32(body.encode()) ^ change:08x}\r\n".encode()

    end = b"m-streamed-[4,0]\r\n" + READY
    good = data(0, "01000200") + data(2, "03000400") + end
    damaged = data(0, "01000200", change=1) + end
    gap = data(0, "01000200") + data(3, "0400") + end
    short = data(0, "01000200") + end
    with Board(line(answering({"stream 4": good})).port) as board:
        assert board.stream(4).samples.tolist() == [1, 2, 3, 4]
    for answer, message in ((damaged, "CRC"), (gap, "misses items from 2"), (short, "4 samples")):
        with (
            Board(line(answering({"stream 4": answer})).port) as board,
            pytest.raises(BoardError, match=message),
        ):
            board.stream(4)


def test_nonsense_is_an_error(line: MakeLine) -> None:
    for command, answer, method in (
        ("timestamp", b"m-lap-us-x\r\n", "timestamp_us"),
        ("stats", b"m-stats-[pdm_overruns=1]\r\n", "stats"),
        ("version", b"m-version-[1]\r\n", "version"),
        ("rate", b"m-rate-[1,2]\r\n", "rate"),
    ):
        with (
            Board(line(answering({command: answer + READY})).port) as board,
            pytest.raises(BoardError),
        ):
            getattr(board, method)()


def test_a_reset_in_an_answer_is_told_from_it(line: MakeLine) -> None:
    greeting = b"m-init-done\r\nm-reset-[watchdog]\r\n" + READY
    with Board(line(answering({"stats": b"m-sta" + greeting})).port) as board:
        with pytest.raises(BoardReset, match="firmware hung"):
            board.stats()
        assert board.last_reset == "watchdog"
        assert board.name() == NAME


def test_ports_are_known_by_their_usb_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from serial.tools import list_ports

    def port(device: str, vid: int | None, pid: int | None) -> SimpleNamespace:
        return SimpleNamespace(device=device, vid=vid, pid=pid)

    here = [port("/dev/b", 0x1366, 0x0105), port("/dev/a", 0x1A86, 0x7523), port("/c", None, None)]
    monkeypatch.setattr(list_ports, "comports", lambda: here)
    assert [found.path for found in find_ports()] == ["/dev/a", "/dev/b"]
    with pytest.raises(BoardError, match=r"2 boards.*/dev/a.*/dev/b"):
        choose_port()
    assert choose_port("/x") == "/x"
    del here[0]
    assert choose_port() == "/dev/a"
    del here[0]
    with pytest.raises(BoardError, match="apollo3-simulator"):
        choose_port()


def test_a_missing_port_is_named() -> None:
    with pytest.raises(LinkLost, match="/dev/nothing-here"):
        Board("/dev/nothing-here").open()
    with pytest.raises(LinkLost, match="isn't open"):
        Board("/dev/nothing-here").name()
