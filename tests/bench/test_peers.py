"""Peers: ratios are computed from paired samples; YAMNet hears the patches it should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kilohear.errors import DataError, KilohearError
from kilohear_bench.measurement import Measurement
from kilohear_bench.peers import (
    HOP,
    PATCH,
    USUAL_HOP,
    Comparison,
    Yamnet,
    find_yamnet,
    ratio,
    write_new,
)


def latency(subject: str, samples: list[float]) -> Measurement:
    values = tuple(samples)
    return Measurement("latency", subject, values, "ms", "measured", "host", "clock", {}, None)


def test_ratios_divide_the_peer_by_the_student() -> None:
    student, peer = latency("student", [1.0, 2.0, 4.0]), latency("YAMNet", [10.0, 40.0, 40.0])
    found = ratio(student, peer)
    assert found.of_medians == 20.0
    assert found.paired == 10.0
    assert found.interval[0] <= found.paired <= found.interval[1]


def test_the_result_keeps_raw_samples_and_says_what_it_isnt() -> None:
    latencies = (latency("student", [1.0, 1.5]), latency(USUAL_HOP, [30.0, 31.0]))
    comparison = Comparison("now", {}, "0", 10, "1", latencies)
    data = json.loads(comparison.to_json())
    assert data["latencies"][1]["samples"] == [30.0, 31.0]
    assert data["latencies"][0]["kind"] == "measured"
    assert len(data["ratios"]) == 1
    for text in (data["note"], comparison.to_text()):
        assert "Not the same task" in text
        assert "10 classes, YAMNet 521" in text


def test_a_result_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("kept")
    with (
        pytest.raises(KilohearError, match="never overwritten"),
        write_new(tmp_path / "result.json"),
    ):
        pytest.fail("entered")
    assert (tmp_path / "result.json").read_text() == "kept"


def test_without_yamnet_the_error_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--model"):
        find_yamnet(tmp_path / "gone.tflite")


@pytest.mark.data
def test_yamnet_hears_ten_patches_and_silence(data_dir: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    yamnet = Yamnet(find_yamnet(None))
    starts = range(0, 80_000 - PATCH + HOP, HOP)
    assert len(starts) == 10
    assert starts[-1] + PATCH >= 80_000
    labels = (data_dir / "yamnet" / "yamnet_521_labels.txt").read_text().splitlines()
    assert labels[yamnet.label(np.zeros(80_000, np.float32), starts)] == "Silence"
