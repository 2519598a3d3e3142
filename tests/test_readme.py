"""Every table of the README is the one that its committed results give."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kilohear.config import load_json
from kilohear_bench.board.config import SIMULATOR
from kilohear_bench.board.report import readme_table as board_table
from kilohear_bench.board.run import board_view
from kilohear_bench.peers import COVERING
from kilohear_bench.privacy.report import PrivacyRun
from kilohear_bench.report.host import markdown
from kilohear_bench.speed.part import load_parts
from kilohear_bench.speed.report import readme_table
from kilohear_bench.store import load_run
from kilohear_bench.table3 import Table3, make_rows
from kilohear_bench.table3 import markdown as table3
from kilohear_training.tables import read_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SOURCES = re.findall(r"<!-- from (\S+) -->\n(.*?)<!-- end -->", README, re.DOTALL)


def rows(text: str) -> list[str]:
    """Return the lines of a Markdown table."""
    return [line for line in text.splitlines() if line.startswith("|")]


def made_from(source: Path) -> str:
    """Return the Markdown that the project makes of a result file or folder."""
    if source.name == "run.json":
        return markdown(load_run(source.parent))
    if source.name == "speed":
        return readme_table(load_parts(source))
    if source.name == "apollo3":
        return board_table(board_view(load_run(source), SIMULATOR))
    if source.name == "privacy":
        board = board_view(load_run(source.parent / "apollo3"), SIMULATOR)
        privacy = load_json(PrivacyRun, source / "run.json")
        return table3(Table3(board, privacy, make_rows(board, privacy)))
    return read_table(source).markdown()


@pytest.mark.parametrize(("source", "text"), SOURCES, ids=[source for source, _ in SOURCES])
def test_tables_come_from_result_files(source: str, text: str) -> None:
    assert rows(text)
    assert rows(text) == rows(made_from(ROOT / source))


def test_there_are_tables() -> None:
    assert len(SOURCES) >= 2


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_yamnet_ratio_is_the_committed_one() -> None:
    said = re.search(r"\*\*([\d.]+) times\*\* as long", README)
    assert said is not None
    result = json.loads((ROOT / "bench" / "results" / "yamnet.json").read_text())
    assert {latency["kind"] for latency in result["latencies"]} == {"measured"}
    ratio = next(
        ratio
        for ratio in result["ratios"]
        if ratio["student"] == "esc10-1khz executorch float32" and ratio["peer"] == COVERING
    )
    assert float(said.group(1)) == round(ratio["paired"], 1)


def test_the_app_s_figures_are_the_committed_ones() -> None:
    said = re.search(
        r"\*\*(\d+) frames/s\*\* at 390x844 and (\d+) at 1280x800 .* percentile (\d+) and (\d+)\)"
        r".* screens take (\d+)% .* its own, ([\d.]+)%\..* from (\d+) to (\d+) MB, "
        r"the listener's from (\d+) to (\d+);",
        README,
    )
    assert said is not None
    result = json.loads((ROOT / "bench" / "results" / "app" / "app.json").read_text())
    assert result["kind"] == "measured"
    summary = result["summary"]
    phone, tablet = summary["every_frame_drawn"].values()
    settled = [each for each in result["as_for_a_person"] if each["at_s"] >= 60]
    first, last = settled[0], settled[-1]
    memory_mb = [
        each[f"{who}_rss_bytes"] / 1e6 for who in ("screens", "ears") for each in (first, last)
    ]
    figures = [
        *(each["frames_per_s_median"] for each in (phone, tablet)),
        *(each["frames_per_s_5th_percentile"] for each in (phone, tablet)),
        100 * summary["screens_cpu_share"],
        100 * summary["ears_cpu_share"],
        *memory_mb,
    ]
    assert [float(each) for each in said.groups()] == [
        round(figure, 1 if text.count(".") else 0)
        for figure, text in zip(figures, said.groups(), strict=True)
    ]
