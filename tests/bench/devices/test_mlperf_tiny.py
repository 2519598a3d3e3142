"""The exchange of MLPerf Tiny's own runner, against the firmware in the simulator.

The runner can't be fetched when tests run. So its device class is mirrored here in our own words,
after mlcommons/tiny, benchmark/runner (device_under_test.py, serial_device.py; Apache-2.0): it
ends a command by `%`, reads character by character, drops CR, LF and NUL, takes lines up to one
that holds `m-ready`, waits five seconds for each, and loads 31 bytes a command.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from kilohear_bench.devices.apollo3_simulator import Simulator

serial = pytest.importorskip("serial")


class Runner:
    """What the runner does, as seen from the wire."""

    def __init__(self, port: str) -> None:
        self._port: Any = serial.Serial(port, 115_200, timeout=5.0)
        # The board boots. The runner waits and flushes what that says; here it is waited for.
        assert self._port.read_until(b"m-ready\r\n").endswith(b"m-ready\r\n")

    def send(self, command: str) -> list[str]:
        self._port.write(command.encode())
        self._port.write(b"%")
        lines: list[str] = []
        while not lines or "m-ready" not in lines[-1]:
            line = self._read_line()
            if line:
                lines.append(line)
        return lines

    def _read_line(self) -> str:
        text = ""
        while True:
            char = self._port.read(1).decode()
            assert char, f"no answer; so far {text!r}"
            if char == "\n":
                return text
            if char not in "\r\0":
                text += char

    def load(self, data: bytes) -> list[str]:
        result = self.send(f"db load {len(data)}")
        for i in range(0, len(data), 31):
            result = self.send("db " + data[i : i + 31].hex())
        return result

    def close(self) -> None:
        self._port.close()


def found(pattern: str, lines: list[str]) -> list[re.Match[str]]:
    return [match for line in lines if (match := re.match(pattern, line))]


def test_identification(simulator: Simulator) -> None:
    runner = Runner(simulator.port)
    (name,) = found(r"^m-(name)-dut-\[([^]]+)]$", runner.send("name"))
    assert name[2] == "kilohear-apollo3"
    profile = found(r"^m-(model|profile)-\[([^]]+)]$", runner.send("profile"))
    assert {match[1] for match in profile} == {"model", "profile"}
    (lap,) = found(r"^m-lap-us-([0-9]+)$", runner.send("timestamp"))
    assert int(lap[1]) > 0
    assert len(runner.send("help")) > 5
    runner.close()


def test_inference(listening: Simulator) -> None:
    runner = Runner(listening.port)
    (shape,) = found(r"^m-shape-\[(.*)]$", runner.send("version"))
    _, frames, bands, classes, *_ = (int(value) for value in shape[1].split(","))
    features = bytes(i % 256 for i in range(frames * bands))
    assert found("^m-load-done$", runner.load(features))
    lines = runner.send("infer 2 1")
    begin, end = (int(match[1]) for match in found(r"^m-lap-us-([0-9]+)$", lines))
    assert end > begin
    (result,) = found(r"^m-results-\[([^]]+)\]$", lines)
    probabilities = [float(value) for value in result[1].split(",")]
    assert len(probabilities) == classes
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    assert found(r"^m-results-\[([^]]+)\]$", runner.send("results"))[0][1] == result[1]
    runner.close()
