"""An app as it is packaged, run by this Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_packaged(program: str, app: Path, home: Path, *options: str) -> str:
    """Run a program amid the files of an app, which has nothing else of this project.

    Parameters
    ----------
    program
        Of Python.
    app
        The app's folder.
    home
        Where Kivy keeps its settings.
    options
        Of Python.

    Returns
    -------
    What it printed.
    """
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        cwd=app,
        env={
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            "KIVY_NO_ARGS": "1",
            "KIVY_NO_CONSOLELOG": "1",
            "KIVY_NO_FILELOG": "1",
            "KIVY_HOME": str(home),
            "SDL_VIDEODRIVER": "offscreen",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
