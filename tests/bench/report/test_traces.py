"""Traces: peaks survive being drawn, windows are found, a trace has a kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.report.made import make_run

from kilohear_bench.report.results import Source
from kilohear_bench.report.traces import envelope, trace_section, windows
from kilohear_bench.store import load_run


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 50))
def test_no_peak_is_lost(values: list[float], most: int) -> None:
    drawn = envelope(np.arange(len(values), dtype=float), np.asarray(values), most)
    assert 1 <= len(drawn) <= most
    assert min(low for _, low, _ in drawn) == min(values)
    assert max(high for _, _, high in drawn) == max(values)
    assert [at for at, _, _ in drawn] == sorted(at for at, _, _ in drawn)


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_every_window_is_marked(level: list[bool]) -> None:
    time_s = np.arange(len(level), dtype=float)
    found = list(windows(time_s, np.asarray(level, float)))
    marked = [any(start <= at < end or start == at for start, end in found) for at in time_s]
    assert marked[:-1] == level[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces") / "run"
    make_run(folder)
    return folder


def test_a_trace_is_what_its_step_measured(folder: Path) -> None:
    section = trace_section([Source(folder, load_run(folder))])
    assert [chart.kinds for chart in section.charts] == [("measured",)] * 2
    assert "esc10-1khz executorch float32, 1 kHz" in section.charts[0].title


def test_without_traces_the_section_says_what_would_be_needed(folder: Path) -> None:
    section = trace_section([Source(folder, load_run(folder).of("host"))])
    assert section.charts == ()
    assert "--meter" in section.absent
