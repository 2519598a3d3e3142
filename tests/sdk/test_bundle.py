"""Bundles: loaded as exported, or refused with what differs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kilohear import bundle as bundle_module
from kilohear.bundle import Bundle, Card, read_card, shipped, trimmed, write_card
from kilohear.errors import BackendError, BundleError, ConfigError, KilohearError
from kilohear.files import hash_files

Bundles = Callable[..., Path]


def test_a_bundle_is_loaded_and_classifies(bundle_path: Path) -> None:
    classifier = Bundle.load(bundle_path).open("onnx")
    assert classifier.runtime == "onnx"
    loud, silent = np.ones(1_000, np.float32), np.zeros(1_000, np.float32)
    assert classifier.card.labels[int(classifier(loud).argmax())] == "loud"
    assert classifier.card.labels[int(classifier(silent).argmax())] == "quiet"
    assert classifier(silent).sum() == pytest.approx(1.0)


def test_auto_takes_a_runtime_that_the_bundle_has_a_file_for(bundle_path: Path) -> None:
    assert Bundle.load(bundle_path).open().runtime == "onnx"


def test_the_card_is_read_as_written(tmp_path: Path, card_factory: Callable[..., Card]) -> None:
    card = card_factory()
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    assert card.samples == 1_000


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"format": 2}, "format is 2, this kilohear reads 1"),
        ({"rate_hz": 2_000}, "rate_hz is 2000, its front end's is 1000"),
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["one", "one"]}, "labels"),
        ({"hop_s": 3.0}, "hop_s is 3.0"),
        ({"parameters": "many"}, "parameters is 'many'; expected int"),
        ({"scores": [{"metric": "luck"}]}, "scores"),
    ],
)
def test_a_card_that_is_not_right_is_refused(
    bundle_path: Path, changes: dict[str, object], names: str
) -> None:
    _edit_card(bundle_path, changes)
    with pytest.raises(ConfigError, match=names):
        Bundle.load(bundle_path)


def test_a_card_without_a_key_is_refused(bundle_path: Path) -> None:
    card = json.loads((bundle_path / "card.json").read_text())
    del card["network"]
    (bundle_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ConfigError, match=r"card\.json: the key 'network' is missing"):
        Bundle.load(bundle_path)


def test_one_changed_byte_is_refused(bundle_path: Path) -> None:
    file = bundle_path / "student.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=r"student\.onnx has SHA-256 .* the card says"):
        Bundle.load(bundle_path)


def test_a_missing_file_is_refused(bundle_path: Path) -> None:
    (bundle_path / "student.onnx").unlink()
    with pytest.raises(BundleError, match=r"student\.onnx is missing"):
        Bundle.load(bundle_path)


def test_a_folder_without_card_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no card\.json"):
        Bundle.load(tmp_path)
    with pytest.raises(BundleError, match="no bundle at nowhere"):
        Bundle.load("nowhere")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "c:\\x", "..\\x", ""])
def test_a_card_naming_a_file_outside_is_refused(bundle_path: Path, name: str) -> None:
    _edit_card(bundle_path, {"sha256": {name: "0" * 64}})
    with pytest.raises(BundleError, match="outside the bundle"):
        Bundle.load(bundle_path)


def test_an_export_without_a_hash_is_refused(bundle_path: Path) -> None:
    _edit_card(bundle_path, {"sha256": {}})
    with pytest.raises(BundleError, match=r"no hash of student\.onnx"):
        Bundle.load(bundle_path)


def test_a_file_slipped_into_an_export_folder_is_refused(bundle_path: Path) -> None:
    (bundle_path / "student.mlpackage").mkdir()
    (bundle_path / "student.mlpackage" / "weights").write_bytes(b"w")
    card = read_card(bundle_path)
    export = dataclasses.replace(card.exports[0], runtime="coreml", file="student.mlpackage")
    hashes = hash_files(bundle_path, ("student.onnx", "student.mlpackage"))
    write_card(
        bundle_path, dataclasses.replace(card, exports=(*card.exports, export), sha256=hashes)
    )
    Bundle.load(bundle_path)
    (bundle_path / "student.mlpackage" / "more").write_bytes(b"m")
    with pytest.raises(BundleError, match=r"no hash of student\.mlpackage/more"):
        Bundle.load(bundle_path)
    shutil.rmtree(bundle_path / "student.mlpackage")
    with pytest.raises(BundleError, match=r"student\.mlpackage/weights is missing"):
        Bundle.load(bundle_path)


def test_a_runtime_or_precision_that_is_not_there_is_named(bundle_path: Path) -> None:
    bundle = Bundle.load(bundle_path)
    with pytest.raises(BundleError, match=r"no executorch file in float32.*onnx float32"):
        bundle.open("executorch")
    with pytest.raises(BundleError, match="no onnx file in int8"):
        bundle.open("onnx", precision="int8")
    with pytest.raises(BackendError, match="threads is 0"):
        bundle.open("onnx", threads=0)


def test_another_rate_is_refused_naming_both(bundle_path: Path) -> None:
    bundle = Bundle.load(bundle_path)
    bundle.require_rate(1_000)
    with pytest.raises(BundleError, match=r"1,000 Hz.*16,000 Hz"):
        bundle.require_rate(16_000)


@pytest.mark.parametrize("inside", ["", "tiny/"])
def test_a_zip_is_unpacked_once(tmp_path: Path, bundle_path: Path, inside: str) -> None:
    archive = _zip(bundle_path, tmp_path / "zips" / "tiny.zip", inside)
    loaded = Bundle.load(archive)
    assert loaded.card == Bundle.load(bundle_path).card
    assert Bundle.load(archive).path == loaded.path
    assert sorted(archive.parent.iterdir()) == sorted([archive, loaded.path])


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil"])
def test_a_zip_that_reaches_outside_is_refused(
    tmp_path: Path, bundle_path: Path, name: str
) -> None:
    archive = _zip(bundle_path, tmp_path / "zips" / "tiny.zip")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, "evil")
    with pytest.raises(BundleError, match="outside the bundle"):
        Bundle.load(archive)
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.parametrize("damage", ["text", "cut", "byte", "no card"])
def test_a_zip_that_is_no_bundle_leaves_nothing(
    tmp_path: Path, bundle_path: Path, damage: str
) -> None:
    archive = _zip(bundle_path, tmp_path / "zips" / "tiny.zip")
    data = bytearray(archive.read_bytes())
    if damage == "text":
        archive.write_text("no zip")
    elif damage == "cut":
        archive.write_bytes(data[: len(data) // 2])
    elif damage == "byte":
        data[100] ^= 1
        archive.write_bytes(data)
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("readme.txt", "nothing here")
    with pytest.raises(BundleError, match=r"not a readable zip|holds 0 cards"):
        Bundle.load(archive)
    assert list(archive.parent.iterdir()) == [archive]


def test_a_shipped_bundle_is_found_by_name(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "shipped", lambda: {"ours": bundle_path})
    monkeypatch.chdir(tmp_path)
    assert Bundle.load("ours").path == bundle_path
    with pytest.raises(BundleError, match="shipped are: ours"):
        Bundle.load("theirs")


def test_every_shipped_bundle_is_whole() -> None:
    for name, path in shipped().items():
        assert Bundle.load(name).path == path
        assert read_card(path).name == name


def _edit_card(path: Path, changes: dict[str, object]) -> None:
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps(card | changes))


def _zip(folder: Path, archive: Path, inside: str = "") -> Path:
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, inside + path.name)
    return archive


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [("executorch", "float32"), ("coreml", "float16"), ("onnx", "int8")],
)
def test_a_trimmed_bundle_is_the_same_model_with_one_file(
    tmp_path: Path, runtime: str, precision: str
) -> None:
    whole = Bundle.load("esc10-1khz")
    kept = None if runtime != "onnx" else precision
    small = trimmed(whole, runtime, tmp_path / "made" / "small", kept)  # pyright: ignore
    assert small == Bundle.load(tmp_path / "made" / "small")
    assert small.card.identity == whole.card.identity
    assert small.card.exports == (whole.export(runtime, precision),)  # pyright: ignore
    files = [file for file in small.path.rglob("*") if file.is_file()]
    assert len(files) == 1 + len(small.card.sha256)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["small"]


def test_what_can_not_be_trimmed_leaves_nothing(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(bundle_path)
    with pytest.raises(BundleError, match="no coreml file in float16"):
        trimmed(bundle, "coreml", tmp_path / "made")
    with pytest.raises(BundleError, match="is there already"):
        trimmed(bundle, "onnx", tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(KilohearError, match=r"No space left.*free some space"):
        trimmed(bundle, "onnx", tmp_path / "out" / "made")
    assert list((tmp_path / "out").iterdir()) == []
