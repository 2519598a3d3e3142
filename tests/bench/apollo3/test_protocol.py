"""What the firmware answers, by the letter of PROTOCOL.md; the shipped image, simulated."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("unicorn", reason="the extra `board` isn't installed")
machine = pytest.importorskip("kilohear_bench.apollo3.machine")
elf = pytest.importorskip("kilohear_bench.apollo3.elf")
microphones = pytest.importorskip("kilohear_bench.apollo3.microphone")

READY = "m-ready"


class Board:
    """A simulated board that hears a tone of 150 Hz."""

    def __init__(self) -> None:
        tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000 * 12) / 16_000)
        microphone = microphones.Microphone().queue(tone.astype(np.float32), 16_000)
        self.machine: Any = machine.Machine(elf.load_image(None), microphone)
        self.boot = self.until_ready()

    def until_ready(self) -> list[str]:
        self.machine.run(self.machine.time_s + 60, stop_when_waiting=True)
        return self.machine.output.decode().split("\r\n")[:-1]

    def ask(self, command: str) -> list[str]:
        """The lines of the answer without its `m-ready`."""
        *lines, last = self.machine.command(f"{command}%").split("\r\n")[:-1]
        assert last == READY
        return lines


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def student(board: Board) -> Board:
    if board.ask("version")[1].startswith("m-student-[none"):
        pytest.skip("no student of 1 kHz is built in")
    return board


def checked(lines: list[str], kind: str) -> bytes:
    """What checked lines carry, in order; their CRCs must be right."""
    parts = []
    for line in lines:
        if found := re.fullmatch(rf"m-{kind}-\d+-\[([0-9a-f]*)\]-([0-9a-f]{{8}})", line):
            assert zlib.crc32(line.rpartition("-")[0].encode()) == int(found[2], 16)
            parts.append(bytes.fromhex(found[1]))
    return b"".join(parts)


def load(board: Board, data: bytes) -> list[str]:
    assert board.ask(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
    lines = []
    for i in range(0, len(data), 31):
        lines = board.ask(f"db {data[i : i + 31].hex()}")
    return lines


def stats(board: Board) -> dict[str, str]:
    (line,) = board.ask("stats")
    return dict(pair.split("=") for pair in line[len("m-stats-[") : -1].split(","))


def test_boot(board: Board) -> None:
    assert board.boot == ["m-init-done", "m-reset-[power-on]", READY]


def test_what_the_benchmark_asks(board: Board) -> None:
    assert board.ask("name") == ["m-name-dut-[kilohear-apollo3]"]
    profile, model = board.ask("profile")
    assert profile == "m-profile-[kilohear board 1]"
    assert re.fullmatch(r"m-model-\[[^]]+\]", model)
    first, second = (int(board.ask("timestamp")[0].removeprefix("m-lap-us-")) for _ in range(2))
    assert second > first
    assert board.ask("") == []


@pytest.mark.parametrize(
    ("nominal", "answer"),
    [
        (16000, "16000,15625,1500000,15625,1"),
        (8000, "8000,7812.5,750000,7812.5,1"),
        (4000, "4000,3906.25,750000,7812.5,2"),
        (2000, "2000,1953.125,375000,3906.25,2"),
        (1000, "1000,976.5625,187500,1953.125,2"),
    ],
)
def test_rates(board: Board, nominal: int, answer: str) -> None:
    assert board.ask(f"rate {nominal}") == [f"m-rate-[{answer}]"]
    assert board.ask("rate") == [f"m-rate-[{answer}]"]


def test_settings_are_told_and_kept(board: Board) -> None:
    assert board.ask("use") == ["m-use-[float32]"]
    assert board.ask("use q15") == ["m-use-[q15]"]
    assert board.ask("source") == ["m-source-[pdm]"]
    assert board.ask("source adc") == ["m-source-[adc]"]
    assert board.ask("rate") == ["m-rate-[1000,1000,12000000,2000,2]"]


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("rattle", "unknown command: rattle"),
        ("na[m]e\x01", "unknown command: na?m?e?"),
        ("x" * 300, "unknown command: " + "x" * 40 + ";"),
        ("x" * 601, "command too long: 601"),
        ("rate 3000", "wrong argument: 3000"),
        ("rate -1", "wrong argument: -1"),
        ("rate 1000 2", "wrong argument: 2"),
        ("rate 99999999999999999999", "wrong argument: 99999999999999999999"),
        ("use int8", "wrong argument: int8"),
        ("source usb", "wrong argument: usb"),
        ("line maybe", "wrong argument: maybe"),
        ("db", "wrong argument: none given"),
        ("db load", "wrong argument: none given"),
        ("db load 32769", "wrong argument: 32769"),
        ("db 00", "too many bytes: 1"),
        ("infer 0", "wrong argument: 0"),
        ("listen", "wrong argument: none given"),
        ("stream 0", "wrong argument: 0"),
        ("fft x", "wrong argument: x"),
        ("sleep 3600001", "wrong argument: 3600001"),
        ("results", "no results: none yet"),
    ],
)
def test_errors_name_cause_and_value_and_the_board_goes_on(
    board: Board, command: str, cause: str
) -> None:
    (line,) = board.ask(command)
    assert line.startswith(f"e-[{cause}")
    assert re.fullmatch(r"e-\[[^][]+; [^][]+\]", line)
    assert board.ask("rate") == ["m-rate-[1000,976.5625,187500,1953.125,2]"]
    assert stats(board)["errors"] == "1"


def test_buffer(board: Board) -> None:
    data = bytes(range(11))
    assert load(board, data) == ["m-load-done"]
    assert board.ask("db print") == [
        "m-buffer-00-01-02-03-04-05-06-07",
        "m-buffer-08-09-0a",
    ]
    *lines, end = board.ask("features")
    assert checked(lines, "data") == data
    assert end == "m-data-end-[11]"


@pytest.mark.parametrize("broken", ["db 0a0", "db 0g", "db " + "00" * 5])
def test_broken_bytes_are_refused_whole(board: Board, broken: str) -> None:
    board.ask("db load 4")
    assert board.ask("db 0102") == []
    assert board.ask(broken)[0].startswith("e-[")
    assert board.ask("db 0304") == ["m-load-done"]
    assert board.ask("db print") == ["m-buffer-01-02-03-04"]


@pytest.mark.parametrize(("rate", "count"), [(1000, 700), (4000, 300), (16000, 16384)])
def test_stream(board: Board, rate: int, count: int) -> None:
    board.ask(f"rate {rate}")
    *lines, end = board.ask(f"stream {count}")
    samples = np.frombuffer(checked(lines, "stream"), "<i2").astype(float)
    assert len(samples) == count
    assert end == f"m-streamed-[{count},0]"
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(count)))
    effective = float(board.ask("rate")[0].split(",")[1])
    assert np.argmax(spectrum) * effective / count == pytest.approx(150, abs=effective / count)


def test_stream_that_does_not_fit_is_refused(board: Board) -> None:
    board.ask("rate 16000")
    assert board.ask("stream 16385")[0].startswith("e-[wrong argument: 16385; ")


@pytest.mark.parametrize("arithmetic", ["float32", "q15"])
@pytest.mark.parametrize(("rate", "points"), [(16000, 512), (2000, 64), (1000, 32)])
def test_fft(board: Board, rate: int, points: int, arithmetic: str) -> None:
    board.ask(f"rate {rate}")
    board.ask(f"use {arithmetic}")
    begin, end, result, cycles = board.ask("fft 20")
    effective = float(board.ask("rate")[0].split(",")[1])
    assert result == f"m-fft-[{points},20,{round(150 * points / effective)},0]"
    spent_us = int(end.rpartition("-")[2]) - int(begin.rpartition("-")[2])
    assert spent_us >= 20 * points / effective * 1e6
    assert re.fullmatch(r"m-cycles-\[capture=\d+,decimator=\d+,fft=[1-9]\d*\]", cycles)


def test_sleep(board: Board) -> None:
    before = board.machine.usage()
    (line,) = board.ask("sleep 20000")  # longer than the watchdog's patience
    asked, slept = map(int, line[len("m-sleep-[") : -1].split(","))
    assert asked == 20_000
    assert 20_000_000 <= slept < 20_001_000
    spent = board.machine.usage() - before
    assert spent.deep_sleep_s == pytest.approx(20, abs=0.01)


def test_listen(student: Board) -> None:
    lines = student.ask("listen 2")
    shape = student.ask("version")[2]
    samples, frames, bands, classes = map(int, re.findall(r"\d+", shape)[:4])
    windows = [line for line in lines if line.startswith("m-window-")]
    assert [line.split("[")[1].split(",")[0] for line in windows] == ["0", "1"]
    for line in windows:
        start, end, done, overruns = map(int, line[:-1].split(",")[-4:])
        assert start < end < done
        assert overruns == 0
    results = [line for line in lines if line.startswith("m-results-")]
    probabilities = [float(p) for p in results[-1][len("m-results-[") : -1].split(",")]
    assert len(probabilities) == classes
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert re.search(r"\d+", student.ask("results")[0])
    *data, _ = student.ask("features")
    features = checked(data, "data")
    assert len(features) == frames * bands
    assert f"m-features-[{zlib.crc32(features):08x}]" in lines[-7:]
    assert lines[-1].startswith(f"m-listened-[2,0,{2 * samples},")


def test_infer_repeats_what_listening_gave(student: Board) -> None:
    heard = student.ask("listen 1")
    logits = next(line for line in heard if line.startswith("m-logits-"))
    lines = student.ask("infer 2 1")
    assert lines[:3] == ["m-warmup-start-1", "m-warmup-done", "m-infer-start-2"]
    assert lines[5] == "m-infer-done"
    assert lines[7] == logits
    first, second = (int(line.removeprefix("m-lap-us-")) for line in lines[3:5])
    cycles = int(re.findall(r"\d+", lines[8])[0])
    assert (second - first) / 2 == pytest.approx(cycles / 48, rel=0.01)


def test_infer_wants_a_whole_map(student: Board) -> None:
    load(student, bytes(100))
    frames, bands = map(int, re.findall(r"\d+", student.ask("version")[2])[1:3])
    assert student.ask("infer") == [f"e-[wrong length: 100 bytes; db load {frames * bands}]"]


def test_frame_gives_the_features_of_the_buffer(student: Board) -> None:
    shape = [int(n) for n in re.findall(r"\d+", student.ask("version")[2])]
    bands, window, hop = shape[2], shape[4], shape[5]
    samples = (8_000 * np.sin(np.arange(window + hop) * 0.9)).astype("<i2")
    load(student, samples.tobytes())
    lines = student.ask("frame")
    decibels = np.frombuffer(checked(lines, "frame"), "<f4")
    assert decibels.shape == (2 * bands,)
    assert np.isfinite(decibels).all()
    assert len(checked(lines, "quantised")) == 2 * bands
    assert "m-frames-[2]" in lines


def test_stop_ends_listening(student: Board) -> None:
    board = student.machine
    board.output.clear()
    board.feed(b"listen 0%")
    board.run(board.time_s + 2)
    board.feed(b"stop%")
    lines = student.until_ready()
    assert lines[-2].startswith("m-listened-[0,")
    assert lines[-1:] == [READY]
    assert student.ask("name") == ["m-name-dut-[kilohear-apollo3]"]


def test_lost_bytes_are_reported_once(board: Board) -> None:
    board.machine.output.clear()
    board.machine.feed(b"help%" + b"x" * 2_000)
    board.until_ready()
    uart, unknown = board.ask("")
    assert re.fullmatch(r"e-\[uart: [1-9]\d*; .*wait for m-ready.*\]", uart)
    assert unknown.startswith("e-[unknown command: xxx") or "too long" in unknown
    assert int(stats(board)["uart_overruns"]) > 0
    assert board.ask("name") == ["m-name-dut-[kilohear-apollo3]"]


def test_reset_in_the_middle_is_told(board: Board) -> None:
    board.machine.feed(b"stream 100000%")
    board.machine.run(board.machine.time_s + 2)
    board.machine.output.clear()
    board.machine.reset("watchdog")
    assert board.until_ready() == ["m-init-done", "m-reset-[watchdog]", READY]


def test_fault_resets_the_board_and_is_its_cause(board: Board) -> None:
    address = elf.load_image(None).symbols["command_name"]
    board.machine.write_memory(int(address) & ~1, b"\x00\xde")  # an undefined instruction
    board.machine.output.clear()
    board.machine.feed(b"name%")
    lines = board.until_ready()
    assert lines[-2] == f"m-reset-[usage-fault at {int(address) & ~1:08x}]"
    assert board.ask("rate")


def test_hang_ends_by_the_watchdog(board: Board) -> None:
    address = elf.load_image(None).symbols["command_name"]
    board.machine.write_memory(int(address) & ~1, b"\xfe\xe7")  # a branch to itself
    board.machine.output.clear()
    board.machine.feed(b"name%")
    assert board.until_ready()[-2] == "m-reset-[watchdog]"


@pytest.fixture
def image(student: Board) -> bytes:
    """The built-in student of 1 kHz, as it lies in flash."""
    flash = bytes(elf.load_image(None).flash())
    begin = flash.find(b"KHS1")
    while int.from_bytes(flash[begin + 12 : begin + 16], "little") != 1_000:
        begin = flash.find(b"KHS1", begin + 4)
    size = int.from_bytes(flash[begin + 4 : begin + 8], "little")
    return flash[begin : begin + size]


def flash(board: Board, image: bytes | None) -> None:
    board.machine.write_user_slot(image)
    board.until_ready()


def test_user_slot_takes_the_place_of_its_rate(student: Board, image: bytes) -> None:
    built_in = student.ask("version")
    flash(student, image)
    version = student.ask("version")
    assert version[1] == built_in[1].replace("built-in", "user")
    assert version[2:] == built_in[2:]
    flash(student, None)
    assert student.ask("version") == built_in


@pytest.mark.parametrize(("at", "reason"), [(0, -1), (4, -2), (300, -3)])
def test_broken_user_slot_is_refused(student: Board, image: bytes, at: int, reason: int) -> None:
    broken = bytearray(image)
    broken[at] ^= 0x80
    broken[at + 2] ^= 0x80
    flash(student, bytes(broken))
    (line,) = student.ask("listen 1")
    assert line.startswith(f"e-[corrupt student: {reason}; ")
    assert student.ask("version")[1] == "m-student-[none,,,1000,]"
    assert student.ask("stream 10")[-1] == "m-streamed-[10,0]"
