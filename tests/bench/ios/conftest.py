from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.ios.fake_command import FakeCommand, install


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    return install(tmp_path, monkeypatch)
