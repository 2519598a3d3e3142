"""Qoitech's Otii Arc and Ace through the TCP server of the Otii program."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.bundle import Kind
from kilohear_bench.measurement import now
from kilohear_bench.meters import (
    Context,
    Limits,
    MeterError,
    Recording,
    finished,
    shortfall,
)

_CURRENT, _VOLTAGE, _INPUTS = "mc", "mv", ("i1", "i2")


class Otii(Context):
    """An Arc or Ace that powers the board; its inputs 1 and 2 are logic inputs 0 and 1.

    The samples stay in the Otii program's project: where the link to it breaks, `stop` connects
    again and fetches them.

    Parameters
    ----------
    host, port
        Where the Otii program's server listens.
    device
        The instrument's name; None: the only one.
    supply_v
        What it supplies, V.
    limits, clock_tolerance
        As for the PPK2.
    """

    name: ClassVar[str] = "otii"
    kind: ClassVar[Kind] = "measured"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 1905,
        *,
        device: str | None = None,
        supply_v: float = 3.3,
        limits: Limits | None = None,
        clock_tolerance: float | None = 0.02,
    ) -> None:
        self._host, self._port = host, port
        self._name = device
        self._supply_v = supply_v
        self._limits = limits or Limits()
        self._clock_tolerance = clock_tolerance
        self._client: Any = None
        self._arc: Any = None
        self._project: Any = None
        self._started: float | None = None
        self._started_at = ""

    def open(self) -> None:
        """Connect, choose the instrument, enable its channels, power the board."""
        self._connect()
        arc = self._arc
        try:
            arc.set_main_voltage(self._supply_v)
            arc.set_max_current(self._limits.max_ma / 1e3)
            for channel in (_CURRENT, _VOLTAGE, *_INPUTS):
                arc.enable_channel(channel, True)
            arc.set_main(True)
        except self._broken as error:
            raise MeterError(f"otii: {arc.name} refuses its settings ({_say(error)})") from None

    def start(self) -> None:
        """Start a recording in the Otii program's active project."""
        if self._project is None:
            raise MeterError("otii: not open; use it in a `with` statement")
        try:
            self._project.start_recording()
        except self._broken as error:
            raise MeterError(f"otii: no recording could be started ({_say(error)})") from None
        self._started, self._started_at = time.monotonic(), now()

    def stop(self) -> Recording:
        """Stop and fetch the samples; see `Meter.stop`."""
        if self._started is None:
            raise MeterError("otii: not started")
        elapsed_s, self._started = time.monotonic() - self._started, None
        try:
            recording = self._fetch()
        except self._broken as error:
            fault = f"the link broke ({_say(error)})"
            self._connect()
            try:
                recording = dataclasses.replace(self._fetch(), fault=fault)
            except self._broken as again:
                raise MeterError(
                    f"otii: {fault} and the samples couldn't be fetched ({_say(again)}); they lie "
                    "in the Otii program's project"
                ) from None
        if recording.fault is None:
            fault = shortfall(recording.duration_s, elapsed_s, self._clock_tolerance)
            recording = dataclasses.replace(recording, fault=fault)
        return finished(recording, self._limits)

    def close(self) -> None:
        """Take the board's power away and disconnect."""
        client, arc = self._client, self._arc
        self._client = self._arc = self._project = self._started = None
        if client is None:
            return
        try:
            if arc is not None:
                arc.set_main(False)
            client.disconnect()
        except self._broken:
            pass  # the link is gone, and with it what there was to close

    def _connect(self) -> None:
        module = extras.load("otii_tcp_client.otii_client")
        protocol = extras.load("otii_tcp_client.otii")
        connection = extras.load("otii_tcp_client.otii_connection")
        refused = extras.load("otii_tcp_client.otii_exception").Otii_Exception
        self._broken: tuple[type[Exception], ...] = (
            OSError,
            refused,
            connection.DisconnectedException,
        )
        client = module.OtiiClient()
        try:
            server = client.connect(host=self._host, port=self._port, try_for_seconds=0)
            self._client = client
            self._arc = self._choose(server.get_devices())
            try:
                self._project = server.get_active_project()
            except protocol.OtiiException:  # there is none
                self._project = server.create_project()
        except module.OtiiClientException as error:
            raise MeterError(
                f"otii: {_say(error)}; log in and reserve an Automation licence in the Otii program"
            ) from None
        except self._broken as error:
            raise MeterError(
                f"otii: no server at {self._host}:{self._port} ({_say(error)}); start the Otii "
                "program and its server"
            ) from None

    def _choose(self, devices: list[Any]) -> Any:
        meters = [device for device in devices if device.type in ("Arc", "Ace")]
        named = [device for device in meters if self._name in (None, device.name)]
        if len(named) == 1:
            return named[0]
        found = ", ".join(device.name for device in meters) or "none"
        raise MeterError(
            f"otii: {self._name or 'exactly one'} wanted, found: {found}; connect it in the Otii "
            "program or give its name"
        )

    def _fetch(self) -> Recording:
        arc = self._arc
        # Where the instrument is unplugged the samples until then are there all the same.
        connected = bool(arc.is_connected())
        self._project.stop_recording()
        taken = self._project.get_last_recording()
        if taken is None:
            raise MeterError("otii: the project holds no recording; start it again")
        current, start_s, interval_s = _analogue(taken, arc.id, _CURRENT)
        if not len(current):
            raise MeterError("otii: not a single sample was taken; is the instrument powered?")
        voltage, voltage_start_s, voltage_interval_s = _analogue(taken, arc.id, _VOLTAGE)
        time_s = start_s + interval_s * np.arange(len(current))
        measured = None
        if len(voltage):
            # The voltage comes at a lower rate: each current has the latest.
            index = np.floor((time_s - voltage_start_s) / voltage_interval_s + 1e-9).astype(int)
            measured = voltage[np.clip(index, 0, len(voltage) - 1)]
        logic = np.zeros(len(current), np.uint8)
        for bit, channel in enumerate(_INPUTS):
            logic |= _levels(taken, arc.id, channel, time_s).astype(np.uint8) << bit
        version = arc.get_version() if connected else {}
        return Recording(
            meter=self.name,
            device=f"Otii {arc.type} {arc.name}",
            firmware=str(version.get("fw_version", "unknown")),
            kind=self.kind,
            started_at=self._started_at,
            rate_hz=1 / interval_s,
            current_ma=1e3 * current,
            voltage_v=measured,
            supply_v=self._supply_v,
            logic=logic,
            fault=None if connected else "the instrument was disconnected",
        )


def _analogue(taken: Any, device_id: str, channel: str) -> tuple[NDArray[np.float64], float, float]:
    """Return a channel's values in A or V, the first one's time in s and their interval in s."""
    count = taken.get_channel_data_count(device_id, channel)
    if not count:
        return np.zeros(0), 0.0, 1.0
    data = taken.get_channel_data(device_id, channel, 0, count)
    return np.array(data["values"], np.float64), float(data["timestamp"]), float(data["interval"])


def _levels(
    taken: Any, device_id: str, channel: str, time_s: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Return a digital channel's level at each time; it is low before its first event."""
    count = taken.get_channel_data_count(device_id, channel)
    if not count:
        return np.zeros(len(time_s), bool)
    events = taken.get_channel_data(device_id, channel, 0, count)["values"]
    at = np.array([event["timestamp"] for event in events], np.float64)
    level = np.array([False] + [bool(event["value"]) for event in events])
    return level[np.searchsorted(at, time_s + 1e-9, side="right")]


def _say(error: Exception) -> str:
    """Return an error's text; the client's own errors keep theirs in `message`."""
    return str(getattr(error, "message", "") or error or type(error).__name__)
