"""What the app shared: the bench reads it as it was measured, and refuses what it isn't."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.apps.ui.profile.script import SHORT, Phone
from tests.apps.ui.profile.script import run as profile

from kilohear.bundle import Bundle, trimmed
from kilohear.errors import ConfigError, DataError
from kilohear_bench.app_results import read_result
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import app
from kilohear_bench.devices.app import SharedApp
from kilohear_bench.devices.choose import open_device
from kilohear_bench.report.write import write_report
from kilohear_bench.result import PROTOCOL
from kilohear_bench.run import run_bench
from kilohear_ui.profile import records
from kilohear_ui.profile.kept import ProfileFolder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of a finished profile, in the app's folder; read only."""
    file = profile(tmp_path_factory.mktemp("app"), Phone(), SHORT).over.file
    assert file is not None
    return file


def test_app_and_bench_are_of_one_protocol() -> None:
    assert records.PROTOCOL == PROTOCOL


def test_every_file_is_read_as_it_was_left(shared: Path) -> None:
    paths = list((shared.parent.parent / "bench").glob("*.json"))
    assert paths
    for path in paths:
        read = read_result(path)
        assert json.loads(path.read_text())["kept"]["step"] == read.kept.step
        for measurement in read.kept.measurements:
            if measurement.name.startswith("power_"):
                readings = measurement.conditions["readings"][read.kept.step]
                assert len(readings["current_ma"]) == len(readings["time_s"]) >= 4


@pytest.mark.parametrize("folder", [False, True])
def test_a_run_of_it_makes_a_report(shared: Path, tmp_path: Path, folder: bool) -> None:
    spec = f"app:{shared.parent.parent if folder else shared}"
    run = run_bench(BenchConfig(devices=(spec,)), tmp_path / "run", lambda _: None)
    page = write_report([tmp_path / "run"])
    (device,) = run.devices
    assert device.name.startswith("app-")
    assert (device.what["model"], device.what["system"]) == ("Pixel 8", "Android 14")
    assert [tested.rate_hz for tested in device.subjects] == [1000, 2000]
    assert device.name in page.read_text()
    with (tmp_path / "run" / "report.csv").open() as file:
        told = {(row["rate_hz"], row["quantity"]): row for row in csv.DictReader(file)}
    assert float(told["1000", "latency"]["median"]) == pytest.approx(20)
    assert int(told["1000", "latency"]["samples"]) == SHORT.windows
    for state, power_mw in (("idle", 400), ("microphone", 440), ("listening", 448)):
        assert float(told["2000", f"power_{state}"]["median"]) == pytest.approx(power_mw)
    assert {row["kind"] for key, row in told.items() if key[1] == "window_energy"} == {"measured"}
    joined = run.find("power_idle", "esc10-1khz executorch float32")
    assert joined is not None
    assert len(joined.conditions["readings"]) == SHORT.rounds


def test_a_packaged_app_s_trimmed_bundle_is_known_by_the_whole_one(tmp_path: Path) -> None:
    packaged = trimmed(Bundle.load("esc10-1khz"), "executorch", tmp_path / "esc10-1khz")
    config = dataclasses.replace(SHORT, bundles=(str(packaged.path),))
    file = profile(tmp_path / "app", Phone(), config).over.file
    with open_device(f"app:{file}", BenchConfig()) as phone:
        assert [tested.name for tested in phone.subjects()] == ["esc10-1khz executorch float32"]


def test_rates_and_bundles_choose(shared: Path) -> None:
    for config in (BenchConfig(rates_hz=(2000,)), BenchConfig(bundles=("esc10-2khz",))):
        with open_device(f"app:{shared}", config) as phone:
            assert [tested.bundle for tested in phone.subjects()] == ["esc10-2khz"]
            assert {step.name.split("/")[0] for step in phone.plan()} >= {"files", "energy"}
    with pytest.raises(DataError, match="none is of what was asked for"):
        SharedApp(f"app:{shared}", BenchConfig(rates_hz=(16000,))).__enter__()


def test_what_isn_t_finished_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    profile(tmp_path / "app", Phone(), SHORT, cancel_after_s=30)
    folder = ProfileFolder(tmp_path / "app")
    file, done = folder.write_zip(), len(folder.steps())
    with SharedApp(f"app:{file}", BenchConfig()) as phone:
        assert len(phone.plan()) == done
        assert phone.describe()["steps"].startswith(f"{done} of ")
    run_bench(BenchConfig(devices=(f"app:{file}",)), tmp_path / "run", lambda _: None)
    assert "power, idle" in write_report([tmp_path / "run"]).read_text()


def write_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ({}, "holds no result"),
        ({"profile.json": "{}"}, "holds no result"),
        ({"../bench/a.json": "{}", "/bench/b.json": "{}", "x/c.json": "{}"}, "holds no result"),
        ({"bench/a.json": '{"head": {"protocol": 1}}'}, "by protocol 1, this bench by"),
    ],
)
def test_a_zip_that_isn_t_the_app_s_is_refused(
    tmp_path: Path, files: dict[str, str], cause: str
) -> None:
    path = write_zip(tmp_path / "a.zip", files)
    with pytest.raises(DataError, match=cause):
        SharedApp(f"app:{path}", BenchConfig()).__enter__()
    assert list(tmp_path.iterdir()) == [path]


def test_a_zip_too_large_or_torn_is_refused(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / "torn.zip"
    torn.write_bytes(shared.read_bytes()[:-100])
    with pytest.raises(DataError, match="can't be unpacked"):
        SharedApp(f"app:{torn}", BenchConfig()).__enter__()
    monkeypatch.setattr(app, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="at most"):
        SharedApp(f"app:{shared}", BenchConfig()).__enter__()


def test_two_phones_in_one_folder_are_refused(shared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shared.parent.parent / "bench", tmp_path / "bench")
    path = sorted(folder.glob("*.json"))[3]
    path.write_text(path.read_text().replace('"model": "Pixel 8"', '"model": "Pixel 9"'))
    with pytest.raises(DataError, match="measured on Pixel 9, this is Pixel 8"):
        SharedApp(f"app:{tmp_path}", BenchConfig()).__enter__()


@pytest.mark.parametrize("spec", ["app", "app:", "app:nowhere.zip"])
def test_a_file_that_isn_t_there_is_named(spec: str) -> None:
    with pytest.raises(ConfigError, match="name what the app shared"):
        open_device(spec, BenchConfig()).__enter__()
