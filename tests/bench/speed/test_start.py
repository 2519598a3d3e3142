"""Start: a process runs with its bytecode at hand, and one that fails is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kilohear.errors import BackendError
from kilohear_bench.speed.start import run_program


def test_the_first_process_leaves_bytecode_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    run_program("kilohear", "import kilohear", tmp_path)
    assert any("listener" in file.name for file in tmp_path.rglob("*.pyc"))


def test_a_process_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"first result, abacus.*no beads"):
        run_program("first result, abacus", "raise SystemExit('no beads')", tmp_path)
