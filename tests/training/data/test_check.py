"""A check says what would spoil a comparison."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kilohear.cli import main
from kilohear_training.data.check import check


def copy_of(recordings: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(recordings.parent, folder)
    return folder / recordings.name


def test_a_sound_data_set_has_no_problems(recordings: Path) -> None:
    findings = check(str(recordings))
    assert findings.problems == ()
    assert findings.counts["hum"] == {1: 4, 2: 4, 3: 4}


def test_crossing_sources_absent_classes_and_bad_files_are_told(
    recordings: Path, tmp_path: Path
) -> None:
    table = copy_of(recordings, tmp_path)
    rows = table.read_text().splitlines()
    header, body = rows[0], rows[1:]
    # hum0 and hum1, of folds 1 and 2, now come from one source; fold 3 loses its tones.
    body = [row.replace(",hum1", ",hum0") if row.startswith("hum1.wav") else row for row in body]
    body = [row for row in body if not (row.startswith("tone") and ",3," in row)]
    table.write_text("\n".join([header, *body]) + "\n")
    (table.parent / "hum2.wav").write_bytes(b"not audio")
    findings = check(str(table))
    assert findings.crossing == ("hum0",)
    text = "\n".join(findings.problems)
    assert "1 sources lie in more than one fold, 'hum0'" in text
    assert "1 classes have no clips in fold 3: tone" in text
    assert "hum2.wav" in text


def test_the_command_fails_where_something_is_wrong(
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    assert main(["data", "check", str(recordings)]) == 0
    assert "fold 3" in capsys.readouterr().out
    assert main(["data", "check", "kitchen20"]) == 1
    assert "kilohear data get kitchen20" in capsys.readouterr().out
    assert main(["data", "check"]) == 0  # a survey of what is here
    assert "kilohear data get tau2019-mobile" in capsys.readouterr().out
