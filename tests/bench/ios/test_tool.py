from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.ios.fake_command import OTHER, PHONE, UDID, FakeCommand

from kilohear.errors import KilohearError
from kilohear_bench.devices import DeviceLost
from kilohear_bench.ios.tool import APP, RESULTS, IosError, Tool


def test_a_phone_on_cable_and_wifi_is_one_phone(command: FakeCommand) -> None:
    command.answer(
        "usbmux list",
        [PHONE, {**PHONE, "ConnectionType": "USB"}, {**PHONE, "Identifier": OTHER}],
    )
    phones = Tool().phones()
    assert [p["Identifier"] for p in phones] == [UDID, OTHER]
    assert phones[0]["ConnectionType"] == "USB"


def test_results_are_pulled_from_the_app_s_documents(command: FakeCommand, tmp_path: Path) -> None:
    command.leave("b.json", "{}")
    command.leave("a.json", "{}")
    target = tmp_path / "here"
    target.mkdir()
    files = Tool(UDID).pull_results(target)
    assert [path.name for path in files] == ["a.json", "b.json"]
    assert command.calls == [f"apps pull {APP} {RESULTS} {target} --documents --udid {UDID}"]


@pytest.mark.parametrize(
    ("text", "error", "advice"),
    [
        ("Failed to connect to usbmuxd socket. Make sure it's running.", DeviceLost, "usbmuxd"),
        ("Device is not connected.", DeviceLost, "connect it"),
        (f"Device not found: {UDID}", DeviceLost, "connect it"),
        ("The device does not trust this computer.", DeviceLost, "tap Trust"),
        ("Device is not paired.", DeviceLost, "tap Trust"),
        (
            "Waiting for the user to answer the Trust dialog on the device.",
            DeviceLost,
            "tap Trust",
        ),
        ("Device is password protected. Please unlock and retry.", DeviceLost, "unlock"),
        ("Unlock the device with its passcode and retry.", DeviceLost, "unlock"),
        (f"No app with bundle ID {APP} is installed.", IosError, "install the kilohear app"),
        (
            f"No such file on the device: {RESULTS} (AFC status READ_ERROR).",
            IosError,
            "press Profile",
        ),
        ("Something new.", DeviceLost, "unlocked and connected"),
    ],
)
def test_a_failure_says_what_to_do(
    command: FakeCommand, tmp_path: Path, text: str, error: type[KilohearError], advice: str
) -> None:
    command.fail("apps pull", text)
    with pytest.raises(error, match=advice) as caught:
        Tool(UDID).pull_results(tmp_path)
    assert text.rstrip(".").replace(UDID, "UDID") in str(caught.value)
    assert UDID not in str(caught.value)


def test_an_app_without_results_is_told_to_profile(command: FakeCommand, tmp_path: Path) -> None:
    target = tmp_path / "here"
    target.mkdir()
    with pytest.raises(IosError, match="press Profile"):
        Tool(UDID).pull_results(target)


def test_a_missing_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IosError, match="pipx install pymobiledevice3"):
        Tool().phones()


def test_an_answer_that_isn_t_json_is_refused(command: FakeCommand) -> None:
    (command.bin / "pymobiledevice3").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(IosError, match="'hello"):
        Tool().phones()
