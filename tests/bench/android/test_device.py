"""The Android device on a stand-in: what it measures, and what it makes of each mishap."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from kilohear.bundle import Bundle, Kind
from kilohear.errors import BackendError, BundleError, ConfigError, KilohearError
from kilohear.listener import Listener
from kilohear_bench import run as run_module
from kilohear_bench.android import stand_in as stand_in_module
from kilohear_bench.android import thermals
from kilohear_bench.android.build import Build
from kilohear_bench.android.runner import FOLDER
from kilohear_bench.android.stand_in import STAND_IN, StandIn
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import DeviceLost, Outcome, android
from kilohear_bench.devices.android import BATCH, Android
from kilohear_bench.meters.android import Power
from kilohear_bench.run import RunStopped, resume_bench, run_bench

BUNDLE = "esc10-1khz"
CONFIG = BenchConfig(devices=("adb",), bundles=(BUNDLE,), windows=2)
INT8 = f"{BUNDLE} executorch int8"


@pytest.fixture(autouse=True)
def int8_only_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of the bundle is enough, and the quickest in QEMU."""
    every = android.subjects_at
    monkeypatch.setattr(
        android,
        "subjects_at",
        lambda *words: [s for s in every(*words) if s.export.precision == "int8"],
    )
    monkeypatch.setattr(thermals, "_LOOK_S", 0.0)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def device(said: list[str]) -> Android:
    return Android("adb", CONFIG, said.append, reconnect_s=0.0)


def take(device: Android, name: str) -> Outcome:
    (step,) = [step for step in device.plan() if step.name == name]
    return step.measure()


def counted(outcome: Outcome) -> tuple[float, ...]:
    (measurement,) = outcome.measurements
    assert measurement.name == "instructions"
    return measurement.samples


def once(command: str, do: Callable[[], object]) -> Callable[[str], None]:
    """Return a fault that does something at the first service that holds `command`."""
    left = [do]

    def fault(service: str) -> None:
        if command in service and left:
            left.pop()()

    return fault


def cut() -> None:
    raise ConnectionResetError


@pytest.fixture
def clips_csv(tmp_path: Path) -> Path:
    """Seven clips of two of the student's classes, at 8 kHz; one is longer than a window."""
    import soundfile

    folder, rows = tmp_path / "mine", ["filename,category,fold"]
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(7):
        noise = random.standard_normal(8_000 * (7 if i == 3 else 2))
        soundfile.write(folder / f"{i}.wav", 0.02 * (i + 1) * noise, 8_000)
        rows.append(f"{i}.wav,{('rain', 'dog')[i % 2]},1")
    table = folder / "mine.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_a_run_counts_instructions_and_labels_clips_as_the_host_does(
    stand_in: StandIn, clips_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, dataset=str(clips_csv), clips=6)
    monkeypatch.setattr(run_module, "open_device", Android)
    sent: list[int] = []

    def note(service: str) -> None:
        if "runner infer" in service:
            sent.append(stand_in.path(f"{FOLDER}/windows.f32").stat().st_size)

    stand_in.fault = note
    run = run_bench(config, tmp_path / "run", lambda _: None)
    by_name = {m.name: m for m in run.measurements}
    assert set(by_name) == {
        *("file_size", "instructions", "macro_accuracy", "macro_f1", "label_agreement")
    }
    counts = by_name["instructions"]
    assert (counts.kind, len(counts.samples)) == ("simulated", 2)
    assert max(counts.samples) - min(counts.samples) <= 0.002 * min(counts.samples)
    assert by_name["label_agreement"].mean == 1.0
    assert len(by_name["label_agreement"].samples) == 6
    heard = by_name["macro_accuracy"].conditions["clips_true_predicted"]
    assert set(heard) < {f"{i}.wav" for i in range(7)}
    assert all(m.conditions["rate_hz"] == 1_000 for m in run.measurements)
    assert run.failures == ()
    # Nothing above the student's rate was sent, and nothing stays.
    window = 4 * Bundle.load(BUNDLE).card.samples
    classifier = Bundle.load(BUNDLE).open("executorch", "int8")
    windows = sum(
        1 for clip in heard for _ in Listener(classifier, clips_csv.parent / clip).windows()
    )
    assert sum(sent) == (2 + windows) * window
    assert not stand_in.path(FOLDER).exists()


def test_a_phone_gives_times_memory_and_temperature(
    furnished: StandIn, device: Android, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = furnished.path("/system/build.prop")
    kept = [line for line in properties.read_text().splitlines() if STAND_IN not in line]
    properties.write_text("\n".join(kept) + "\n")
    with pytest.raises(ConfigError, match="windows is 2"), device:
        pass
    config = dataclasses.replace(CONFIG, windows=30, warm_up=1, power="none")
    rested: list[float] = []
    with Android("adb", config) as phone:
        assert [step.name for step in phone.plan()][-1] == f"windows/5/{INT8}"
        outcome = take(phone, f"windows/0/{INT8}")
        monkeypatch.setattr(android.time, "sleep", rested.append)
        phone._rest(INT8)
        assert rested == []
        phone._rest("another")
        assert rested == [config.cool_down_s]
    measured = {m.name: m for m in outcome.measurements}
    assert {m.kind for m in measured.values()} == {"measured"}
    assert set(measured) == {"latency", "peak_memory", "temperature"}
    assert len(measured["latency"].samples) == BATCH
    assert measured["temperature"].samples == (28.0, 28.0)


def test_a_step_that_lost_the_link_is_taken_again(
    furnished: StandIn, device: Android, said: list[str]
) -> None:
    with device:
        whole = counted(take(device, f"windows/0/{INT8}"))
        furnished.fault = once("runner infer", cut)
        assert counted(take(device, f"windows/0/{INT8}")) == whole
    assert ["link broke" in text for text in said] == [True]


def test_a_phone_that_stays_away_ends_the_device(furnished: StandIn, device: Android) -> None:
    def pull_cable() -> None:
        furnished.state = "absent"
        cut()

    with device:
        furnished.fault = once("runner infer", pull_cable)
        with pytest.raises(DeviceLost, match="not back within 0 s"):
            take(device, f"windows/0/{INT8}")


def test_a_run_that_lost_its_phone_goes_on_when_it_is_back(
    furnished: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_now(spec: str, config: BenchConfig) -> Android:
        return Android(spec, config, lambda _: None, reconnect_s=0.0)

    def pull_cable() -> None:
        furnished.state = "absent"
        cut()

    monkeypatch.setattr(run_module, "open_device", open_now)
    furnished.fault = once("runner infer", pull_cable)
    with pytest.raises(RunStopped, match=r"not back within 0 s.*kilohear bench resume"):
        run_bench(CONFIG, tmp_path / "run", lambda _: None)
    furnished.state = "device"
    run = resume_bench(tmp_path / "run", lambda _: None)
    assert run.finished_at is not None
    assert {m.name for m in run.measurements} >= {"file_size", "instructions"}


def test_where_qemu_takes_no_plugin_nothing_is_counted(
    build: Build, device: Android, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise BackendError("no compiler")

    monkeypatch.setattr(stand_in_module, "build_plugin", fail)
    with StandIn(tmp_path / "phone") as phone:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(phone.port))
        with device:
            assert "not counted: no compiler" in device.describe()["stand_in"]
            assert take(device, f"windows/0/{INT8}").measurements == ()


def test_a_step_during_which_the_phone_restarts_is_taken_again(
    furnished: StandIn, device: Android, said: list[str]
) -> None:
    with device:
        furnished.fault = once("runner infer", furnished.reboot)
        take(device, f"windows/0/{INT8}")
        assert ["restarted" in text for text in said] == [True]
        furnished.path(f"{FOLDER}/runner").unlink()  # some phones clear the folder at a start
        furnished.reboot()
        take(device, f"windows/0/{INT8}")


def test_a_step_during_which_the_phone_throttles_is_taken_again(
    furnished: StandIn, device: Android, said: list[str]
) -> None:
    looks: list[str] = []

    def cool(service: str) -> None:
        start(service)
        looks.append(service)
        if sum("thermalservice" in look for look in looks) > 4:
            furnished.throttle(0)

    with device:
        start = once("runner infer", lambda: furnished.throttle(2))
        furnished.fault = cool
        take(device, f"windows/0/{INT8}")
    assert sum("runner infer" in look for look in looks) == 2
    assert "throttled (thermal status 2)" in said[0]
    assert "waits" in said[1]


def test_a_phone_that_always_throttles_ends_the_device(furnished: StandIn, device: Android) -> None:
    measuring = False

    def throttle_in_every_step(service: str) -> None:
        nonlocal measuring
        if "thermalservice" in service:
            furnished.throttle(2 if measuring else 0)
        measuring = "runner infer" in service or (measuring and "thermalservice" not in service)

    with device:
        furnished.fault = throttle_in_every_step
        with pytest.raises(KilohearError, match="throttled"):
            take(device, f"windows/0/{INT8}")


def test_a_hot_phone_isnt_measured(
    furnished: StandIn, device: Android, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermals, "MOST_S", 0.0)
    with device:
        furnished.battery(celsius=45.5)
        with pytest.raises(KilohearError, match=r"at 45\.5 degrees Celsius, above 38"):
            take(device, f"windows/0/{INT8}")


def test_another_runner_is_refused_on_entry(
    stand_in: StandIn, device: Android, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "runner"
    other.write_text('#!/bin/sh\necho \'{"runner": "old"}\'\n')
    monkeypatch.setenv("KILOHEAR_RUNNER", str(other))
    with pytest.raises(KilohearError, match="of version 'old'"), device:
        pass
    assert not stand_in.path(FOLDER).exists()


def test_what_a_phone_cant_run_is_refused(stand_in: StandIn) -> None:
    with (
        pytest.raises(ConfigError, match="runs executorch, not onnx"),
        Android("adb", dataclasses.replace(CONFIG, runtimes=("onnx",))),
    ):
        pass
    with (
        pytest.raises(BundleError, match="no bundle listens at 3 Hz"),
        Android("adb", dataclasses.replace(CONFIG, rates_hz=(3,))),
    ):
        pass


@dataclasses.dataclass
class Source:
    """A power source by script, which notes what is asked of it."""

    name: ClassVar[str] = "rails"
    kind: ClassVar[Kind] = "measured"
    meter: ClassVar[str] = "by script"
    least_s: ClassVar[float] = 0.0
    asked: list[str] = dataclasses.field(default_factory=list)

    def check(self) -> None: ...

    def start(self) -> None:
        self.asked.append("start")

    def stop(self) -> Power:
        self.asked.append("stop")
        columns: dict[str, Any] = {"time_s": np.arange(2.0), "power_mw": np.full(2, 500.0)}
        return Power("measured", "by script", 2.0, 1_000.0, {"battery_celsius": [30.0]}, columns)

    def abort(self) -> None:
        self.asked.append("abort")


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source()
    monkeypatch.setattr(android, "choose_source", lambda *_, **__: source)
    monkeypatch.setattr(android, "STRETCH_S", 0.01)
    return source


def test_stretches_of_each_state_are_measured_there_and_back(
    furnished: StandIn, source: Source
) -> None:
    with Android("adb", dataclasses.replace(CONFIG, power="rails")) as device:
        steps = [step.name for step in device.plan() if step.name.startswith("energy")]
        states = [name.rpartition("/")[2] for name in steps]
        assert states == ["idle", "inference", "inference", "idle", "idle", "inference"]
        assert "libaaudio" in device.describe()["microphone"]
        outcomes = [take(device, name) for name in steps[:2]]
    assert source.asked == ["start", "stop", "start", "stop", "abort"]
    idle, inference = ({m.name: m for m in outcome.measurements} for outcome in outcomes)
    assert set(idle) == {"power_idle"}
    assert set(inference) == {"power_inference", "window_energy", "window_power", "window_time"}
    made = [*idle.values(), *inference.values(), *outcomes[1].traces]
    assert {m.kind for m in made} == {"simulated"}


def test_a_stretch_that_fails_leaves_no_source_running(furnished: StandIn, source: Source) -> None:
    with Android("adb", dataclasses.replace(CONFIG, power="rails")) as device:
        furnished.fault = once("runner idle", lambda: shutil.rmtree(furnished.path(FOLDER)))
        with pytest.raises(KilohearError, match="idle failed"):
            take(device, f"energy/0/{INT8}/idle")
        assert source.asked == ["start", "abort"]


def test_a_stand_in_has_no_energy_unless_it_is_named(furnished: StandIn, device: Android) -> None:
    with device:
        assert not [step for step in device.plan() if step.name.startswith("energy")]
        assert "no battery" in device.describe()["energy"]
