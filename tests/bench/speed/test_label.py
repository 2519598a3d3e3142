"""Label: shipped files and peers in turns; what isn't there is left out by name, never by path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kilohear import backends
from kilohear.bundle import Bundle, shipped
from kilohear.config import to_dict
from kilohear.errors import ConfigError, DataError
from kilohear_bench.speed.label import measure_label


def silent(text: str) -> None:
    """Say nothing."""


def test_every_shipped_file_is_timed_and_a_missing_yamnet_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    part = measure_label((), None, 30, silent)
    for path in shipped().values():
        card = Bundle.load(path).card
        for export in card.exports:
            if export.runtime in backends.available():
                subject = f"{card.name} {export.runtime} {export.precision}"
                assert len(part.of("latency")[subject].samples) == 30
    assert list(part.left_out) == ["YAMNet"]
    assert str(tmp_path) not in json.dumps(to_dict(part))


def test_a_yamnet_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--model"):
        measure_label((), tmp_path / "gone.tflite", 30, silent)


def test_a_bundle_with_another_window_is_named(bundle_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny-test: its window is 1 s"):
        measure_label((bundle_path,), None, 30, silent)
