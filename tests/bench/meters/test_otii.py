"""The unmodified client against a stand-in of the Otii program's TCP server on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from kilohear_bench.meters import MeterError, open_meter, windows_of
from kilohear_bench.meters.otii import Otii

pytest.importorskip("otii_tcp_client", reason="the extra otii isn't installed")

RATE_HZ = 4000.0
GATED = ((400, 0.5, 0), (800, 4.0, 1), (400, 0.5, 0), (1200, 2.0, 1), (400, 0.5, 0))


class FakeOtii:
    """Answers the requests that the driver's client sends, JSON a line.

    Parameters
    ----------
    stretches
        (samples, mA, input 1) of what it records.
    changes
        What differs from one Arc with a licence: `devices`, `licenses`, `volt`, `connected`,
        `drop_on` (a command at which the link breaks, once) and `refuse` (one it refuses).
    """

    def __init__(self, *stretches: tuple[int, float, int], **changes: Any) -> None:
        lengths = [samples for samples, _, _ in stretches]
        self.current = np.repeat([c for _, c, _ in stretches], lengths) / 1e3
        level = np.repeat([level for _, _, level in stretches], lengths)
        rises = np.flatnonzero(np.diff(level, prepend=0))
        self.events = [{"timestamp": i / RATE_HZ, "value": bool(level[i])} for i in rises]
        self.changes: dict[str, Any] = {
            "devices": [{"type": "Arc", "device_id": "a1", "name": "My Arc"}],
            "licenses": [{"id": 1, "type": "Automation", "available": True, "reserved_to": ""}],
            "volt": np.full(len(self.current) // 4, 3.3),
            "connected": True,
            "drop_on": None,
            "refuse": None,
        } | changes
        self.commands: list[str] = []
        self._project = -1  # none is open
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.port = self._server.getsockname()[1]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeOtii:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                link, _ = self._server.accept()
            except TimeoutError:
                continue
            with link:
                link.settimeout(0.1)
                self._send(link, {"type": "information", "info": "connected", "data": {}})
                self._talk(link)

    def _talk(self, link: socket.socket) -> None:
        pending = b""
        while not self._ending.is_set():
            try:
                received = link.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                return
            if not received:
                return
            *lines, pending = (pending + received).split(b"\r\n")
            for line in lines:
                request = json.loads(line)
                command = request["cmd"]
                self.commands.append(command)
                if command == self.changes["drop_on"]:
                    self.changes["drop_on"] = None
                    return
                answer = {"type": "response", "cmd": command, "trans_id": request["trans_id"]}
                if command == self.changes["refuse"]:
                    answer |= {"type": "error", "errorcode": "Command failure"}
                    answer["data"] = {"message": "not now"}
                else:
                    answer["data"] = self._answer(command, request.get("data", {}))
                self._send(link, answer)

    def _send(self, link: socket.socket, message: dict[str, Any]) -> None:
        link.sendall(json.dumps(message).encode() + b"\r\n")

    def _answer(self, command: str, data: dict[str, Any]) -> dict[str, Any]:
        match command:
            case "otii_is_logged_in":
                return {"logged_in": True}
            case "otii_get_licenses":
                return {"licenses": self.changes["licenses"]}
            case "otii_get_devices":
                return {"devices": self.changes["devices"]}
            case "otii_get_active_project":
                return {"project_id": self._project}
            case "otii_create_project":
                self._project = 7
                return {"project_id": self._project}
            case "arc_is_connected":
                return {"connected": self.changes["connected"]}
            case "arc_get_version":
                return {"hw_version": "1", "fw_version": "1.2.3"}
            case "project_get_last_recording":
                return {"recording_id": 3, "name": "Recording 1"}
            case "recording_get_channel_data_count":
                return {"count": len(self._channel(data["channel"]))}
            case "recording_get_channel_data":
                values = self._channel(data["channel"])
                part = list(values[data["index"] : data["index"] + data["count"]])
                if data["channel"] in ("i1", "i2"):
                    return {"data_type": "digital", "values": part}
                interval = 1 / RATE_HZ if data["channel"] == "mc" else 4 / RATE_HZ
                start = data["index"] * interval
                return {
                    "data_type": "analog",
                    "timestamp": start,
                    "interval": interval,
                    "values": part,
                }
        return {}

    def _channel(self, channel: str) -> Any:
        return {"mc": self.current, "mv": self.changes["volt"], "i1": self.events, "i2": []}[
            channel
        ]


def meter_at(server: FakeOtii, **options: Any) -> Otii:
    options = {"clock_tolerance": None} | options
    return Otii(port=server.port, **options)


def test_gated_windows_are_recovered():
    with FakeOtii(*GATED) as server, meter_at(server) as meter:
        meter.start()
        recording = meter.stop()
    assert recording.rate_hz == pytest.approx(RATE_HZ)
    assert recording.firmware == "1.2.3"
    windows = windows_of(recording, 0)
    assert [window.samples for window in windows.active] == [800, 1200]
    assert windows.active[1].current_ma == pytest.approx(2.0)
    assert windows.active[1].energy_uj == pytest.approx(2.0 * 3.3 * 300)
    assert server.commands[-1] == "otii_return_license"
    assert server.commands.count("arc_set_main") == 2  # on and off


def test_a_broken_link_is_mended_and_the_finished_windows_are_fetched():
    server = FakeOtii(*GATED, drop_on="project_stop_recording")
    with server, meter_at(server) as meter:
        meter.start()
        with pytest.raises(MeterError, match="link broke") as error:
            meter.stop()
    assert error.value.recording is not None
    assert len(windows_of(error.value.recording, 0).active) == 2


def test_an_instrument_that_stops_mid_window_keeps_the_finished_ones():
    server = FakeOtii(*GATED[:3], (100, 2.0, 1))
    with server, meter_at(server, clock_tolerance=0.02) as meter:
        meter.start()
        time.sleep(0.7)
        with pytest.raises(MeterError, match="some were lost") as error:
            meter.stop()
    assert error.value.recording is not None
    assert len(windows_of(error.value.recording, 0).active) == 1


def test_an_unplugged_instrument_is_named():
    server = FakeOtii(*GATED, connected=False)
    with server, meter_at(server) as meter:
        meter.start()
        with pytest.raises(MeterError, match="disconnected") as error:
            meter.stop()
    assert error.value.recording is not None


def test_a_sagging_supply_is_a_brown_out():
    volt = np.full(800, 3.3)
    volt[500:600] = 2.0
    with FakeOtii(*GATED, volt=volt) as server, meter_at(server) as meter:
        meter.start()
        with pytest.raises(MeterError, match=r"brown-out at 0\.5 s"):
            meter.stop()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": []}, "found: none"),
        ({"devices": [{"type": "Uart", "device_id": "u", "name": "log"}]}, "found: none"),
        ({"licenses": []}, "licence"),
        ({"refuse": "arc_set_main_voltage"}, "not now"),
        ({"refuse": "otii_get_devices"}, "not now"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, message):
    with (
        FakeOtii(*GATED, **changes) as server,
        pytest.raises(MeterError, match=message),
        meter_at(server),
    ):
        pass


def test_two_instruments_need_a_name():
    devices = [{"type": kind, "device_id": kind, "name": f"My {kind}"} for kind in ("Arc", "Ace")]
    with FakeOtii(*GATED, devices=devices) as server:
        with pytest.raises(MeterError, match="My Arc, My Ace"), meter_at(server):
            pass
        with meter_at(server, device="My Ace") as meter:
            meter.start()
            assert meter.stop().device == "Otii Ace My Ace"


def test_no_server_is_told_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MeterError, match=f"127.0.0.1:{port}"), open_meter(f"otii:127.0.0.1:{port}"):
        pass
