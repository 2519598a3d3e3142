"""Fixtures of the phone's tests: a stand-in, the runner, a student. Without the tools: skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilohear.errors import BackendError
from kilohear_bench.android.adb import AdbPhone, find_serial
from kilohear_bench.android.build import Build, build_runner
from kilohear_bench.android.runner import FOLDER, Runner
from kilohear_bench.android.stand_in import StandIn

TOOLS = ("adb", "make", "gcc", "aarch64-linux-gnu-g++", "qemu-aarch64")


@pytest.fixture(autouse=True)
def server_by_port_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach another adb server, nor a phone."""
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("KILOHEAR_RUNNER", raising=False)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")


@pytest.fixture(scope="session")
def build() -> Build:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: no runner for the stand-in")
    try:
        return build_runner()
    except BackendError as error:
        if "fetch" not in str(error):
            raise
        pytest.skip(f"no runner for the stand-in: {error}")


@pytest.fixture
def stand_in(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(tmp_path / "phone") as phone:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(phone.port))
        yield phone


@pytest.fixture
def furnished(stand_in: StandIn, build: Build) -> StandIn:
    """The stand-in with the runner on it, so that nothing need be sent."""
    folder = stand_in.path(FOLDER)
    folder.mkdir(parents=True)
    for file in (build.runner, *build.libraries):
        shutil.copy(file, folder)
    return stand_in


@pytest.fixture
def phone(stand_in: StandIn) -> AdbPhone:
    return AdbPhone(find_serial("adb"))


@pytest.fixture
def runner(furnished: StandIn, phone: AdbPhone, build: Build) -> Runner:
    runner = Runner(phone, "adb")
    runner.install(build)
    return runner
