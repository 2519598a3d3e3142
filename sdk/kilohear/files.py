"""Files written whole or not at all: a temporary file, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import DiskFull, KilohearError
from kilohear.system import system

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: OSError) -> bool:
    """Whether an error says that no space is left."""
    return error.errno in _NO_SPACE


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed onto `path`.

    Raises
    ------
    DiskFull
        Where no space is left; `path` is then as it was.
    KilohearError
        Where the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        kind = DiskFull if is_full(error) else KilohearError
        raise kind(
            f"{path.parent}: can't write here ({error.strerror}); choose another output folder"
        ) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFull(
            f"{path}: can't be written ({error.strerror}); free some space and run again: what was "
            "there before is as it was"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode())


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write `array` to `path` as .npy, atomically."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getbuffer())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at `path` as lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(path: Path, names: Iterator[str] | tuple[str, ...]) -> dict[str, str]:
    """Return SHA-256 by relative name for files, and for every file in folders, under `path`."""
    hashes = {}
    for name in names:
        target = path / name
        files = sorted(target.rglob("*")) if target.is_dir() else [target]
        for file in files:
            if file.is_file():
                hashes[file.relative_to(path).as_posix()] = sha256_of(file)
    return hashes


def cache_root() -> Path:
    """Return the user's cache folder for kilohear."""
    named = os.environ.get("XDG_CACHE_HOME")
    # An iPhone's app may not write at the top of its home.
    usual = "Library/Caches" if system() == "ios" else ".cache"
    return (Path(named) if named else Path.home() / usual) / "kilohear"


def data_root() -> Path:
    """Return the folder of data sets: KILOHEAR_DATA, else in the user's cache folder."""
    named = os.environ.get("KILOHEAR_DATA")
    return Path(named) if named else cache_root() / "data"
