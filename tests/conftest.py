"""Fixtures that every test tree shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The development audio; the test is skipped, with the reason, where it is missing."""
    named = os.environ.get("KILOHEAR_DATA")
    if not named:
        pytest.skip("KILOHEAR_DATA isn't set: no development audio")
    path = Path(named)
    if not path.is_dir():
        pytest.skip(f"KILOHEAR_DATA is {path}, which isn't a folder")
    return path
