"""Every program in the SDK's README runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kilohear import bundle as bundle_module

README = Path(__file__).parents[2] / "sdk" / "README.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs(
    program: str,
    bundle_path: Path,
    recording_factory: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recording = recording_factory(0.5 * np.sin(np.arange(16_000)), name="recording.wav")
    monkeypatch.chdir(recording.parent)
    there = {**bundle_module.shipped(), "esc10-1khz": bundle_path}
    monkeypatch.setattr(bundle_module, "shipped", lambda: there)
    exec(compile(program, str(README), "exec"), {"__name__": "program"})
    assert capsys.readouterr().out
