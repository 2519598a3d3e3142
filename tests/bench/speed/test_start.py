"""Start: a process runs with its bytecode at hand, and one that fails is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kilohear.errors import BackendError
from kilohear_bench.speed.part import listening_subjects
from kilohear_bench.speed.start import first_result, measure_start, run_program


def test_the_first_process_leaves_bytecode_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    run_program("kilohear", "import kilohear", tmp_path)
    assert any("listener" in file.name for file in tmp_path.rglob("*.pyc"))


def test_a_process_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"first result, abacus.*no beads"):
        run_program("first result, abacus", "raise SystemExit('no beads')", tmp_path)


def test_processes_are_timed_and_their_peak_memory_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kilohear_bench.speed.start.run_program", lambda *_: None)
    part = measure_start(30, lambda text: None)
    subjects = listening_subjects()
    for subject in subjects:
        latency = part.of("latency")[first_result(subject.export.runtime)]
        assert len(latency.samples) == 30
        memory = part.of("peak_memory")[subject.name]
        assert memory.median > memory.conditions["before_loading_bytes"] > 0
