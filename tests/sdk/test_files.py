"""Files: written whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kilohear.errors import KilohearError
from kilohear.files import replacing, sha256_of, write_bytes, write_text


def test_text_is_written_and_folders_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "né")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "né".encode()


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KilohearError, match=r"can't write here.*another output folder"):
        write_text(tmp_path / "file" / "new.txt", "text")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x", b"kilohear")
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"kilohear").hexdigest()
