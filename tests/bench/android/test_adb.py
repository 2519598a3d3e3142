"""The link: how the server is found, what a push checks, what each failure says."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kilohear.errors import ConfigError, KilohearError
from kilohear_bench.android import adb
from kilohear_bench.android.adb import AdbPhone, find_serial, listed, server_address
from kilohear_bench.android.stand_in import SERIAL, StandIn
from kilohear_bench.devices import DeviceLost
from kilohear_bench.devices.android import find_phones

REMOTE = "/data/local/tmp/kilohear/file"


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"ANDROID_ADB_SERVER_PORT": "5038"}, ("127.0.0.1", 5038)),
        ({"ANDROID_ADB_SERVER_PORT": ""}, ("127.0.0.1", 5037)),
        ({"ANDROID_ADB_SERVER_ADDRESS": "10.0.0.2"}, ("10.0.0.2", 1)),
        ({"ADB_SERVER_SOCKET": "tcp:10.0.0.3:99"}, ("10.0.0.3", 99)),
        ({"ADB_SERVER_SOCKET": "tcp:99"}, ("127.0.0.1", 99)),
    ],
)
def test_the_server_is_found_as_adb_finds_it(
    variables: dict[str, str], address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert server_address() == address


@pytest.mark.parametrize(
    ("name", "value"), [("ADB_SERVER_SOCKET", "local:x"), ("ANDROID_ADB_SERVER_PORT", "many")]
)
def test_a_wrong_address_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name} is '{value}'"):
        server_address()


def test_without_a_server_none_is_started_and_that_is_said() -> None:
    with pytest.raises(DeviceLost, match=r"no adb server answers at 127\.0\.0\.1:1; start it"):
        find_serial("adb")
    (found,) = find_phones()
    assert found.spec == ""
    assert "adb start-server" in found.what


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=200_000))
def test_what_is_pushed_is_what_is_pulled(phone: AdbPhone, data: bytes) -> None:
    phone.push(data, REMOTE)
    assert phone.pull(REMOTE) == data


def test_streams_and_status_come_apart(phone: AdbPhone) -> None:
    done = phone.shell("echo out; echo err >&2; exit 7")
    assert (done.output, done.error, done.code) == ("out\n", "err\n", 7)


def test_a_push_that_arrives_damaged_is_refused(stand_in: StandIn, phone: AdbPhone) -> None:
    stand_in.arrives = lambda data: data[:-1]
    with pytest.raises(KilohearError, match="isn't what was sent"):
        phone.push(b"abc", REMOTE)


def test_a_full_phone_is_refused_before_anything_is_sent(
    stand_in: StandIn, phone: AdbPhone
) -> None:
    stand_in.write("system/free_kb", "1024\n")
    with pytest.raises(KilohearError, match="1 MB are free"):
        phone.push(b"abc", REMOTE)
    assert not stand_in.path(REMOTE).exists()


def test_a_phone_that_fills_up_meanwhile_is_said(stand_in: StandIn, phone: AdbPhone) -> None:
    def fill(service: str) -> None:
        if service.startswith("sync:SEND"):
            stand_in.write("system/free_kb", "0\n")

    stand_in.fault = fill
    with pytest.raises(KilohearError, match="can't be written") as caught:
        phone.push(b"abc", REMOTE)
    assert not isinstance(caught.value, DeviceLost)


def test_a_missing_file_is_no_lost_link(phone: AdbPhone) -> None:
    with pytest.raises(KilohearError, match="can't be read") as caught:
        phone.pull("/data/local/tmp/none")
    assert not isinstance(caught.value, DeviceLost)
    assert phone.sha256_of("/data/local/tmp/none") is None


@pytest.mark.parametrize("cut", ["shell", "sync:SEND", "sync:RECV"])
def test_a_link_that_breaks_is_a_lost_device(stand_in: StandIn, phone: AdbPhone, cut: str) -> None:
    phone.push(b"abc", REMOTE)

    def break_link(service: str) -> None:
        if service.startswith(cut):
            raise ConnectionResetError

    stand_in.fault = break_link
    use = partial(phone.pull, REMOTE) if cut == "sync:RECV" else partial(phone.push, b"abc", REMOTE)
    with pytest.raises(DeviceLost, match="link broke"):
        use()


def test_a_command_that_stays_silent_is_a_lost_device(phone: AdbPhone) -> None:
    with pytest.raises(DeviceLost, match="doesn't answer"):
        phone.shell("sleep 2", timeout_s=0.1)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("unauthorized", "allow USB debugging"),
        ("offline", "adb reconnect"),
        ("no permissions (user in plugdev group; missing udev rules?)", "udev rules"),
    ],
)
def test_a_phone_that_cant_be_used_says_what_to_do(
    stand_in: StandIn, state: str, step: str
) -> None:
    stand_in.state = state
    for spec in ("adb", f"adb:{SERIAL}"):
        with pytest.raises(DeviceLost, match=step):
            find_serial(spec)
    (found,) = find_phones()
    assert found.spec == ""
    assert step in found.what


def test_a_phone_whose_state_changes_says_what_to_do(stand_in: StandIn, phone: AdbPhone) -> None:
    assert phone.shell("true").code == 0
    stand_in.state = "unauthorized"
    with pytest.raises(DeviceLost, match="allow USB debugging"):
        phone.shell("true")
    stand_in.state = "absent"
    with pytest.raises(DeviceLost, match="link broke"):
        phone.shell("true")


def test_no_phone_another_phone_and_too_many(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_serial("adb") == SERIAL
    assert [spec.spec for spec in find_phones()] == [f"adb:{SERIAL}"]
    for wanted in ("adb:other", "adb:127.0.0.1:9"):  # the second is connected to, in vain
        with pytest.raises(DeviceLost, match="no such phone"):
            find_serial(wanted)
    stand_in.state = "absent"
    assert listed() == []
    with pytest.raises(DeviceLost, match="no such phone"):
        find_serial("adb")
    monkeypatch.setattr(adb, "listed", lambda: [("a", "device", ""), ("b", "device", "")])
    with pytest.raises(DeviceLost, match="2 phones"):
        find_serial("adb")


def test_reconnect_waits_until_the_phone_is_back(stand_in: StandIn, phone: AdbPhone) -> None:
    stand_in.state = "absent"
    with pytest.raises(DeviceLost, match="not back within 0 s"):
        phone.reconnect(0.0)
    stand_in.state = "device"
    phone.reconnect(0.0)
