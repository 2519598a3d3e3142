"""What is for Android, on a desktop's JVM: against classes with the signatures of Android's.

A process can have one JVM, and keeps it: these tests get a process of their own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_what_is_for_android_passes_in_an_app_of_its_own(android_stubs: Path) -> None:
    if importlib.util.find_spec("jnius") is None:
        pytest.skip("pyjnius isn't installed: run pip install 'kilohear[android]'")
    environment = {**os.environ, "CLASSPATH": str(android_stubs), "ANDROID_ARGUMENT": "."}
    modules = map(str, HERE.rglob("test_android*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
