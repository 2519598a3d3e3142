"""The stand-in: driven by the real adb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear_bench.android.build import Build
from kilohear_bench.android.stand_in import SERIAL, STAND_IN, StandIn


def adb(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["adb", *words], capture_output=True, text=True, timeout=30, check=False, env=os.environ
    )


def test_adb_lists_it_and_runs_commands_on_it(stand_in: StandIn) -> None:
    assert f"{SERIAL}\tdevice" in adb("devices").stdout
    done = adb("-s", SERIAL, "shell", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert "QEMU" in adb("shell", f"getprop {STAND_IN}").stdout
    assert adb("shell", "dumpsys nothing").returncode == 20


def test_adb_pushes_and_pulls(stand_in: StandIn, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(200_000))
    assert adb("push", str(sent), "/data/local/tmp/file").returncode == 0
    assert adb("pull", "/data/local/tmp/file", str(back)).returncode == 0
    assert back.read_bytes() == sent.read_bytes()


@pytest.mark.parametrize("state", ["unauthorized", "offline", "absent"])
def test_adb_is_refused_in_other_states(stand_in: StandIn, state: str) -> None:
    stand_in.state = state
    assert adb("shell", "true").returncode != 0


def test_a_program_for_arm_runs_in_qemu_and_only_there(stand_in: StandIn, build: Build) -> None:
    program = stand_in.path("/data/local/tmp/runner")
    program.write_bytes(build.runner.read_bytes())
    command = stand_in.command("/data/local/tmp/runner idle 1 && rm /data/local/tmp/runner")
    assert command.count("qemu-aarch64") == 1
    assert command.startswith("qemu-aarch64 ")
    assert command.endswith(f"rm {program}")


def test_a_reboot_changes_the_boot_id_and_keeps_files(stand_in: StandIn) -> None:
    boot = stand_in.path("/proc/sys/kernel/random/boot_id").read_text()
    stand_in.write("data/local/tmp/kept", "kept")
    stand_in.reboot()
    assert adb("shell", "cat /proc/sys/kernel/random/boot_id").stdout != boot
    assert adb("shell", "cat /data/local/tmp/kept").stdout == "kept"


@given(parts=st.lists(st.sampled_from(["..", "data", "sys", "."]), max_size=8))
def test_no_path_leads_out_of_its_root(parts: list[str]) -> None:
    root = Path("/nowhere/phone")
    try:
        found = StandIn(root).path("/" + "/".join(parts))
    except PermissionError:
        return
    assert found.is_relative_to(root)


def test_as_a_program_it_says_its_port_and_serves(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "kilohear_bench.android.stand_in", "--root", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", said.partition("=")[2].partition(" ")[0])
            assert adb("get-state").stdout == "device\n"
        finally:
            process.terminate()
