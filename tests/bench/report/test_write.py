"""The files: written whole or not at all, all numbers with their kinds, nothing from elsewhere."""

from __future__ import annotations

import csv
import html.parser
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from tests.bench.report.made import make_run
from typer.testing import CliRunner

from kilohear.bundle import Kind
from kilohear.errors import ConfigError, KilohearError
from kilohear_bench.report import figures
from kilohear_bench.report.cli import report
from kilohear_bench.report.page import KINDS
from kilohear_bench.report.quantities import ReportError
from kilohear_bench.report.text import FIELDS
from kilohear_bench.report.write import write_report
from kilohear_bench.result import Run
from kilohear_bench.store import load_run

RESULTS = Path(__file__).parents[3] / "bench" / "results"
WRITTEN = ["accuracy_latency.png", "report.csv", "report.html", "report.md"]
VOID = ("meta", "link", "br", "hr", "img")


class Page(html.parser.HTMLParser):
    """Reads a page; what it opens it must close, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "evening"
    make_run(folder, fails=True)
    write_report([folder], privacy=RESULTS / "privacy")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_the_files_lie_in_the_runs_folder(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir() if p.name in WRITTEN) == WRITTEN
    assert not list(folder.glob(".*"))


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes.get("aria-labelledby") or "" for _, attributes in page.tags]
    assert set(" ".join(named).split()) <= set(ids)
    inside = [a["href"] or "" for tag, a in page.tags if tag == "a"]
    assert {link[1:] for link in inside if link.startswith("#")} <= set(ids)


def test_nothing_comes_from_elsewhere_and_no_script_runs(folder: Path, page: Page) -> None:
    assert not {"script", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action"):
            link = attributes.get(name) or ""
            assert not re.match(r"(?!data:)\w+:|//", link)
    style = re.search(r"<style>(.*?)</style>", (folder / "report.html").read_text(), re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|@font-face", style[1])


def test_raw_files_are_linked(folder: Path, page: Page) -> None:
    links = {a["href"] or "" for tag, a in page.tags if tag == "a" and a["href"]}
    files = {link for link in links if not link.startswith("#")}
    assert {"run.json", "log.txt", "host/samples.csv"} <= files
    assert "adb-example/traces/trace-0-power.csv.gz" in files
    assert [link for link in files if not (folder / link).is_file()] == []


def test_tables_and_pictures_can_be_heard(page: Page) -> None:
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    pictures = [a for tag, a in page.tags if tag == "svg" and a.get("aria-hidden") != "true"]
    assert pictures
    assert all(
        a["role"] == "img" and len((a["aria-labelledby"] or "").split()) == 2 for a in pictures
    )


def test_the_legend_explains_every_kind(page: Page) -> None:
    assert set(KINDS) == set(get_args(Kind))
    assert all(meaning in page.words for meaning in KINDS.values())


def test_failures_are_loud(folder: Path, page: Page) -> None:
    words = " ".join(page.words)
    for failure in load_run(folder).failures:
        assert failure in words
        assert failure in (folder / "report.md").read_text()
    assert "the cable was pulled" in words
    assert "FAILED" in words


def test_every_heading_of_numbers_has_a_kind(folder: Path) -> None:
    headings = [
        line
        for line in (folder / "report.md").read_text().splitlines()
        if line.startswith(("| device", "| rate"))
    ]
    assert len(headings) == 4
    for heading in headings:
        for cell in heading.strip("| ").split(" | "):
            kind = re.search(r"\((\w+)\)$", cell)
            assert cell in ("device", "student", "rate", "source", "verdict") or (
                kind and kind[1] in get_args(Kind)
            )


def test_the_csv_has_a_line_a_measurement_from_its_samples(folder: Path) -> None:
    run = load_run(folder)
    with (folder / "report.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == FIELDS
    assert len(lines) == len(run.measurements)
    by_key = {(m.device, m.subject, m.name, m.kind, m.meter): m for m in run.measurements}
    for found in lines:
        device, subject, quantity = found["device"], found["subject"], found["quantity"]
        m = by_key[device, subject, quantity, found["kind"], found["meter"]]
        assert float(found["median"]) == pytest.approx(m.median)
        assert float(found["mean"]) == pytest.approx(m.mean)
        assert int(found["samples"]) == len(m.samples)
        assert found["unit"] == m.unit
        if found["low"]:
            assert float(found["low"]) <= float(found["high"])


def test_table_3_has_published_and_ours(folder: Path) -> None:
    table = (folder / "report.md").read_text().partition("## Table 3")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert "300 mAh last h (published)" in lines[0]
    assert "apollo3-simulator, profile physical h (modelled)" in lines[0]
    assert "word errors, faster-whisper tiny.en (measured)" in lines[0]
    assert lines[2].startswith("| 16,000 Hz | 50.6 | 309 (238 to 344) | 50.6 (+0.0) | 5.4% |")
    assert "97.6%" in lines[6]


def test_what_contradicts_itself_is_refused_and_nothing_written(tmp_path: Path) -> None:
    make_run(tmp_path / "run", energy_error=0.02)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ReportError, match=r"adb-example, .*mean power times time"):
        write_report([tmp_path / "run"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_broken_picture_doesnt_take_the_numbers_with_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("no scale")

    monkeypatch.setattr(figures, "latency_section", broken)
    monkeypatch.setattr("kilohear_bench.figure._panels", broken)
    text = write_report([folder], tmp_path).read_text()
    assert "drawn (ZeroDivisionError: no scale)" in text
    assert "Where the energy goes" in text
    assert "accuracy_latency.png" not in (tmp_path / "report.md").read_text()


def test_runs_of_several_folders_are_told_apart(folder: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "morning")
    text = write_report([folder, tmp_path / "morning"], tmp_path).read_text()
    assert "host (evening)" in text
    assert "host (morning)" in text
    link = re.search(r'href="([^"]*evening/run\.json)"', text)
    assert link is not None
    assert (tmp_path / link[1]).is_file()


def test_a_run_that_measured_nothing_yet_has_a_report(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run = load_run(folder)
    bare = Run(**{**vars(run), "measurements": (), "failures": (), "finished_at": None})
    from kilohear.config import save_json

    save_json(bare, tmp_path / "run" / "run.json")
    text = write_report([tmp_path / "run"]).read_text()
    assert Page(text).open == []
    assert "isn't finished" in text
    for needed in ("No student has an accuracy", "No device timed", "No trace was recorded"):
        assert needed in text


def test_the_command_says_where_it_wrote(folder: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(report)
    told = CliRunner().invoke(app, [str(folder), "--out", str(tmp_path / "there")])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "there" / "report.html").is_file()
    assert str(tmp_path / "there" / "report.html") in told.output.replace("\n", "")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        write_report([tmp_path])
    with pytest.raises(KilohearError):
        write_report([tmp_path / "nowhere"])
