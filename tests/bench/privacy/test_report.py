"""The report is made of raw samples, tells kinds apart, and the committed one is its run's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.privacy.fake import FakeRecogniser

from kilohear.cli import main
from kilohear.config import load_json
from kilohear_bench.privacy import recogniser
from kilohear_bench.privacy.humans import read_answers
from kilohear_bench.privacy.report import (
    FIGURE,
    LISTENERS,
    PrivacyRun,
    make_run,
    markdown,
    rows,
    summary,
    write_report,
)
from kilohear_bench.privacy.run import configure, run_privacy
from kilohear_bench.privacy.speech import Utterance

WANTED = ((16_000, "decimator"), (1_000, "decimator"), (1_000, "soxr"))

RESULTS = Path(__file__).parents[3] / "bench" / "results" / "privacy"


@pytest.fixture
def run(corpus: list[Utterance], tmp_path: Path) -> PrivacyRun:
    fake = FakeRecogniser()
    config, lines = run_privacy(
        configure(WANTED, corpus, fake), corpus, fake, tmp_path / "run", lambda _: None
    )
    study = tmp_path / "study.csv"
    study.write_text(
        "clip,rate_hz,listener,transcript\n"
        "7-1-0000,1000,1,he could\n7-1-0000,1000,2,he\n8-2-0000,1000,1,\n"
    )
    return make_run(config, lines, read_answers(study, corpus), {"cpu": "made up"})


def test_scores_come_from_the_raw_samples(run: PrivacyRun) -> None:
    measured = [row for row in rows(run) if row.kind == "measured"]
    assert [(row.rate_hz, row.treatment) for row in measured] == [*WANTED, (1_000, "")]
    people = measured[-1]
    assert people.who == LISTENERS
    assert people.score is not None
    assert people.score.pooled.value == (3 + 4 + 6) / (5 + 5 + 6)
    assert (people.score.clips, people.score.transcripts) == (2, 3)
    assert all(row.stoi is not None for row in measured[:-1])


def test_no_column_mixes_kinds(run: PrivacyRun) -> None:
    heading, cells = summary(run)
    assert heading == (
        "rate",
        "WER, people (published)",
        "WER, fake (measured)",
        "WER, people (measured)",
    )
    assert cells[1] == ("2,000 Hz", "55.6%", "none", "none")
    assert cells[2][1] == "96.5%"


def test_a_report_is_written_and_read_back(run: PrivacyRun, tmp_path: Path) -> None:
    write_report(run, tmp_path / "run")
    read = load_json(PrivacyRun, tmp_path / "run" / "run.json")
    assert markdown(read) == (tmp_path / "run" / "report.md").read_text()
    assert (tmp_path / "run" / FIGURE).stat().st_size > 10_000


def test_the_command_runs_and_runs_again(
    corpus: list[Utterance],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(recogniser, "FasterWhisper", lambda model: FakeRecogniser())
    out = tmp_path / "out"
    arguments = ["privacy", "--speech", str(corpus[0].path.parents[2]), "--clips", "2"]
    arguments += ["--rate", "1000", "--out", str(out)]
    assert main(arguments) == 0
    lines = (out / "clips.jsonl").read_bytes()
    capsys.readouterr()
    study = tmp_path / "study.csv"
    study.write_text("clip,rate_hz,listener,transcript\n7-1-0000,1000,1,he could\n")
    assert main([*arguments, "--humans", str(study)]) == 0
    assert (out / "clips.jsonl").read_bytes() == lines
    said = capsys.readouterr().out
    assert "band-extension" in said
    assert "60.0 (60 to 60)" in said
    assert main([*arguments, "--rate", "2000"]) == 2
    assert "conditions" in capsys.readouterr().err


def test_the_committed_report_is_its_runs() -> None:
    run = load_json(PrivacyRun, RESULTS / "run.json")
    assert markdown(run) == (RESULTS / "report.md").read_text(encoding="utf-8")


def test_the_committed_run_says_what_it_should() -> None:
    """Understood at 16 kHz, hardly at 2, not at 1, by whatever decimator and after the attack."""
    run = load_json(PrivacyRun, RESULTS / "run.json")
    assert run.configuration.clips == 84
    rates = {
        (row.rate_hz, row.treatment): row.score.pooled.value
        for row in rows(run)
        if row.score is not None
    }
    assert len(rates) == 9
    assert rates[16_000, "decimator"] < 0.2
    assert min(rate for (rate_hz, _), rate in rates.items() if rate_hz == 2_000) > 0.75
    assert min(rate for (rate_hz, _), rate in rates.items() if rate_hz == 1_000) > 0.95
