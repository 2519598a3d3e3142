"""What is connected: every group says what it found, or why it can't be looked for."""

from __future__ import annotations

import pytest

from kilohear.capture.microphone import Device
from kilohear.cli import main
from kilohear.errors import ExtraError
from kilohear_bench import connected
from kilohear_bench.devices import Found


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on what hangs on this machine."""
    for group in ("_phones", "_iphones", "_boards", "_ppk2", "_joulescope", "_otii"):
        monkeypatch.setattr(connected, group, lambda: [Found("", "none; plug one in")])
    monkeypatch.setattr("kilohear.capture.microphone.devices", list)


def test_this_computer_and_the_simulator_are_always_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["devices"]) == 0
    shown = capsys.readouterr().out
    assert "\n  host " in shown
    assert "\n  apollo3-simulator " in shown
    assert shown.count("plug one in") == 6


def test_what_is_found_is_named_as_the_options_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kilohear.capture.microphone.devices",
        lambda: [Device("Built-in", True, 2, (8_000, 16_000)), Device("USB", False, 1, ())],
    )
    monkeypatch.setattr(connected, "_phones", lambda: [Found("adb:1234", "a phone")])
    groups = connected.find_all()
    assert groups["Android phones"] == [Found("adb:1234", "a phone")]
    default, other = groups["microphones (kilohear listen)"]
    assert default.spec == "microphone"
    assert "8,000, 16,000" in default.what
    assert other.spec == "microphone:USB"


def test_a_group_that_cant_be_looked_for_says_why_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> list[Found]:
        raise ExtraError("pip install 'kilohear[phone]'")

    monkeypatch.setattr(connected, "_phones", missing)
    groups = connected.find_all()
    assert groups["Android phones"] == [Found("", "pip install 'kilohear[phone]'")]
    assert groups["this computer"][0].spec == "host"
