"""Subjects: every file of a bundle that can run, never two of the same name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kilohear.bundle import Bundle
from kilohear.config import to_json
from kilohear.errors import BundleError
from kilohear_bench.subject import Subject, load_bundles, subjects_of


def test_a_subject_is_known_by_bundle_runtime_and_precision(subject: Subject) -> None:
    assert subject.name == "tiny-test onnx float32"
    assert subject.file_bytes == subject.export.bytes


def test_its_description_holds_no_path(subject: Subject) -> None:
    text = to_json(subject.describe())
    assert str(subject.bundle.path) not in text
    assert len(subject.describe().card_sha256) == 64


def test_a_runtime_without_a_file_is_named(bundle_path: Path) -> None:
    with pytest.raises(BundleError, match="no file for executorch"):
        subjects_of([Bundle.load(bundle_path)], ["executorch"])


def test_two_of_one_name_are_refused(bundle_factory: Callable[..., Path]) -> None:
    with pytest.raises(BundleError, match="tiny-test"):
        load_bundles([bundle_factory("one"), bundle_factory("two")])


def test_without_names_all_that_ship(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilohear_bench.subject.shipped", lambda: {"tiny": bundle_path})
    assert [bundle.path for bundle in load_bundles([])] == [bundle_path]
    monkeypatch.setattr("kilohear_bench.subject.shipped", dict)
    with pytest.raises(BundleError, match="no bundle ships"):
        load_bundles([])
