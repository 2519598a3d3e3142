from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kilohear.errors import ConfigError, DataError
from kilohear_bench.app_results import Head, ResultFile, read_result
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import PROTOCOL
from kilohear_bench.store import Kept


def make_result(
    subject: str = "esc10-1khz coreml float16",
    step: str = "latency/0",
    card_sha256: str = "ab" * 32,
    rate_hz: int = 1000,
    **changes: Any,
) -> dict[str, Any]:
    """Return a result file as an app leaves it; `changes` are of its measurement or its head."""
    heads = {field.name for field in dataclasses.fields(Head)}
    measurement = {
        "name": "latency",
        "subject": subject,
        "samples": (1.5, 1.25),
        "unit": "ms",
        "kind": "measured",
        "device": "this iPhone",
        "meter": "mach_absolute_time",
        "versions": {"ios": "17.5.1"},
        "started_at": "2026-11-24T16:00:00+00:00",
        "conditions": {"rate_hz": rate_hz},
    } | {key: value for key, value in changes.items() if key not in heads}
    head = {
        "protocol": PROTOCOL,
        "app": "0.6.0",
        "card_sha256": card_sha256,
        "model": "iPhone14,5",
    } | {key: value for key, value in changes.items() if key in heads}
    kept = Kept(step, "2026-11-24T16:00:09+00:00", (Measurement(**measurement),), ())
    return dataclasses.asdict(ResultFile(Head(**head), kept))


def write(folder: Path, result: Any) -> Path:
    path = folder / "r.json"
    path.write_text(json.dumps(result))
    return path


def test_a_result_is_read_as_it_was_left(tmp_path: Path) -> None:
    result = make_result()
    read = read_result(write(tmp_path, result))
    assert json.loads(json.dumps(dataclasses.asdict(read))) == json.loads(json.dumps(result))


@pytest.mark.parametrize("protocol", [PROTOCOL - 1, PROTOCOL + 1, None])
def test_another_protocol_is_refused_naming_both(tmp_path: Path, protocol: int | None) -> None:
    result = make_result()
    result["head"] = {"protocol": protocol, "more": 1}
    with pytest.raises(DataError, match=rf"by protocol {protocol}, this bench by {PROTOCOL}"):
        read_result(write(tmp_path, result))


@pytest.mark.parametrize("content", [[], {}, {"head": 3}])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(DataError, match="by protocol None"):
        read_result(write(tmp_path, content))


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, make_result())
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_result(path)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"r\.json: unknown key 'extra'"):
        read_result(write(tmp_path, make_result() | {"extra": 1}))


@pytest.mark.parametrize("kind", ["simulated", "published"])
def test_a_kind_that_no_phone_has_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=f"'{kind}', which an app on a phone can't be"):
        read_result(write(tmp_path, make_result(kind=kind)))


def test_a_result_without_measurements_or_with_traces_is_refused(tmp_path: Path) -> None:
    empty, traced = make_result(), make_result()
    empty["kept"]["measurements"] = []
    traced["kept"]["traces"] = [
        {"file": "power.csv.gz", "sha256": "00", "name": "power", "subject": "a", "rate_hz": 1000}
        | {"kind": "measured", "meter": "battery"}
    ]
    for result in (empty, traced):
        with pytest.raises(DataError, match="has measurements and no traces"):
            read_result(write(tmp_path, result))
