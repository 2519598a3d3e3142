"""The iPhone against a `pymobiledevice3` that replays that command's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.ios.fake_command import BATTERY, INFO, OTHER, PHONE, UDID, FakeCommand, install
from tests.bench.test_app_results import make_result

from kilohear.bundle import CARD_NAME, Bundle
from kilohear.errors import ConfigError, DataError
from kilohear.files import sha256_of
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import DeviceLost
from kilohear_bench.devices.ios import IDLE, Ios, find_iphones
from kilohear_bench.ios import battery
from kilohear_bench.ios.tool import IosError


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    return install(tmp_path, monkeypatch)


def make_shipped(bundle: str, **changes: Any) -> dict[str, Any]:
    """Return a result of a bundle that ships."""
    card = sha256_of(Bundle.load(bundle).path / CARD_NAME)
    values = {
        "subject": f"{bundle} coreml float16",
        "step": f"latency/{bundle}/0",
        "card_sha256": card,
        "rate_hz": 1000 if "1khz" in bundle else 2000,
    }
    return make_result(**(values | changes))


def test_iphones_are_found(command: FakeCommand) -> None:
    (found,) = find_iphones()
    assert (found.spec, found.what) == (f"ios:{UDID}", "iPhone14,5, iOS 17.5.1, by Wi-Fi")
    command.answer("usbmux list", [])
    assert find_iphones() == []
    command.fail("usbmux list", "Failed to connect to usbmuxd socket. Make sure it's running.")
    (missing,) = find_iphones()
    assert missing.spec == ""
    assert "usbmuxd" in missing.what


def test_the_app_s_results_become_steps(command: FakeCommand) -> None:
    command.leave("1.json", make_shipped("esc10-1khz"))
    command.leave("2.json", make_shipped("esc10-2khz"))
    with Ios("ios", BenchConfig(devices=("ios",))) as phone:
        assert phone.name == "ios"
        steps = list(phone.plan())
        assert [step.name for step in steps] == ["latency/esc10-1khz/0", "latency/esc10-2khz/0"]
        (measured,) = steps[0].measure().measurements
        assert measured.device == "ios"
        assert measured.samples == (1.5, 1.25)
        assert measured.versions["kilohear app"] == "0.6.0"
        assert [tested.rate_hz for tested in phone.subjects()] == [1000, 2000]
        described = phone.describe()
        assert (described["model"], described["system"]) == ("iPhone14,5", "iOS 17.5.1 (21F90)")
    told = json.dumps(described) + phone.name
    for secret in (UDID, INFO["DeviceName"], INFO["SerialNumber"], INFO["WiFiAddress"]):
        assert secret not in told


def test_bundles_runtimes_and_rates_choose_among_results(command: FakeCommand) -> None:
    command.leave("1.json", make_shipped("esc10-1khz"))
    command.leave("2.json", make_shipped("esc10-2khz"))
    for config in (
        BenchConfig(bundles=("esc10-2khz",)),
        BenchConfig(rates_hz=(2000,), runtimes=("coreml",)),
    ):
        with Ios("ios", config) as phone:
            assert [tested.bundle for tested in phone.subjects()] == ["esc10-2khz"]
            assert len(phone.plan()) == 1
    with pytest.raises(DataError, match="2 results are of cards that begin with"):
        Ios("ios", BenchConfig(runtimes=("onnx",))).__enter__()


def test_a_phone_is_chosen_by_its_udid(command: FakeCommand) -> None:
    command.leave("1.json", make_shipped("esc10-1khz"))
    command.answer("usbmux list", [PHONE, {**PHONE, "Identifier": OTHER}])
    with pytest.raises(ConfigError, match=f"2 iPhones.*--device ios:{OTHER}"):
        Ios("ios", BenchConfig()).__enter__()
    names = set()
    for udid in (UDID, OTHER):
        with Ios(f"ios:{udid}", BenchConfig()) as phone:
            names.add(phone.name)
            assert udid not in phone.name
        assert f"--udid {udid}" in command.calls[-1]
    assert len(names) == 2
    command.answer("usbmux list", [PHONE])
    with pytest.raises(DeviceLost, match="no iPhone with that UDID"):
        Ios(f"ios:{OTHER}", BenchConfig()).__enter__()
    command.answer("usbmux list", [])
    with pytest.raises(DeviceLost, match="no iPhone is connected"):
        Ios("ios", BenchConfig()).__enter__()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"subject": "esc10-1khz coreml int8"}, "is none of the bundle's files"),
        ({"rate_hz": 8000}, "says 8000 Hz, its card 1000 Hz"),
        ({"model": "iPhone12,1"}, "measured on iPhone12,1, this is iPhone14,5"),
        ({"card_sha256": "ab" * 32}, "cards that begin with abababababab"),
        ({"kind": "simulated"}, "an app on a phone can't be"),
        ({"step": IDLE}, "two results are of step"),
    ],
)
def test_a_result_that_doesn_t_fit_is_refused(
    command: FakeCommand,
    changes: dict[str, Any],
    cause: str,
) -> None:
    command.leave("1.json", make_shipped("esc10-1khz", **changes))
    with pytest.raises(DataError, match=cause):
        Ios("ios", BenchConfig()).__enter__()


def test_two_results_of_one_step_are_refused(command: FakeCommand) -> None:
    command.leave("1.json", make_shipped("esc10-1khz"))
    command.leave("2.json", make_shipped("esc10-1khz"))
    with pytest.raises(DataError, match="two results are of step 'latency/esc10-1khz/0'"):
        Ios("ios", BenchConfig()).__enter__()


def test_the_battery_is_sampled_only_where_asked(
    command: FakeCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(battery, "READINGS", 3)
    command.leave("1.json", make_shipped("esc10-1khz"))
    with Ios("ios", BenchConfig(power="current-now"), lambda _: None) as phone:
        idle = phone.plan()[-1]
        assert idle.name == IDLE
        outcome = idle.measure()
        assert [m.name for m in outcome.measurements] == ["power_idle", "temperature"]
        assert outcome.measurements[0].mean == pytest.approx(212 * 3.912)
        assert len(outcome.traces) == 1
        command.answer("diagnostics battery", {**BATTERY, "ExternalConnected": True})
        with pytest.raises(IosError, match="ExternalConnected"):
            idle.measure()
