"""The host: a plan that is the same twice, rounds A/B/A on one core, only unseen clips, energy."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bench.meters.fake_powercap import Powercap

from kilohear import backends
from kilohear.classifier import Classifier
from kilohear.errors import BackendError, BundleError, ConfigError, DataError
from kilohear.frontend import FrontEnd
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome
from kilohear_bench.devices import host as module
from kilohear_bench.devices.choose import open_device
from kilohear_bench.devices.host import INFERENCE_S, STRETCHES, Host
from kilohear_bench.latency import WINDOWS, noise, order_of
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.rapl import METER, Rapl
from kilohear_bench.result import finished
from kilohear_bench.run import RunStopped, resume_bench, run_bench


def silent(text: str) -> None:
    """Say nothing."""


@pytest.fixture
def bundles(bundle_factory: Callable[..., Path]) -> tuple[str, str]:
    """Two students, at 1 and at 2 kHz."""
    front_end = FrontEnd.preset("native", 2_000)
    second = bundle_factory("two", name="second", rate_hz=2_000, front_end=front_end)
    return str(bundle_factory("one")), str(second)


@pytest.fixture
def kept_fold(bundle_factory: Callable[..., Path], training_factory: Any) -> str:
    """A student of `mine` that kept fold 2."""
    return str(bundle_factory(training=training_factory({"dataset": "mine", "fold": 2}, "mine")))


def config(*paths: str, **options: Any) -> BenchConfig:
    return BenchConfig(bundles=paths, **{"memory": False, **options})


def measured(host: Host) -> list[Measurement]:
    """Take every step and return what a run makes of them."""
    return finished(m for step in host.plan() for m in step.measure().measurements)


def test_a_plan_is_the_same_twice_and_no_name_comes_again(
    bundles: tuple[str, str], labelled_csv: Path, kept_fold: str
) -> None:
    asked = config(*bundles, memory=True)
    with Host(asked) as one, Host(asked) as other:
        names = [step.name for step in one.plan()]
        assert names == [step.name for step in other.plan()]
        assert one.describe() == other.describe()
        assert one.subjects() == other.subjects()
    assert len(set(names)) == len(names) == 1 + WINDOWS + 2
    with Host(config(kept_fold, dataset=str(labelled_csv))) as host:
        assert [step.name for step in host.plan()][-1] == "clips/tiny-test onnx float32/0"


def test_what_it_says_of_itself_names_no_bundles_path(bundles: tuple[str, str]) -> None:
    with open_device("host", config(*bundles)) as host:
        described = host.describe()
        said = json.dumps([described, [vars(subject) for subject in host.subjects()]])
    assert not any(path in said for path in bundles)
    assert described["runtimes"].keys() == {"onnx"}
    assert (described["energy_meter"] is None) == bool(described["no_energy_because"])


def test_every_round_is_a_step_in_its_own_order_on_one_core(
    bundles: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    cores: list[set[int]] = []
    classify = Classifier.__call__

    def watched(self: Classifier, waveform: Any) -> Any:
        called.append(self.card.name)
        cores.append(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set())
        return classify(self, waveform)

    monkeypatch.setattr(Classifier, "__call__", watched)
    names = ["tiny-test", "second"]
    with Host(config(*bundles, warm_up=2)) as host:
        before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        steps = {step.name: step.measure for step in host.plan()}
        for i in (7, 8, 3):
            called.clear()
            outcome = steps[f"latency/{i}"]()
            assert called[-2:] == order_of(names, i)
            # the warm-up comes once, before the first round of a process, whichever it is
            assert len(called) == (9 if i == 7 else 3)
            assert [m.subject for m in outcome.measurements] == [s.name for s in host.subjects()]
        if before:
            assert all(core == {max(before)} for core in cores)
            assert os.sched_getaffinity(0) == before
        (latency, _) = outcome.measurements
        assert latency.conditions["cpu"] == (max(before) if before else None)


def test_steps_join_to_one_latency_with_a_sample_a_round(bundles: tuple[str, str]) -> None:
    with Host(config(*bundles, windows=31)) as host:
        parts = [step.measure() for step in host.plan() if step.name.startswith("latency/")]
    latencies = finished(m for part in parts for m in part.measurements)
    assert [m.subject for m in latencies] == ["tiny-test onnx float32", "second onnx float32"]
    for latency, rate_hz in zip(latencies, (1_000, 2_000), strict=True):
        own = [m for part in parts for m in part.measurements if m.subject == latency.subject]
        assert latency.samples == tuple(m.samples[0] for m in own)
        assert (latency.kind, latency.unit, latency.device) == ("measured", "ms", "host")
        conditions = latency.conditions
        assert (conditions["rate_hz"], conditions["threads"]) == (rate_hz, 1)
        assert conditions["order"] == "A/B/A"
        assert "onnx" in latency.versions
        assert noise(latency.samples).ratio > 0


def test_memory_files_and_the_cards_scores(bundle_path: Path) -> None:
    with Host(config(str(bundle_path), memory=True)) as host:
        steps = {step.name: step.measure for step in host.plan()}
        made = {
            m.name: m
            for name in ("files", "memory/tiny-test onnx float32")
            for m in steps[name]().measurements
        }
    assert made["file_size"].samples == ((bundle_path / "student.onnx").stat().st_size,)
    assert made["macro_accuracy"].samples == (0.89, 0.91)
    assert made["macro_accuracy"].meter == "card"
    memory = made["peak_memory"]
    assert memory.median > memory.conditions["before_loading_bytes"]
    assert all(m.device == "host" and m.conditions["rate_hz"] == 1_000 for m in made.values())


@pytest.mark.parametrize("batch", [1, 2, 20])
def test_only_unseen_clips_are_heard_and_scored_by_class(
    kept_fold: str, labelled_csv: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    with Host(config(kept_fold, dataset=str(labelled_csv))) as host:
        made = {m.name: m for m in measured(host)}
    assert "label_agreement" not in made
    accuracy = made["macro_accuracy"]
    heard = accuracy.conditions["clips_true_predicted"]
    assert list(heard) == ["3.wav", "4.wav", "5.wav"]
    assert heard["5.wav"] == ["quiet", "loud"]
    assert dict(zip(accuracy.conditions["classes"], accuracy.samples, strict=True)) == {
        "loud": 1.0,
        "quiet": 0.5,
    }
    assert accuracy.conditions["card_score"] == 0.9
    assert "fold 2" in accuracy.conditions["note"]
    assert str(labelled_csv.parent) not in json.dumps(accuracy.conditions)


def test_fewer_clips_are_heard_where_fewer_are_asked_for(
    kept_fold: str, labelled_csv: Path
) -> None:
    with Host(config(kept_fold, dataset=str(labelled_csv), clips=2)) as host:
        accuracy = next(m for m in measured(host) if m.name == "macro_accuracy")
    heard = accuracy.conditions["clips_true_predicted"]
    assert sorted(true for true, _ in heard.values()) == ["loud", "quiet"]
    assert "2 of them heard" in accuracy.conditions["note"]


def test_energy_is_idle_then_inference_then_idle(
    bundles: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "powercap").mkdir()
    powercap = Powercap(tmp_path / "powercap", (20.0, 10.0), 262_143_328_850)
    classify = Classifier.__call__

    def working(self: Classifier, waveform: Any) -> Any:
        powercap.pass_time(0.3, times=2.0)
        return classify(self, waveform)

    monkeypatch.setattr(Classifier, "__call__", working)
    with Host(config(*bundles), Rapl(powercap.root, powercap.clock, powercap.pass_time)) as host:
        assert host.describe()["energy_meter"] == METER
        energy = [step for step in host.plan() if step.name.startswith("energy/")]
        made = finished(m for step in energy for m in step.measure().measurements)
    assert len(energy) == 2 * STRETCHES
    for subject in ("tiny-test onnx float32", "second onnx float32"):
        of = {m.name: m for m in made if m.subject == subject}
        expected = {
            "power_idle": ("mW", 2 * STRETCHES, 30_000.0),
            "power_inference": ("mW", STRETCHES, 60_000.0),
            "window_energy": ("mJ", STRETCHES, 18_000.0),
            "window_power": ("mW", STRETCHES, 60_000.0),
            "window_time": ("s", STRETCHES, 0.3),
        }
        assert of.keys() == expected.keys()
        for name, (unit, samples, value) in expected.items():
            assert (of[name].unit, of[name].meter, of[name].kind) == (unit, METER, "measured")
            assert of[name].samples == pytest.approx([value] * samples, rel=1e-6)
        assert of["window_energy"].conditions["windows"] == math.ceil(INFERENCE_S / 0.3)
        assert np.mean(of["window_energy"].conditions["baseline_mw"]) == pytest.approx(30_000.0)


def test_without_a_meter_no_energy_is_planned(bundles: tuple[str, str]) -> None:
    with Host(config(*bundles)) as host:
        assert host.describe()["energy_meter"] is None
        assert "no RAPL" in host.describe()["no_energy_because"]
        assert not [step for step in host.plan() if step.name.startswith("energy/")]


def test_a_runtime_that_isnt_here_is_refused_naming_those_that_are(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "available", lambda: ("onnx",))
    with (
        pytest.raises(BackendError, match=r"no runtime abacus; it has onnx: pip install"),
        Host(config(str(bundle_path), runtimes=("abacus",))),
    ):
        pass
    monkeypatch.setattr(backends, "available", tuple)
    with pytest.raises(BackendError, match="no runtime at all"), Host(config(str(bundle_path))):
        pass


def test_rates_choose_bundles_and_one_that_none_has_is_refused(bundles: tuple[str, str]) -> None:
    with Host(config(*bundles, rates_hz=(2_000, 8_000))) as host:
        assert [s.rate_hz for s in host.subjects()] == [2_000]
    with (
        pytest.raises(BundleError, match=r"at 8,000 Hz; there are bundles at 1,000, 2,000 Hz"),
        Host(config(*bundles, rates_hz=(8_000,))),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "message"), [({"windows": 3}, "windows is 3"), ({"cpu": 4_096}, "core 4096")]
)
def test_wrong_options_are_refused(
    bundle_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message), Host(config(str(bundle_path), **options)):
        pass


def test_a_dataset_that_trained_is_refused_before_anything_runs(
    bundle_factory: Callable[..., Path],
    training_factory: Any,
    labelled_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("something ran")

    monkeypatch.setattr(Classifier, "__call__", fail)
    path = bundle_factory(training=training_factory({"dataset": "mine", "fold": None}, "mine"))
    out = tmp_path / "run"
    with pytest.raises(DataError, match="trained on mine"):
        run_bench(config(str(path), dataset=str(labelled_csv)), out, silent)
    assert not out.exists()


def test_a_stopped_run_goes_on_to_what_an_uninterrupted_one_gives(
    kept_fold: str, labelled_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(kept_fold, dataset=str(labelled_csv), max_drop=0.5)
    whole = run_bench(asked, tmp_path / "whole", silent)
    take_round = Host._round

    def stopping(self: Host, i: int) -> Outcome:
        if i == 17:
            raise BackendError("the runtime is gone")
        return take_round(self, i)

    with monkeypatch.context() as patched:
        patched.setattr(Host, "_round", stopping)
        with pytest.raises(RunStopped, match="the runtime is gone"):
            run_bench(asked, tmp_path / "stopped", silent)
    resumed = resume_bench(tmp_path / "stopped", silent)
    assert resumed.finished_at
    assert not resumed.failures

    def shape(m: Measurement) -> tuple[object, ...]:
        return m.name, m.subject, m.unit, m.meter, len(m.samples)

    assert [shape(m) for m in resumed.measurements] == [shape(m) for m in whole.measurements]
    assert resumed.find("macro_accuracy", "tiny-test onnx float32") is not None


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'moon'"):
        open_device("moon", BenchConfig())
