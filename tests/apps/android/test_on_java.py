"""What is for Android, on a desktop's JVM: with python-for-android's own service and modules.

A process can have one JVM, and keeps it: these tests get a process of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def p4a_modules(p4a: Path, tmp_path: Path) -> Path:
    """python-for-android's package `android`, but for its compiled part."""
    package = tmp_path / "modules" / "android"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "config.py").write_text(
        'ACTIVITY_CLASS_NAME = "org.kivy.android.PythonActivity"\n'
        'ACTIVITY_CLASS_NAMESPACE = "org/kivy/android/PythonActivity"\n'
    )
    for name in ("permissions.py", "runnable.py"):
        shutil.copy(p4a / "recipes/android/src/android" / name, package)
    return package.parent


def test_what_is_for_android_passes_in_an_app_of_its_own(
    app_classes: Path, p4a_modules: Path, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "CLASSPATH": str(app_classes),
        "ANDROID_ARGUMENT": ".",
        "PYTHONPATH": os.pathsep.join([str(p4a_modules), *sys.path]),
        "KIVY_HOME": str(tmp_path),
        "KIVY_NO_ARGS": "1",
        "KIVY_NO_CONSOLELOG": "1",
        "KIVY_NO_FILELOG": "1",
    }
    modules = map(str, HERE.glob("test_android*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
