"""Files: written whole or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kilohear.errors import KilohearError
from kilohear.files import cache_root, replacing, sha256_of, write_array, write_bytes, write_text


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


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from kilohear.errors import DiskFull
from kilohear.files import write_array
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_array(Path(sys.argv[1]), np.zeros(10_000))
except DiskFull as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_said_and_costs_nothing_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    write_array(path, np.arange(3.0))
    command = [sys.executable, "-c", FULL, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(path) in told
    assert "free some space and run again" in told
    np.testing.assert_array_equal(np.load(path), np.arange(3.0))
    assert [file.name for file in tmp_path.iterdir()] == ["array.npy"]


@pytest.mark.parametrize(("platform", "folder"), [("linux", ".cache"), ("ios", "Library/Caches")])
def test_the_cache_lies_where_the_system_wants_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, folder: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_root() == tmp_path / folder / "kilohear"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "named"))
    assert cache_root() == tmp_path / "named" / "kilohear"
