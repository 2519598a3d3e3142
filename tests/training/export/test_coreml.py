from __future__ import annotations

import sys

import numpy as np
import pytest

from kilohear.errors import BackendError
from kilohear_training.export import parity
from kilohear_training.export.mil import MilInterpreter
from kilohear_training.export.parity import reference_probabilities, run_all


@pytest.fixture(scope="module")
def interpreter(bundle) -> MilInterpreter:
    return MilInterpreter(bundle.path / "student.mlpackage")


def types_of(interpreter: MilInterpreter) -> list[tuple[str, str]]:
    operations = [o for o in interpreter._block.operations if o.type != "const"]
    data_types = (o.outputs[0].type.tensorType.dataType for o in operations)
    names = (interpreter._dtype_name(data_type) for data_type in data_types)
    return list(zip((o.type for o in operations), names, strict=True))


def test_front_end_is_float32_and_convolutions_after_it_float16(interpreter):
    types = types_of(interpreter)
    log = [kind for kind, _ in types].index("log")
    assert {dtype for _, dtype in types[: log + 1]} == {"FLOAT32"}
    assert {dtype for kind, dtype in types[log:] if kind in ("conv", "linear")} == {"FLOAT16"}


def test_interpreter_equals_torch_within_float16(interpreter, trained):
    reference = reference_probabilities(trained.front_end, trained.network, trained.held_out)
    given = run_all(interpreter, trained.held_out)
    np.testing.assert_allclose(given, reference, atol=0.02)


def test_quiet_clips_keep_their_probabilities(interpreter, trained):
    loudest = np.abs(trained.held_out).max(axis=1, keepdims=True)
    quiet = (trained.held_out / loudest * 1e-4).astype(np.float32)
    reference = reference_probabilities(trained.front_end, trained.network, quiet)
    np.testing.assert_allclose(run_all(interpreter, quiet), reference, atol=0.03)


def test_an_unknown_operation_is_named(bundle, trained):
    interpreter = MilInterpreter(bundle.path / "student.mlpackage")
    next(o for o in interpreter._block.operations if o.type == "softmax").type = "softminus"
    with pytest.raises(BackendError, match="'softminus'"):
        interpreter.run(trained.held_out[:1])


def test_what_is_no_package_is_refused(tmp_path):
    with pytest.raises(BackendError, match="not a Core ML package"):
        MilInterpreter(tmp_path)


def test_linux_runs_the_interpreter(bundle):
    executed_by = bundle.export("coreml", "float16").parity.executed_by
    assert ("MIL interpreter" in executed_by) == (sys.platform != "darwin")


def test_a_mac_runs_core_ml_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(parity, "open_backend", lambda *what: what)
    assert parity.open_file("coreml", tmp_path) == ("coreml", tmp_path)
