"""`import kilohear` touches numpy only; what else is needed is asked for by its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kilohear
from kilohear import extras
from kilohear.errors import ExtraError


def test_a_library_import_touches_numpy_only() -> None:
    program = (
        "import sys, kilohear\n"
        "from kilohear.backends import android, coreml, ios\n"
        "from kilohear.capture import android, android_service, ios, paced, synthetic, wav\n"
        "heavy = {'typer', 'click', 'rich', 'soundfile', 'torch', 'onnxruntime', 'executorch',"
        " 'scipy', 'librosa', 'jnius', 'coremltools', 'pyobjus', 'kilohear_training',"
        " 'kilohear_bench', 'asyncio', 'email'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_everything_public_is_there() -> None:
    assert all(hasattr(kilohear, name) for name in kilohear.__all__)


def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ExtraError, match=r"soundfile isn't installed.*'kilohear\[files\]'"):
        kilohear.open_source(tmp_path / "a.wav")
    with pytest.raises(ModuleNotFoundError):
        extras.load("kilohear.no_such_module")


def test_the_version_needs_no_metadata() -> None:
    program = (
        "import sys, importlib.metadata as metadata\n"
        "installed = metadata.version('kilohear')\n"
        "sys.modules['importlib.metadata'] = None\n"
        "import kilohear; print(kilohear.__version__ == installed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
