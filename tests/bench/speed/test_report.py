"""The report: its numbers are computed from the samples; parts stand and fall alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kilohear.errors import DataError
from kilohear_bench.measurement import Measurement
from kilohear_bench.peers import COVERING
from kilohear_bench.speed.logmel import subject_name
from kilohear_bench.speed.part import Part, PartName, load_parts, save_part
from kilohear_bench.speed.report import markdown, of_the_difference, readme_table, write_report
from kilohear_bench.speed.start import KILOHEAR, NUMPY, PYTHON, first_result

MACHINE = {"cpu": "abacus", "physical_cores": 2, "system": "Linux", "python": "3.11"}
MB = 1e6


def measured(name: str, subject: str, samples: list[float], **conditions: Any) -> Measurement:
    said = {"load_average_1_min": 0.25, **conditions}
    values = tuple(samples)
    return Measurement(name, subject, values, "ms", "measured", "host", "clock", {}, "now", said)


def part(name: PartName, *measurements: Measurement, **left_out: str) -> Part:
    configuration = {"window_s": 5.0, "note": "Not the same task."}
    return Part(name, "now", MACHINE, configuration, left_out, measurements)


@pytest.fixture
def label() -> Part:
    student = {"role": "student", "bundle": "esc10-1khz", "precision": "float32"}
    peer = {"role": "peer", "precision": "float32"}
    names = ("esc10-1khz onnx float32", "esc10-1khz onnx float32 and decimation from 16 kHz")
    return part(
        "label",
        *(
            measured("latency", name, [1.0, 2.0, 4.0], runtime="onnx", rate_hz=1_000, **student)
            for name in names
        ),
        measured("latency", "big", [5.0, 6.0, 20.0], bundle="big", runtime="onnx", **peer),
        measured("latency", COVERING, [10.0, 40.0, 40.0], bundle="YAMNet", runtime="lite", **peer),
    )


@pytest.fixture
def start() -> Part:
    return part(
        "start",
        measured("latency", PYTHON, [10.0, 10.0, 10.0]),
        measured("latency", NUMPY, [100.0, 120.0, 500.0]),
        measured("latency", KILOHEAR, [140.0, 170.0, 560.0]),
        measured("latency", first_result("onnx"), [200.0, 250.0, 260.0]),
        measured("peak_memory", "esc10-1khz onnx float32", [77 * MB]),
    )


@pytest.fixture
def listening() -> Part:
    name = "esc10-1khz onnx, 16,000 Hz granted"
    said = {"runtime": "onnx", "granted_hz": 16_000, "sound_s": 3_600.0, "every_s": 60.0}
    said |= {"paced": False, "windows": 3_596, "torch_imported": False, "block_s": 0.1}
    paced = {**said, "paced": True, "block_s": 0.5}
    return part(
        "listening",
        measured("cpu_share", name, [0.001, 0.002, 0.003], **said),
        measured("resident_memory", name, [60 * MB] * 30 + [62 * MB] * 30, **said),
        measured("peak_memory", name, [63 * MB], **said),
        measured("cpu_share", f"{name}, paced", [0.004], **paced),
        measured("resident_memory", f"{name}, paced", [60 * MB], **paced),
        measured("peak_memory", f"{name}, paced", [60 * MB], **paced),
    )


@pytest.fixture
def log_mel() -> Part:
    def time(library: str, rate_hz: int, milliseconds: float, way: str = "whole") -> Measurement:
        said = {"library": library, "rate_hz": rate_hz, "way": way, "sound_s": 10.0}
        name = subject_name(library, rate_hz, way)
        return measured("cpu_time", name, [milliseconds], **said)

    return part(
        "logmel",
        *(
            time("kilohear", 16_000, 2.0),
            time("kilohear", 16_000, 8.0, "blocks"),
            time("kaldi-native-fbank", 16_000, 5.0, "blocks"),
            time("librosa", 16_000, 4.0),
            time("kilohear", 1_000, 1.0),
        ),
        torch="torch isn't installed",
    )


def row(table: str, what: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {what}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_label_stands_beside_its_peers_paired_by_rounds(label: Part) -> None:
    measured, beside = row(readme_table({"label": label}), "5 s of waveform")
    assert measured == "2.00 ms, p95 3.80 ms"
    assert beside.startswith("big takes 5.0 times (3.0 to 5.0)")
    assert "YAMNet in LiteRT takes 10.0 times (10.0 to 20.0)" in beside


def test_an_import_is_the_difference_within_a_round(start: Part) -> None:
    latencies = start.of("latency")
    assert of_the_difference(latencies[KILOHEAR], latencies[NUMPY])[0] == 50.0
    measured, _ = row(readme_table({"start": start}), "`import kilohear`")
    assert measured == "0.050 s (95% 0.040 to 0.060)"
    measured, beside = row(readme_table({"start": start}), "first result")
    assert measured == "0.25 s, 77 MB"
    assert "alone 0.12 s" in beside


def test_an_hour_says_share_peak_and_drift(listening: Part) -> None:
    table = readme_table({"listening": listening})
    measured, beside = row(table, "listening, ONNX Runtime: share")
    assert (measured, beside) == (
        "0.20%",
        "goal 0.3%; at the speed of sound 0.40% in blocks of 0.5 s",
    )
    measured, beside = row(table, "listening, ONNX Runtime: peak memory over 1 h")
    assert measured == "63 MB"
    assert beside.endswith("within 2.00 MB")


def test_a_library_that_wasnt_there_is_said_to_be_left_out(log_mel: Part) -> None:
    table = readme_table({"logmel": log_mel})
    assert row(table, "log-mel of a whole clip at 16 kHz") == ["5,000", "librosa 2,500"]
    assert row(table, "log-mel in blocks of 0.1 s at 16") == ["1,250", "kaldi-native-fbank 2,000"]
    assert "torch is left out: torch isn't installed." in markdown({"logmel": log_mel})
    assert row(table, "log-mel of a whole clip at 1 kHz")[1] == "no peer was measured"


def test_parts_are_kept_replaced_and_shown_one_by_one(
    label: Part, start: Part, listening: Part, log_mel: Part, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="holds no part"):
        write_report(tmp_path)
    for each in (label, start, listening, log_mel):
        save_part(each, tmp_path)
        write_report(tmp_path)
        assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert load_parts(tmp_path) == {p.name: p for p in (label, start, listening, log_mel)}
    before = (tmp_path / "start.json").read_bytes()
    save_part(part("label", *label.measurements[:1]), tmp_path)
    assert len(load_parts(tmp_path)["label"].measurements) == 1
    assert (tmp_path / "start.json").read_bytes() == before
    write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert readme_table(load_parts(tmp_path)) in text
    assert "no peer was measured" in text
