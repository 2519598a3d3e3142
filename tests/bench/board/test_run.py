"""A board's part of a run: what its report, `kilohear board explain` and Table 3 read of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.bench.board.conftest import RATES_HZ, quiet

from kilohear.errors import ConfigError
from kilohear_bench.apollo3.microphone import Clip
from kilohear_bench.apollo3.rates import RATES, rate_of
from kilohear_bench.apollo3.reference import answer, heard
from kilohear_bench.board.config import SIMULATOR, WINDOWS
from kilohear_bench.board.explain import explain, load_counts
from kilohear_bench.board.report import (
    markdown,
    readme_table,
    tables,
    terminal_table,
    write_report,
)
from kilohear_bench.board.run import BoardRun, board_view, counts_of, interval_ma
from kilohear_bench.board.simulated import REST, STAGES
from kilohear_bench.board.students import board_students, bundle_of, image_of
from kilohear_bench.config import BenchConfig
from kilohear_bench.run import run_bench
from kilohear_bench.store import load_run


def in_terminal(run: BoardRun) -> str:
    """Return the table in a terminal of 80 columns; nothing is cut off."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(terminal_table(run))
    assert "…" not in capture.get()
    return capture.get()


def test_every_rate_has_a_student_of_its_rate_built_in() -> None:
    for rate_hz in RATES:
        bundle = bundle_of(f"esc10-{rate_hz // 1000}khz", rate_hz)
        assert image_of(bundle).rate_hz == bundle.card.rate_hz == rate_hz
        assert image_of(bundle).card_hash == bundle.card.identity.sha256


def test_work_is_simulated_and_energy_modelled(board: BoardRun) -> None:
    modelled = {m.name for m in board.measurements if m.kind == "modelled"}
    assert modelled == {
        "current_physical", "current_paper", "window_energy", "window_power", "window_time",
    }  # fmt: skip
    assert {m.kind for m in board.measurements} == {"simulated", "modelled"}
    assert board.rates_hz == RATES_HZ


def test_stages_take_what_their_rate_asks_for(board: BoardRun) -> None:
    def instructions(rate_hz: int, stage: str) -> float:
        return board.total(rate_hz, "instructions", (stage,))

    assert instructions(16_000, "decimator") < 1_000 < instructions(1_000, "decimator")
    assert instructions(16_000, "fft") > 5 * instructions(1_000, "fft")
    for rate_hz in RATES_HZ:
        for stage in (*STAGES, *REST):
            cycles = board.total(rate_hz, "cycles", (stage,))
            assert instructions(rate_hz, stage) <= cycles <= 3 * instructions(rate_hz, stage)
        duty = board.find("duty_cycle", rate_hz)
        assert duty is not None
        all_cycles = board.total(rate_hz, "cycles", (*STAGES, *REST))
        assert duty.mean == pytest.approx(all_cycles / 48e6)


def test_the_current_at_one_kilohertz_keeps_to_its_goal(board: BoardRun) -> None:
    current = board.find("current_physical", 1_000)
    assert current is not None
    low_ma, high_ma = interval_ma(current)
    assert low_ma < current.mean < high_ma < 1.0


def test_counts_are_what_explain_reads(board: BoardRun, tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(counts_of(board)))
    counts = load_counts(file)
    assert list(counts.loads) == list(RATES_HZ)
    assert counts.loads[1_000].pdm_clock_hz == rate_of(1_000).clock_hz
    expected = board.total(1_000, "cycles", (*STAGES, *REST))
    assert counts.loads[1_000].total_cycles_per_s == pytest.approx(expected)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> BoardRun:
    """A run of two rates with as many windows as a run has that doesn't say."""
    folder = tmp_path_factory.mktemp("usual") / "run"
    config = BenchConfig(devices=(SIMULATOR,), rates_hz=RATES_HZ)
    return board_view(run_bench(config, folder, quiet), SIMULATOR)


def test_the_counts_that_ship_are_what_a_run_gives(usual: BoardRun) -> None:
    counts, fresh = load_counts(), counts_of(usual)
    assert counts.source == fresh["source"]
    assert list(counts.loads) == list(RATES)
    for rate_hz in RATES_HZ:
        found, shipped = fresh["rates"][str(rate_hz)], counts.loads[rate_hz]
        # Another processor's sine may round a sample of the scene otherwise.
        assert shipped.cycles_per_s == pytest.approx(found["cycles_per_s"], rel=1e-3, abs=1)
        workload = counts.paper_workload[rate_hz]
        assert workload == pytest.approx(found["paper_workload_cycles_per_s"], rel=1e-3)


def test_windows_join_and_their_currents_mean_is_that_of_their_counts(
    usual: BoardRun, tmp_path: Path
) -> None:
    """The model is linear in what a window counts, so that windows may be modelled one by one."""
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(counts_of(usual)))
    for estimate in explain(load_counts(file)).physical:
        current = usual.find("current_physical", estimate.load.rate_hz)
        assert current is not None
        assert len(current.samples) == WINDOWS
        assert current.mean == pytest.approx(estimate.current_ma)
        assert interval_ma(current) == pytest.approx((estimate.low_ma, estimate.high_ma), rel=1e-3)


def test_the_report_says_its_kinds_and_fits_a_terminal(board: BoardRun, tmp_path: Path) -> None:
    write_report(board, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "report.md", "counts.json", "work.png", "energy.png",
    }  # fmt: skip
    text = markdown(board)
    for title in tables(board):
        assert f"## {title}" in text
        assert "simulated" in title or "modelled" in title
    assert "mA" in in_terminal(board)
    assert "1,000 Hz" in readme_table(board)


def test_what_a_stopped_run_has_is_shown(finished: Path, tmp_path: Path) -> None:
    run = load_run(finished)
    a_window = tuple(m for m in run.measurements if m.subject == run.subjects[0].name)[:26]
    stopped = board_view(dataclasses.replace(run, measurements=a_window), SIMULATOR)
    assert stopped.rates_hz == (16_000,)
    write_report(stopped, tmp_path)
    nothing = board_view(dataclasses.replace(run, measurements=()), SIMULATOR)
    assert "# Board report" in markdown(nothing)


def test_a_run_without_the_board_says_what_it_has(finished: Path) -> None:
    with pytest.raises(ConfigError, match=SIMULATOR):
        board_view(load_run(finished), "apollo3")


def test_a_reference_hears_silence_after_a_short_clip() -> None:
    clip = Clip(np.full(1_600, 0.25, np.float32), 16_000)
    samples = heard(clip, 1_000, 500)
    assert samples.shape == (500,)
    assert samples.dtype == np.int16
    assert np.all(samples[250:] == 0)
    assert np.abs(samples[:60]).max() > 8_000


def test_answer_is_the_label_of_the_highest_logit() -> None:
    image = image_of(bundle_of("esc10-1khz", 1_000))
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000 * 6)
    said = answer(Clip(noise.astype(np.float32), 16_000), image)
    assert said.label == image.labels[int(np.argmax(said.logits))]
    assert said.features.shape == (image.frames, image.bands)


def test_students_for_the_board_are_known_by_name() -> None:
    assert {"esc10-1khz", "esc10-4khz", "esc10-8khz", "esc10-16khz"} <= board_students().keys()
