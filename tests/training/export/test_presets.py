"""Every front end exports with every network it is meant for, float32, as one delegate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kilohear.errors import ExportError
from kilohear.frontend import FrontEnd
from kilohear_training.export import coreml, executorch, onnx
from kilohear_training.export.parity import open_file, reference_probabilities, run_all
from kilohear_training.export.student import WaveformStudent
from kilohear_training.frontend import TorchFrontEnd
from kilohear_training.networks import build
from kilohear_training.networks.layers import BandNorm, pool_bands_and_time
from kilohear_training.networks.mobilenet_v3 import MobileNetV3


class Few(nn.Module):
    """The layers around a front end and no more; `tiny` itself is in the bundle's tests."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.norm = BandNorm(bands)
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, 4), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.head(pool_bands_and_time(self.stem(self.norm(log_mel))))


@pytest.mark.parametrize(
    ("preset", "network"),
    [("paper", "few"), ("cropped", "few"), ("mn04", "mobilenet_v3")],
)
def test_float32_files_agree_with_torch(trained, tmp_path, preset, network, caplog):
    torch.manual_seed(0)
    front_end = FrontEnd.preset(preset, 1_000)
    module = Few(front_end.features) if network == "few" else MobileNetV3(4)
    with torch.no_grad():  # move the batch norms off their start
        module(TorchFrontEnd(front_end)(torch.from_numpy(trained.calibration[:8])))
    module.eval()
    student = WaveformStudent(front_end, module)
    clips = trained.held_out[:6]
    reference = reference_probabilities(front_end, module, clips)
    for runtime, writer in (("executorch", executorch), ("onnx", onnx)):
        file = tmp_path / runtime
        writer.write(student, "float32", torch.from_numpy(clips), file)
        given = run_all(open_file(runtime, file), clips)
        np.testing.assert_allclose(given, reference, atol=1e-4)
    left = [record for record in caplog.records if record.name.startswith("kilohear")]
    assert not left, "an operation runs outside XNNPACK"


@pytest.mark.parametrize("rate_hz", [2_000, 16_000])
def test_tiny_stays_under_1_5_mb_at_every_shipped_rate(tmp_path, rate_hz):
    front_end = FrontEnd.preset("native", rate_hz)
    student = WaveformStudent(front_end, build("tiny", 20, front_end))
    file = tmp_path / "student.onnx"
    onnx.write(student, "float32", torch.zeros(1, 5 * rate_hz), file)
    assert file.stat().st_size <= 1_500_000


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_precision_that_core_ml_does_not_offer_is_refused(trained, tmp_path, precision):
    student = WaveformStudent(trained.front_end, trained.network)
    with pytest.raises(ExportError, match=precision):
        coreml.write(student, precision, torch.from_numpy(trained.held_out), tmp_path / "x")


class Bare(Few):
    """A network whose features come normalised."""

    def __init__(self, bands: int) -> None:
        super().__init__(bands)
        del self.norm

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.head(pool_bands_and_time(self.stem(log_mel / 100)))


@pytest.mark.parametrize("network", [Few, Bare])
def test_float16_is_the_networks_alone(trained, tmp_path, network):
    torch.manual_seed(0)
    student = WaveformStudent(trained.front_end, network(trained.front_end.features))
    half, clips = student.in_float16(), torch.from_numpy(trained.held_out[:6])
    weights = {p.dtype for n, p in half.network.named_parameters() if not n.startswith("norm")}
    assert weights == {torch.float16}
    assert half(clips).dtype == half.front_end(clips).dtype == torch.float32
    assert {p.dtype for p in student.parameters()} == {torch.float32}
    for runtime, writer in (("executorch", executorch), ("onnx", onnx)):
        file = tmp_path / runtime
        writer.write(student, "float16", clips, file)
        given = run_all(open_file(runtime, file), clips.numpy())
        np.testing.assert_allclose(given, student(clips).numpy(), atol=0.01)
        np.testing.assert_allclose(given, half(clips).numpy(), atol=0.005)


class Flipped(Few):
    def forward(self, log_mel: Tensor) -> Tensor:
        return super().forward(log_mel.flip(2))


def test_an_operation_outside_the_delegate_is_reported(trained, tmp_path, caplog):
    student = WaveformStudent(trained.front_end, Flipped(trained.front_end.features))
    file = tmp_path / "student.pte"
    executorch.write(student, "float32", torch.from_numpy(trained.held_out[:1]), file)
    assert "student.pte: outside XNNPACK run aten::flip" in caplog.text
