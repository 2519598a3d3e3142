"""The build: once for each source and wheel; what is missing is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kilohear.errors import BackendError
from kilohear_bench.android import build as module
from kilohear_bench.android.build import Build, build_runner, source, source_version


def test_a_second_build_compiles_nothing(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled or fetched again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert build_runner() == build
    assert all(file.is_file() for file in (build.runner, *build.libraries))


def test_the_version_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in source().glob("*.[ch]*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = source_version()
    monkeypatch.setattr(module, "source", lambda: tmp_path)
    assert source_version() == before
    (tmp_path / "runner.cpp").write_text("int main() {}\n")
    assert source_version() != before


def test_a_runner_that_is_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "runner"
    monkeypatch.setenv("KILOHEAR_RUNNER", str(named))
    with pytest.raises(BackendError, match="no such file"):
        build_runner()
    named.touch()
    assert build_runner() == Build(named)


def test_what_cant_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_installed", lambda: "0.0.0")
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    with pytest.raises(BackendError, match=r"can't fetch the aarch64 wheel: /nowhere/python"):
        build_runner()
    monkeypatch.setattr(module.sys, "executable", "false")
    with pytest.raises(BackendError, match="set KILOHEAR_RUNNER to a runner"):
        build_runner()
    assert list((tmp_path / "kilohear/android").iterdir()) == []
