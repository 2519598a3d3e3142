import json

import pytest
import typer
from typer.testing import CliRunner

from kilohear.errors import ConfigError, DataError
from kilohear_bench.apollo3.rates import RATES
from kilohear_bench.board.cli import add_commands
from kilohear_bench.board.explain import (
    Counts,
    draw,
    explain,
    explained_drop,
    load_counts,
    sentences,
)
from kilohear_bench.meters.model import PARTS


def counted() -> dict:
    """A file of counts in which only the two ends differ by a million cycles of transforms."""
    rates = {}
    for rate_hz, rate in RATES.items():
        rates[str(rate_hz)] = {
            "effective_hz": rate.effective_hz,
            "pdm_clock_hz": rate.clock_hz,
            "cycles_per_s": {"capture": 1e5, "fft": 1e6 * rate_hz / 16000, "student": 1e6},
        }
    return {"kind": "simulated", "source": "firmware 0123", "rates": rates}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "counts.json"
    path.write_text(json.dumps(counted()))
    return path


def test_counts_are_read_highest_rate_first(path):
    counts = load_counts(path)
    assert list(counts.loads) == [16000, 8000, 4000, 2000, 1000]
    assert counts.loads[1000].cycles_per_s["student"] == 1e6
    assert counts.loads[1000].kind == "simulated"
    assert counts.paper_workload[16000] == 1.1e6


def test_the_papers_workload_is_taken_where_it_was_counted(path):
    content = counted()
    content["rates"]["16000"]["paper_workload_cycles_per_s"] = 7e5
    path.write_text(json.dumps(content))
    assert load_counts(path).paper_workload[16000] == 7e5


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("rates"),
        lambda content: content.update(kind="modelled"),
        lambda content: content["rates"]["1000"].update(cycles=1),
        lambda content: content["rates"]["1000"].pop("cycles_per_s"),
        lambda content: content["rates"].update({"fast": {}}),
        lambda content: content["rates"].clear(),
    ],
)
def test_other_files_are_refused(path, change):
    content = counted()
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError):
        load_counts(path)
    with pytest.raises(DataError):
        load_counts(path.with_name("none.json"))


def test_the_drop_is_cycles_times_current(path):
    drop = explained_drop(load_counts(path))
    # 0.9375 M cycles/s at 11.9 uA/MHz, of 300/50.6 - 300/59.6 mA.
    assert drop.arithmetic_ma == pytest.approx(0.9375 * 11.9e-3)
    assert drop.published_ma == pytest.approx(0.8953, abs=1e-4)
    assert drop.low_ma < drop.arithmetic_ma < drop.high_ma
    assert drop.share < 0.02


def test_a_drop_needs_both_ends():
    counts = load_counts()
    half = Counts(counts.kind, counts.source, counts.loads, {16000: 1.0})
    with pytest.raises(ConfigError, match="1000"):
        explained_drop(half)


def test_the_profiles_are_named_and_their_kind_is_said(path):
    explanation = explain(load_counts(path))
    text = "\n".join(sentences(explanation))
    for said in ("Profile paper", "Profile physical", "modelled", "nothing was measured", "1.2%"):
        assert said in text
    for estimate in explanation.physical:
        assert tuple(estimate.parts_ua) == PARTS


def test_the_command_shows_both_panels_and_draws(path, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra bench isn't installed")
    app = typer.Typer()
    add_commands(app)
    picture = tmp_path / "explain.png"
    call = ["board", "explain", "--counts", str(path), "--out", str(picture), "--constants"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    for said in ("profile paper", "profile physical", "published 5.93 mA", "microphone standard"):
        assert said in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_figure_is_the_same_each_time(path, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra bench isn't installed")
    explanation = explain(load_counts(path))
    draw(explanation, tmp_path / "a.png")
    draw(explanation, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
