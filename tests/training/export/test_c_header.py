"""student.h: what the board runs of a trained `tiny`, and what it refuses."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kilohear.backends.integer import log_mel, outputs, quantise
from kilohear.bundle import Bundle, Identity
from kilohear.errors import ExportError
from kilohear.frontend import FrontEnd
from kilohear.student_image import StudentImage
from kilohear_training.export import c_header
from kilohear_training.export.bundle import FILES, Request, add_file, export_bundle
from kilohear_training.export.student import WaveformStudent
from kilohear_training.networks import build
from kilohear_training.networks.tiny import Tiny


@pytest.fixture(scope="module")
def identity(request_of: Request) -> Identity:
    return request_of.identity


def image_of(trained, identity: Identity, network: nn.Module | None = None) -> StudentImage:
    student = WaveformStudent(trained.front_end, network or trained.network)
    return c_header.make_image(student, torch.from_numpy(trained.calibration), identity)


def test_the_bundle_s_student_names_its_card(bundle: Bundle) -> None:
    image = StudentImage.load(bundle.path / "student.h")
    card = bundle.card
    assert (image.name, image.version, image.labels) == (card.name, card.version, card.labels)
    assert image.card_hash == card.identity.sha256
    assert image.card_hash == Bundle.load(bundle.path).card.identity.sha256
    assert (image.rate_hz, image.samples, image.bands) == (1_000, 5_000, card.front_end.bands)


def test_the_card_s_hash_follows_what_the_model_is(bundle: Bundle) -> None:
    card = bundle.card
    other = dataclasses.replace(card, exports=(), scores=(), sha256={})
    assert other.identity.sha256 == card.identity.sha256
    other = dataclasses.replace(card, labels=(*card.labels[:-1], "other"))
    assert other.identity.sha256 != card.identity.sha256


def test_every_map_is_near_the_float_network_s(trained, identity: Identity) -> None:
    image = image_of(trained, identity)
    student = WaveformStudent(trained.front_end, trained.network)
    clip = trained.held_out[0]
    maps = outputs(image, quantise(image, log_mel(image, clip)))
    with torch.no_grad():
        features = student.front_end(torch.from_numpy(clip[None]))
        assert isinstance(student.network, Tiny)
        real = student.network.stem(student.network.norm(features))
    stem = maps[0] - image.layers[0].out_zero
    expected = real[0].permute(1, 2, 0).numpy()
    scale = (stem * expected).sum() / (stem * stem).sum()
    error = np.abs(scale * stem - expected)
    assert error.mean() < 0.02 * expected.max()


def test_the_same_student_gives_the_same_bytes(trained, identity: Identity) -> None:
    assert image_of(trained, identity).to_bytes() == image_of(trained, identity).to_bytes()


def test_channels_without_weights_are_their_bias(trained, identity: Identity) -> None:
    network = build("tiny", len(identity.labels), trained.front_end)
    network.load_state_dict(trained.network.state_dict())
    with torch.no_grad():
        weights = network.state_dict()
        weights["stem.0.weight"][0] = 0
        weights["stem.1.running_mean"][0] = 0
        weights["stem.1.bias"][0] = 0.5
    image = image_of(trained, identity, network)
    features = quantise(image, log_mel(image, trained.held_out[1]))
    stem = outputs(image, features)[0]
    assert len(np.unique(stem[:, :, 0])) == 1
    assert stem[0, 0, 0] > -128


def test_a_silent_student_is_exported(trained, identity: Identity) -> None:
    network = build("tiny", len(identity.labels), trained.front_end)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
    image = image_of(trained, identity, network.eval())
    assert StudentImage.from_bytes(image.to_bytes()).labels == identity.labels


def test_other_networks_are_refused_when_asked_for_alone(
    trained, request_of: Request, tmp_path: Path
) -> None:
    request = dataclasses.replace(
        request_of, network="mobilenet_v3", runtimes=("c",), precisions=("int8",)
    )
    network = build("mobilenet_v3", len(request.labels), trained.front_end).eval()
    clips = (trained.calibration[:2], trained.held_out[:2])
    with pytest.raises(ExportError, match=r"student\.h: .*`tiny`, not MobileNetV3"):
        export_bundle(request, network, *clips, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_default_export_says_why_it_leaves_the_board_out(
    trained, request_of: Request, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front_end = dataclasses.replace(trained.front_end, centred=True)
    request = dataclasses.replace(
        request_of, front_end=front_end, runtimes=("onnx", "c"), precisions=("int8",)
    )
    clips = (trained.calibration[:8], trained.held_out[:8])
    with caplog.at_level(logging.WARNING):
        made = export_bundle(request, trained.network, *clips, tmp_path / "out")
    assert [export.file for export in made.card.exports] == ["student_int8.onnx"]
    assert "student.h is left out: the board's front end knows no centred frames" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compression": "ln"}, "compression 'ln'"),
        ({"normalisation": (4.5, 5.0)}, "normalisation"),
        ({"pre_emphasis": 0.97, "centred": True}, "centred frames and no pre-emphasis"),
        ({"fft": 1_024}, "an FFT of 1024 points"),
        ({"upsample_to_hz": 16_000, "fft": 4_096}, "up-sampling"),
    ],
)
def test_front_ends_that_the_board_lacks_are_named(trained, change, message) -> None:
    front_end = dataclasses.replace(trained.front_end, **change)
    reason = c_header.refusal(WaveformStudent(front_end, trained.network))
    assert reason is not None
    assert message in reason


@pytest.mark.parametrize("rate_hz", [1_000, 2_000, 4_000, 8_000, 16_000])
def test_native_front_ends_of_all_rates_fit_the_board(rate_hz: int, trained) -> None:
    front_end = FrontEnd.preset("native", rate_hz)
    network = build("tiny", 4, front_end).eval()
    assert c_header.refusal(WaveformStudent(front_end, network)) is None


def test_another_precision_is_refused(trained, identity: Identity, tmp_path: Path) -> None:
    student = WaveformStudent(trained.front_end, trained.network)
    clips = torch.from_numpy(trained.calibration[:1])
    with pytest.raises(ExportError, match="int8, not in float16"):
        c_header.write(student, "float16", clips, tmp_path / "student.h", identity)


def test_the_header_compiles_and_holds_the_image(bundle: Bundle, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc isn't installed")
    main = tmp_path / "main.c"
    main.write_text(
        '#include "student.h"\n#include "student.h"\n#include <stdio.h>\n'
        "int main(void) { return fwrite(test_1khz_student, 1, sizeof test_1khz_student, stdout)"
        " == sizeof test_1khz_student ? 0 : 1; }\n"
    )
    program = tmp_path / "main"
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{bundle.path}"]
    subprocess.run(["gcc", *strict, "-o", program, main], check=True)
    written = subprocess.run([program], check=True, capture_output=True).stdout
    assert StudentImage.from_bytes(written).name == "test-1khz"
    assert written == StudentImage.load(bundle.path / "student.h").to_bytes()


@pytest.mark.parametrize("name", ["rain */ int x; /*", "9 lives", "regen-\u00e4"])
def test_no_name_leaves_the_comment_or_the_symbol(
    trained, identity: Identity, tmp_path: Path, name: str
) -> None:
    named = dataclasses.replace(identity, name=name)
    text = c_header.header_text(image_of(trained, named), named)
    assert text.count("*/") == text.count("/*") == 1
    (tmp_path / "student.h").write_text(text)
    assert StudentImage.load(tmp_path / "student.h").name == name
    if shutil.which("gcc"):
        check = ["gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-Wno-unused-variable"]
        subprocess.run([*check, "-x", "c", tmp_path / "student.h"], check=True)


def test_a_file_is_added_and_the_others_stay(trained, request_of: Request, tmp_path: Path) -> None:
    request = dataclasses.replace(request_of, runtimes=("onnx",), precisions=("float32",))
    clips = (trained.calibration, trained.held_out)
    before = export_bundle(request, trained.network, *clips, tmp_path / "out")
    onnx = (before.path / "student.onnx").read_bytes()
    after = add_file(before, trained.network, ("c", "int8"), *clips, "synthetic clips")
    assert [export.file for export in after.card.exports] == ["student.onnx", "student.h"]
    assert (after.path / "student.onnx").read_bytes() == onnx
    assert after.card.exports[0] == before.card.exports[0]
    assert StudentImage.load(after.path / "student.h").card_hash == after.card.identity.sha256
    again = add_file(after, trained.network, ("c", "int8"), *clips, "synthetic clips")
    assert again.card == after.card

    other = build("tiny", len(request.labels), trained.front_end).eval()
    with pytest.raises(ExportError, match=r"student\.onnx: .*the gate's limit"):
        add_file(again, other, ("c", "int8"), *clips, "synthetic clips")
    assert Bundle.load(again.path).card == again.card
    with pytest.raises(ExportError, match="no file is coreml in int8"):
        add_file(again, trained.network, ("coreml", "int8"), *clips, "synthetic clips")


def test_there_is_one_file_for_the_board() -> None:
    assert [target for target in FILES if target[0] == "c"] == [("c", "int8")]
