"""Assemble what a phone's app is packaged from: its entry files, the SDK, the screens, bundles.

It runs on the machine that builds the app; no app holds it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kilohear.bundle import Bundle, Runtime, shipped, trimmed
from kilohear.errors import KilohearError

SUFFIXES = (".py", ".kv", ".json", ".png", ".ttf")
"""All that a phone needs of the packages; bundles bring what their runtime needs."""

LEFT_OUT = ("bundles", "guides", "cli.py", "staging.py", "tour.py", "witness.py")
"""Of a package: bundles come trimmed, and what only the command line needs stays here."""

_SDK = Path(__file__).resolve().parents[1]


def stage(folder: Path, entries: Sequence[Path], runtime: Runtime) -> None:
    """Make `folder` anew; what was there before is gone once the new one is whole.

    Parameters
    ----------
    folder
        What is packaged then.
    entries
        Files that Python is started with; they lie at its top.
    runtime
        The phone's: bundles hold their file for it and no other.

    Raises
    ------
    KilohearError
        Where it can't be written, or a bundle lacks the file.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise KilohearError(
            f"{folder}: can't be made ({error.strerror}); choose another folder"
        ) from None
    try:
        for entry in entries:
            shutil.copyfile(entry, temporary / entry.name)
        for file in _files():
            target = temporary / file.relative_to(_SDK)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        for name, path in shipped().items():
            trimmed(Bundle.load(path), runtime, temporary / "kilohear" / "bundles" / name)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        raise KilohearError(
            f"{folder}: can't be written ({error.strerror}); free some space or choose another"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def from_shell(stage: Callable[[Path], None], folder: Path, about: str | None) -> None:
    """Stage into what `--out` says, or into `folder`, and print how much that is."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, default=folder)
    folder = parser.parse_args().out.resolve()
    stage(folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    print(f"{folder}: {len(files)} files, {size_mb:.1f} MB")


def _files() -> Iterator[Path]:
    for package in (_SDK / "kilohear", _SDK / "kilohear_ui"):
        for file in sorted(package.rglob("*")):
            top = file.relative_to(package).parts[0]
            if file.suffix in SUFFIXES and top not in LEFT_OUT:
                yield file
