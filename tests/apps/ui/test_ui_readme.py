"""The programs of the screens' page run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

README = Path(__file__).parents[3] / "sdk" / "kilohear_ui" / "README.md"
APP, EARS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)

CLOSED_SOON = """
from kivy.app import App
from kivy.base import stopTouchApp
from kivy.clock import Clock

def close(_seconds):
    print("shown:", App.get_running_app().shell.current.name)
    stopTouchApp()

Clock.schedule_once(close, 0.5)
"""


def _run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={
            **os.environ,
            "KIVY_HOME": str(folder),
            "KIVY_LOG_MODE": "PYTHON",
            "KIVY_NO_ARGS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SDL_VIDEODRIVER": "offscreen",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_app_opens(tmp_path: Path) -> None:
    assert "shown: listen" in _run(CLOSED_SOON + APP, tmp_path)


def test_ears_alone_say_what_they_hear(
    tmp_path: Path, bundle_path: Path, recording_factory: Callable[..., Path]
) -> None:
    recording_factory(0.5 * np.sin(0.16 * np.arange(16_000)), name="recording.wav")
    said = _run(EARS.replace('"esc10-1khz"', repr(str(bundle_path))), tmp_path)
    assert said.splitlines()[0] == "0.0 loud"
