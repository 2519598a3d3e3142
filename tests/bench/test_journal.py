"""The journal: finished lines only, whatever a kill left behind them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DataError, KilohearError
from kilohear_bench import journal as module
from kilohear_bench.journal import Journal

ENTRIES = st.lists(st.dictionaries(st.text(max_size=8), st.integers()), max_size=5)


@given(entries=ENTRIES, torn=st.text(st.characters(exclude_characters="\n"), max_size=9))
def test_what_was_appended_is_read_and_what_is_torn_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, int]], torn: str
) -> None:
    journal = Journal(tmp_path_factory.mktemp("j") / "steps.jsonl")
    for entry in entries:
        journal.append(entry)
    with journal.path.open("a", encoding="utf-8", errors="surrogatepass") as file:
        file.write(torn)
    assert list(journal.read()) == entries
    journal.mend()
    journal.append({"last": 1})
    assert list(journal.read()) == [*entries, {"last": 1}]


def test_a_line_that_isnt_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("{}\nnonsense\n")
    with pytest.raises(DataError, match="line 2"):
        list(Journal(tmp_path / "j").read())


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(KilohearError, match=r"No space left.*kept"):
        Journal(tmp_path / "j").append({})
