"""The exported bundle: whole, true to torch, small, and never half written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kilohear.bundle import Bundle
from kilohear.errors import ExportError
from kilohear_training.export import bundle as module
from kilohear_training.export.bundle import FILES, Request, export_bundle
from kilohear_training.export.parity import open_file, reference_probabilities, run_all
from kilohear_training.networks import build

SMALLEST = {"runtimes": ("onnx",), "precisions": ("float32",)}


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_all_files_are_there_and_verified(bundle: Bundle):
    assert {export.file for export in bundle.card.exports} == set(FILES.values())
    assert Bundle.load(bundle.path).card == bundle.card
    assert [path.name for path in bundle.path.parent.iterdir()] == [bundle.path.name]


def test_every_file_stays_under_1_5_mb_and_names_no_folder_of_this_machine(bundle: Bundle):
    here = str(Path(module.__file__).parents[2]).encode()
    for name, data in contents(bundle.path).items():
        assert len(data) <= 1_500_000, name
        assert here not in data, name


def test_card_counts_front_end_and_network(bundle: Bundle):
    front_end = bundle.card.front_end
    frames = front_end.frames(bundle.card.samples)
    bins = front_end.fft // 2 + 1
    per_frame = bins * (2 * front_end.window + front_end.live_bands)
    assert bundle.card.macs_front_end == frames * per_frame
    assert 1e6 < bundle.card.macs <= 10e6
    assert bundle.card.parameters <= 250_000


@pytest.mark.parametrize(("runtime", "precision"), list(FILES))
def test_each_file_agrees_with_torch_on_fresh_clips(bundle, trained, runtime, precision):
    export = bundle.export(runtime, precision)
    clips = trained.calibration  # int8 ranges come from these; the gate ran others
    reference = reference_probabilities(trained.front_end, trained.network, clips)
    given = run_all(open_file(runtime, bundle.path / export.file), clips)
    tolerance = {"float32": 1e-4, "float16": 0.03, "int8": 0.4}[precision]
    assert np.abs(given - reference).max() <= tolerance
    np.testing.assert_allclose(given.sum(axis=1), 1.0, atol=0.01)
    assert export.parity.clips == len(trained.held_out)


def test_int8_files_are_smaller_than_float32(bundle: Bundle):
    for runtime in ("executorch", "onnx"):
        small, large = bundle.export(runtime, "int8"), bundle.export(runtime, "float32")
        assert small.bytes < 0.7 * large.bytes


def test_student_is_not_degenerate(trained):
    reference = reference_probabilities(trained.front_end, trained.network, trained.held_out)
    assert len(set(reference.argmax(axis=1))) >= 3
    assert reference.max(axis=1).mean() > 0.5


def test_a_refused_file_leaves_the_former_bundle_untouched(
    trained, request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    request = dataclasses.replace(request_of, **SMALLEST)
    inputs = (trained.network, trained.calibration[:4], trained.held_out[:8])
    out = tmp_path / "student"
    export_bundle(request, *inputs, out)
    former = contents(out)

    other = build("tiny", len(request.labels), trained.front_end)
    right = module.WaveformStudent

    def with_other_weights(front_end, _network):
        return right(front_end, other)

    monkeypatch.setattr(module, "WaveformStudent", with_other_weights)
    with pytest.raises(ExportError, match=r"student\.onnx: .* the gate's limit is"):
        export_bundle(request, *inputs, out)
    assert contents(out) == former
    assert [path.name for path in tmp_path.iterdir()] == ["student"]

    monkeypatch.undo()
    export_bundle(dataclasses.replace(request, version="0.0.2"), *inputs, out)
    assert Bundle.load(out).card.version == "0.0.2"
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


def test_a_folder_that_is_no_bundle_is_never_replaced(trained, request_of, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ExportError, match="isn't a bundle"):
        export_bundle(
            request_of, trained.network, trained.calibration, trained.held_out, tmp_path / "mine"
        )
    assert contents(tmp_path / "mine") == {"notes.txt": b"keep"}


def test_an_unwritable_folder_is_refused(trained, request_of, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="can't write here"):
        export_bundle(
            request_of, trained.network, trained.calibration, trained.held_out,
            tmp_path / "file" / "student",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("a", "b")}, "4 classes, 2 labels"),
        ({"runtimes": ("coreml",), "precisions": ("int8",)}, "no file is coreml in int8"),
        ({"window_s": 4.0}, r"expected float32 \(clips, 4000\)"),
    ],
)
def test_what_does_not_fit_is_refused(trained, request_of, tmp_path, change, message):
    with pytest.raises(ExportError, match=message):
        export_bundle(
            dataclasses.replace(request_of, **change),
            trained.network, trained.calibration, trained.held_out, tmp_path / "student",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_converter_that_fails_is_named(trained, request_of, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setitem(module.WRITERS, "onnx", fail)
    with pytest.raises(ExportError, match=r"converter to onnx failed .*no such operator\)"):
        export_bundle(
            dataclasses.replace(request_of, **SMALLEST),
            trained.network, trained.calibration, trained.held_out, tmp_path / "student",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
