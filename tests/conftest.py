"""Fixtures that every test tree shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings


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


# Timings live in benchmarks: a busy machine must not fail a property.
settings.register_profile("kilohear", deadline=None)
settings.load_profile("kilohear")
