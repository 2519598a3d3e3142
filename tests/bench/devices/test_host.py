"""The host: described without a name, measured with every sample kept."""

from __future__ import annotations

import json
import platform

import pytest

from kilohear.errors import ConfigError
from kilohear_bench.devices import open_device
from kilohear_bench.subject import Subject


def test_its_description_names_no_host() -> None:
    described = open_device("host").describe()
    assert described["cpu"]
    assert described["logical_cores"] >= 1
    node = platform.node()
    assert not node or node not in json.dumps(described)


def test_latency_keeps_every_sample(subject: Subject) -> None:
    host = open_device("host")
    classifiers = {name: host.open(subject) for name in ("a", "b")}
    measured = host.latency(classifiers, 31, 2)
    assert [m.subject for m in measured] == ["a", "b"]
    for measurement in measured:
        assert len(measurement.samples) == 31
        assert (measurement.kind, measurement.unit) == ("measured", "ms")
        assert measurement.conditions["threads"] == 1
        assert "onnx" in measurement.versions


def test_peak_memory_is_measured_for_each(subject: Subject) -> None:
    (measured,) = open_device("host").peak_memory([subject])
    assert (measured.name, measured.subject) == ("peak_memory", subject.name)
    assert measured.median > measured.conditions["before_loading_bytes"]


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'moon'"):
        open_device("moon")
