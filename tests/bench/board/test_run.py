from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from kilohear.errors import ConfigError, DataError, RateError
from kilohear_bench.apollo3.microphone import Clip
from kilohear_bench.apollo3.rates import RATES, rate_of
from kilohear_bench.apollo3.reference import answer, heard
from kilohear_bench.board import physical
from kilohear_bench.board.config import BoardConfig
from kilohear_bench.board.explain import load_counts
from kilohear_bench.board.report import markdown, tables, terminal_table, write_report
from kilohear_bench.board.run import BoardRun, counts_of, run_board
from kilohear_bench.board.simulated import REST, STAGES
from kilohear_bench.board.students import board_students, bundle_of, held_out, image_of
from kilohear_bench.clips import Clip as Labelled
from kilohear_bench.devices.apollo3_simulator import Simulator
from kilohear_bench.meters import Recording


def quiet(_text: str) -> None:
    pass


def in_terminal(run: BoardRun) -> str:
    """Return the table in a terminal of 80 columns; nothing is cut off."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(terminal_table(run))
    assert "…" not in capture.get()
    return capture.get()


@pytest.fixture(scope="module")
def run() -> BoardRun:
    return run_board(BoardConfig(rates_hz=(16_000, 1_000), windows=1), quiet)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rates_hz": ()}, "0 rates"),
        ({"windows": 0}, "0 windows"),
        ({"arithmetic": "float16"}, "float16"),
        ({"device": "apollo3", "dataset": "esc10"}, "esc10"),
        ({"meter": "ppk2"}, "ppk2"),
    ],
)
def test_a_request_that_cannot_be_is_refused(settings: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        BoardConfig(**settings)


def test_an_unknown_rate_is_refused_naming_those_there_are() -> None:
    with pytest.raises(RateError, match=r"3,000 Hz.*16,000, 8,000"):
        BoardConfig(rates_hz=(3_000,))


def test_every_rate_has_a_student_of_its_rate_built_in() -> None:
    for rate_hz in RATES:
        bundle = bundle_of(f"esc10-{rate_hz // 1000}khz", rate_hz)
        assert image_of(bundle).rate_hz == bundle.card.rate_hz == rate_hz
        assert image_of(bundle).card_hash == bundle.card.identity.sha256


def test_work_is_simulated_and_current_modelled(run: BoardRun) -> None:
    kinds = {m.name.partition("_")[0]: m.kind for m in run.measurements}
    assert kinds.pop("current") == "modelled"
    assert set(kinds.values()) == {"simulated"}
    assert {m.conditions["rate_hz"] for m in run.measurements} == {16_000, 1_000}


def test_stages_take_what_their_rate_asks_for(run: BoardRun) -> None:
    def instructions(rate_hz: int, stage: str) -> float:
        return run.total(rate_hz, "instructions", (stage,))

    assert instructions(16_000, "decimator") < 1_000 < instructions(1_000, "decimator")
    assert instructions(16_000, "fft") > 5 * instructions(1_000, "fft")
    for rate_hz in (16_000, 1_000):
        for stage in (*STAGES, *REST):
            cycles = run.total(rate_hz, "cycles", (stage,))
            assert instructions(rate_hz, stage) <= cycles <= 3 * instructions(rate_hz, stage)
        duty = run.find("duty_cycle", rate_hz)
        assert duty is not None
        all_cycles = run.total(rate_hz, "cycles", (*STAGES, *REST))
        assert duty.mean == pytest.approx(all_cycles / 48e6)


def test_the_current_at_one_kilohertz_keeps_to_its_goal(run: BoardRun) -> None:
    current = run.find("current_physical", 1_000)
    assert current is not None
    assert current.conditions["low_ma"] < current.mean < current.conditions["high_ma"] < 1.0


def test_the_same_run_twice_counts_the_same(run: BoardRun) -> None:
    again = run_board(BoardConfig(rates_hz=(1_000,), windows=1), quiet)
    for stage in (*STAGES, *REST):
        first = run.find(f"instructions_{stage}", 1_000)
        second = again.find(f"instructions_{stage}", 1_000)
        assert first is not None
        assert second is not None
        if stage in ("logmel", "fft", "student"):  # others hold texts of other lengths: the time
            assert first.samples == second.samples


def test_counts_are_what_explain_reads(run: BoardRun, tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(counts_of(run)))
    counts = load_counts(file)
    assert list(counts.loads) == [16_000, 1_000]
    assert counts.loads[1_000].pdm_clock_hz == rate_of(1_000).clock_hz
    expected = run.total(1_000, "cycles", (*STAGES, *REST))
    assert counts.loads[1_000].total_cycles_per_s == pytest.approx(expected)


def test_the_counts_that_ship_are_of_the_firmware_that_ships(run: BoardRun) -> None:
    counts, fresh = load_counts(), counts_of(run)
    assert run.machine["firmware"] in counts.source
    for rate_hz in (16_000, 1_000):
        for stage in ("decimator", "logmel", "fft", "student"):
            shipped = counts.loads[rate_hz].cycles_per_s[stage]
            assert shipped == pytest.approx(
                fresh["rates"][str(rate_hz)]["cycles_per_s"][stage], rel=0.02, abs=100
            )


def test_the_report_says_its_kinds_and_fits_a_terminal(run: BoardRun, tmp_path: Path) -> None:
    write_report(run, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "run.json", "report.md", "counts.json", "work.png", "energy.png",
    }  # fmt: skip
    text = markdown(run)
    for title in tables(run):
        assert f"## {title}" in text
        assert "simulated" in title or "modelled" in title
    assert "mA" in in_terminal(run)


def test_a_reference_hears_silence_after_a_short_clip() -> None:
    clip = Clip(np.full(1_600, 0.25, np.float32), 16_000)
    samples = heard(clip, 1_000, 500)
    assert samples.shape == (500,)
    assert samples.dtype == np.int16
    assert np.all(samples[250:] == 0)
    assert np.abs(samples[:60]).max() > 8_000


def test_a_rate_without_a_kept_clip_is_refused(tmp_path: Path) -> None:
    clips = [Labelled(tmp_path / "a.wav", "dog", 99)]
    with pytest.raises(DataError, match="1,000 Hz kept a clip of esc10"):
        held_out(1_000, "esc10", clips)


@pytest.mark.data
def test_labels_of_real_clips_are_the_references(data_dir: Path) -> None:
    config = BoardConfig(rates_hz=(1_000,), windows=1, dataset="esc10", clips=6)
    run = run_board(config, quiet)
    labels, logits = run.find("label_agreement", 1_000), run.find("logit_agreement", 1_000)
    assert labels is not None
    assert logits is not None
    assert labels.samples == logits.samples == 6 * (1.0,)
    accuracy = run.find("macro_accuracy", 1_000)
    assert accuracy is not None
    assert accuracy.kind == "simulated"
    assert accuracy.subject == "esc10-1khz-fold1"
    assert "kept from training" in accuracy.conditions["note"]
    assert "6/6" in in_terminal(run)


def test_a_physical_board_is_timed_and_its_current_metered(monkeypatch) -> None:
    class Meter:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def start(self) -> None:
            self.started = True

        def stop(self) -> Recording:
            logic = np.zeros(3_000, np.uint8)
            logic[1_000:1_500] = 1
            return Recording(
                meter="ppk2", device="PPK2 of the test", firmware="1", kind="measured",
                started_at="2026-01-01T00:00:00+00:00", rate_hz=1_000.0,
                current_ma=np.where(logic, 3.0, 0.5), voltage_v=None, supply_v=3.0, logic=logic,
            )  # fmt: skip

    monkeypatch.setattr(physical, "open_meter", lambda _spec: Meter())
    with Simulator() as simulator:
        port = simulator.port
        config = BoardConfig(device=f"apollo3:{port}", rates_hz=(1_000,), windows=1, meter="ppk2")
        run = run_board(config, quiet)
    current, energy = run.find("current", 1_000), run.find("window_energy", 1_000)
    assert current is not None
    assert energy is not None
    assert current.samples == pytest.approx((0.5, 1.75, 0.5))
    assert energy.samples == pytest.approx((3.0 * 3.0 * 0.5 * 1e3,))  # mA V s -> uJ
    assert current.meter == "PPK2 of the test"
    assert run.find("cycles_student", 1_000) is not None
    assert port not in json.dumps(dataclasses.asdict(run.configuration))
    assert "measured" in next(iter(tables(run)))


def test_answer_is_the_label_of_the_highest_logit() -> None:
    image = image_of(bundle_of("esc10-1khz", 1_000))
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000 * 6)
    said = answer(Clip(noise.astype(np.float32), 16_000), image)
    assert said.label == image.labels[int(np.argmax(said.logits))]
    assert said.features.shape == (image.frames, image.bands)


def test_students_for_the_board_are_known_by_name() -> None:
    assert {"esc10-1khz", "esc10-4khz", "esc10-8khz", "esc10-16khz"} <= board_students().keys()


def test_bundles_that_cannot_all_be_flashed_are_refused() -> None:
    config = BoardConfig(rates_hz=(1_000,), bundles=("esc10-1khz", "esc10-1khz-fold1"))
    with pytest.raises(ConfigError, match=r"esc10-1khz-fold1 .* another bundle has that rate"):
        run_board(config, quiet)
    config = BoardConfig(rates_hz=(1_000,), bundles=("esc10-2khz",))
    with pytest.raises(ConfigError, match="no such rate"):
        run_board(config, quiet)


@pytest.mark.data
def test_a_student_is_never_scored_on_what_trained_it(data_dir: Path) -> None:
    said: list[str] = []
    config = BoardConfig(rates_hz=(1_000,), bundles=("esc10-1khz",), dataset="esc10")
    with pytest.raises(DataError, match="was trained on"):
        run_board(config, said.append)
    assert said == []  # before anything ran
