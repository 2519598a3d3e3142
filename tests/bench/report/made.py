"""A run as devices would make it: a host, a simulated board, a phone; seeded, nothing measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from kilohear.bundle import Kind, Precision
from kilohear_bench.accuracy import Prediction, clip_measurements
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome, Trace
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import Described, Run
from kilohear_bench.store import Store
from kilohear_bench.subject import Tested

RATES_HZ = (1_000, 2_000, 4_000, 8_000, 16_000)
AT = "2026-01-02T03:04:05+00:00"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
FOLDS = {1_000: 0.81, 2_000: 0.86, 4_000: 0.88, 8_000: 0.9, 16_000: 0.91}


def measurement(name: str = "latency", **changes: Any) -> Measurement:
    """A measurement of the host, changed as asked."""
    made = Measurement(
        name=name,
        subject="esc10-1khz onnx float32",
        samples=(1.0, 1.1, 1.3),
        unit="ms",
        kind="measured",
        device="host",
        meter="time.perf_counter_ns",
        versions={"onnxruntime": "1.32.0"},
        started_at=AT,
        conditions={"rate_hz": 1_000},
    )
    return dataclasses.replace(made, **changes)


def tested(rate_hz: int, runtime: str, precision: Precision) -> Tested:
    bundle = f"esc10-{rate_hz // 1000}khz"
    return Tested(
        name=f"{bundle} {runtime} {precision}",
        bundle=bundle,
        version="1.1.0",
        card_sha256="6afdc2b962b8973e282b85ce45b8a81da76126f923934af5ac768e484c0a3c64",
        trained_on="ESC-10",
        shipped_fit="all 5 folds of ESC-10",
        rate_hz=rate_hz,
        window_s=5.0,
        runtime=runtime,
        precision=precision,
    )


def students(device: str) -> tuple[Tested, ...]:
    """What each device runs."""
    if device == "host":
        return tuple(
            tested(rate_hz, runtime, precision)
            for rate_hz in (1_000, 2_000, 16_000)
            for runtime in ("executorch", "onnx")
            for precision in PRECISIONS
        )
    if device == "apollo3-simulator":
        return tuple(tested(rate_hz, "apollo3", "int8") for rate_hz in RATES_HZ)
    return tuple(tested(rate_hz, "executorch", "float32") for rate_hz in (1_000, 2_000, 16_000))


def host(random: np.random.Generator) -> list[Measurement]:
    made = []
    for student in students("host"):
        at = {"rate_hz": student.rate_hz}
        factor = (1 + student.rate_hz / 4_000) * (1.4 if student.precision == "int8" else 1)
        latency_ms = 0.6 * factor * (1 + 0.04 * random.standard_exponential(120))
        shared: dict[str, Any] = {"subject": student.name, "conditions": at}
        made += [
            measurement(samples=tuple(latency_ms.tolist()), **shared),
            measurement("file_size", samples=(296_872.0,), unit="bytes", **shared),
            measurement("peak_memory", samples=(4.2e7 * factor**0.2,), unit="bytes", **shared),
        ]
        if student.precision == "float32":
            folds = FOLDS[student.rate_hz] + 0.02 * random.standard_normal(5)
            card = at | {"dataset": "ESC-10", "note": "5 folds"}
            for metric in ("macro_accuracy", "macro_f1"):
                made.append(
                    measurement(
                        metric,
                        subject=student.name,
                        samples=tuple(folds.tolist()),
                        unit="fraction",
                        meter="card",
                        conditions=card,
                    )
                )
    return made


def board(random: np.random.Generator, fails: bool) -> list[Measurement]:
    made = []
    for student in students("apollo3-simulator"):
        hz = student.rate_hz
        simulated: dict[str, Any] = {
            "subject": student.name,
            "kind": "simulated",
            "device": "apollo3-simulator",
            "meter": "Unicorn",
            "conditions": {"rate_hz": hz},
        }
        modelled = simulated | {"kind": "modelled"}
        physical_ma = 0.42 + 0.55 * hz / 16_000
        span = {"rate_hz": hz, "low_ma": 0.9 * physical_ma, "high_ma": 1.3 * physical_ma}
        made += [
            measurement(samples=(60 + hz / 62, 61 + hz / 62), **simulated),
            measurement("wakes", samples=(0.95,), unit="1/s", **simulated),
            measurement("uart_share", samples=(0.011,), unit="fraction", **simulated),
            *(
                measurement(f"{what}_{stage}", samples=(count,), unit="1/s", **simulated)
                for what in ("instructions", "cycles")
                for stage, count in (
                    ("logmel", 40.0 * hz),
                    ("fft", 62.0 * hz),
                    ("student", 8e5 + 140.0 * hz),
                )
            ),
            measurement("cycles_paper_workload", samples=(50.0 * hz,), unit="1/s", **simulated),
            measurement(
                "current_physical",
                samples=(physical_ma,),
                unit="mA",
                **modelled | {"meter": "energy model, profile physical", "conditions": span},
            ),
            measurement(
                "current_paper",
                samples=(4.97 + 0.06 * hz / 1_000,),
                unit="mA",
                **modelled | {"meter": "energy model, profile paper"},
            ),
        ]
        right = 0.5 if fails and hz == 2_000 else FOLDS[hz]
        predictions = [
            Prediction(f"{true}-{i}.flac", true, true if random.random() < right else "rain")
            for i in range(40)
            for true in ("dog", "sneezing")
        ]
        made += clip_measurements(
            measurement(
                subject=student.name,
                kind="simulated",
                device="apollo3-simulator",
                conditions={
                    "rate_hz": hz,
                    "dataset": "ESC-10",
                    "note": "80 clips of fold 1",
                    "card_score": FOLDS[hz],
                },
            ),
            predictions,
            [p.predicted for p in predictions],
        )
    return made


def phone(random: np.random.Generator, energy_error: float) -> list[Measurement]:
    made = []
    for student in students("adb-example"):
        hz = student.rate_hz
        rails: dict[str, Any] = {
            "subject": student.name,
            "device": "adb-example",
            "meter": "power rails (ODPM) by Perfetto",
            "conditions": {"rate_hz": hz},
        }
        power_mw = 900 + 40 * random.standard_normal(10)
        time_s = (2.2 + hz / 1_500) / 1e3 * (1 + 0.1 * random.random(10))
        made += [
            measurement(samples=tuple((1e3 * time_s).tolist()), **rails),
            measurement(
                "instructions",
                samples=(2.1e7 + 3e3 * hz,),
                unit="1",
                **rails | {"kind": "simulated", "meter": "qemu's plugin"},
            ),
            *(
                measurement(f"power_{state}", samples=(mw, 1.02 * mw), unit="mW", **rails)
                for state, mw in (
                    ("idle", 120.0),
                    ("microphone", 171.0),
                    ("inference", 173.0 + hz / 900),
                )
            ),
            measurement(
                "window_energy",
                samples=tuple((power_mw * time_s * (1 + energy_error)).tolist()),
                unit="mJ",
                **rails,
            ),
            measurement("window_power", samples=tuple(power_mw.tolist()), unit="mW", **rails),
            measurement("window_time", samples=tuple(time_s.tolist()), unit="s", **rails),
            measurement("temperature", samples=(31.0, 31.5), unit="celsius", **rails),
        ]
    return made


def trace(student: Tested, random: np.random.Generator, kind: Kind = "measured") -> Trace:
    time_s = np.arange(0, 4, 0.001)
    window = (time_s % 1 > 0.8).astype(float)
    power_mw = 170 + 700 * window + 20 * random.standard_normal(len(time_s))
    columns = {"time_s": time_s, "power_mw": power_mw, "window": window}
    return Trace("power", student.name, student.rate_hz, kind, "power rails", columns)


def make_run(folder: Path, fails: bool = False, energy_error: float = 0.0) -> Run:
    """Write a run's folder as the store does, and return the run."""
    random = np.random.default_rng(0)
    made = {
        "host": host(random),
        "apollo3-simulator": board(random, fails),
        "adb-example": phone(random, energy_error),
    }
    what = {
        "host": {"cpu": "an example", "energy_meter": None},
        "apollo3-simulator": {"board": "Apollo3 Blue, simulated", "firmware": "0123456789ab"},
        "adb-example": {"model": "an example, nothing measured"},
    }
    devices = [Described(name, name, what[name], students(name), 3) for name in made]
    config = BenchConfig(devices=tuple(made), dataset="esc10", clips=80)
    with Store.begin(folder, config, devices) as store:
        for name, measurements in made.items():
            store.append(name, "all", Outcome(measurements))
            for i, student in enumerate(students(name)[:2]):
                power = [m for m in measurements if m.name == "power_idle"]
                mine = [m for m in power if m.subject == student.name]
                traces = [trace(student, random)] if mine else []
                step = dataclasses.replace(mine[0], samples=(120.0,)) if mine else None
                store.append(name, f"trace/{i}", Outcome([step] if step else [], traces))
        return store.finish({"adb-example": "adb-example: the cable was pulled"} if fails else {})
