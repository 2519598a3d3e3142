"""A phone by what its app shared: the files of a profile, from any phone, without a link to it.

The app runs the protocol on the phone itself and offers a zip to share; this reads it. The zip is
looked at as a stranger's: names lead nowhere, sizes are bounded.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Self

from kilohear.config import read_json
from kilohear.errors import ConfigError, DataError
from kilohear_bench.app_results import read_result, select
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome, Step, name_of
from kilohear_bench.measurement import Measurement
from kilohear_bench.subject import Tested

KIND = "app"
PROFILE = "profile.json"
"""What the app says of the whole profile."""
STEPS = "bench"
"""The folder of the steps, in a zip and in the app's own folder."""
MOST_BYTES = 100_000_000
MOST_FILES = 10_000
"""Of a zip, unpacked: a full profile has about 2 MB in 150 files."""


class SharedApp:
    """A phone by what its app shared; see `kilohear_bench.devices.Device`.

    Parameters
    ----------
    spec
        `app:FILE.zip`, or `app:FOLDER` with the same in it.
    config
        `bundles`, `runtimes` and `rates_hz` choose among the app's results.
    """

    def __init__(self, spec: str, config: BenchConfig) -> None:
        self._path, self._config = Path(spec.partition(":")[2]), config
        self._about: dict[str, Any] = {}
        self._results: dict[str, list[Measurement]] = {}
        self._subjects: list[Tested] = []

    @property
    def name(self) -> str:
        """`app`, with what the file's name says of the phone: two phones have two files."""
        file = self._path.name.removesuffix(".zip").removeprefix("kilohear-profile-")
        return name_of(f"{KIND}-{file}")

    def __enter__(self) -> Self:
        """Read what was shared.

        Raises
        ------
        ConfigError
            Where there is no such file.
        DataError
            Where it isn't what the app shares, or holds no result that was asked for.
        """
        with _unpacked(self._path) as folder:
            steps = folder / STEPS if (folder / STEPS).is_dir() else folder
            paths = sorted(path for path in steps.glob("*.json") if path.name != PROFILE)
            if not paths:
                raise DataError(
                    f"{self._path}: holds no result; press Profile in the app, let it finish a "
                    "step at least, and share its result"
                )
            files = [read_result(path) for path in paths]
            profile = read_json(folder / PROFILE) if (folder / PROFILE).is_file() else {}
        model = files[0].head.model
        self._results, self._subjects = select(files, self._config, model, self.name)
        told = profile if isinstance(profile, dict) else {}
        why = str(told.get("no_energy") or "not told").replace("_", " ")
        self._about = {
            "model": model,
            "system": told.get("system"),
            "energy": told.get("meter") or f"none ({why})",
            "steps": f"{len(files)} of {told.get('steps', 'an unknown number')}",
            "measured_by": f"the kilohear app {files[0].head.app} on the phone",
        }
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: what was read is in memory."""

    def describe(self) -> dict[str, Any]:
        """Return model, system, where energy comes from, and how many steps were shared."""
        return self._about

    def subjects(self) -> Sequence[Tested]:
        """Return what the app measured."""
        return self._subjects

    def plan(self) -> Sequence[Step]:
        """Return a step a result."""
        return [Step(name, partial(self._collected, name)) for name in self._results]

    def _collected(self, step: str) -> Outcome:
        return Outcome(self._results[step])


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Yield a folder with what was shared; what was unpacked is removed afterwards."""
    if not path.name or not path.exists():
        raise ConfigError(
            f"device app: {str(path)!r} isn't there; name what the app shared: --device "
            "app:kilohear-profile-MODEL-DATE.zip"
        )
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, path, Path(folder))
        except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
            raise DataError(
                f"{path}: can't be unpacked ({error}); share the result from the app again"
            ) from None
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
    """Unpack JSON files into `folder` and its folder of steps; whatever else there is stays out."""
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or size > MOST_BYTES:
        raise DataError(
            f"{path}: {len(entries):,} files of {size:,} bytes, a profile has at most "
            f"{MOST_FILES:,} of {MOST_BYTES:,}; share the result from the app again"
        )
    (folder / STEPS).mkdir()
    for entry in entries:
        place = PurePosixPath(entry.filename)
        inside = (folder if len(place.parts) == 1 else folder / STEPS) / place.name
        if place.suffix == ".json" and place.parts[:-1] in ((), (STEPS,)):
            inside.write_bytes(archive.read(entry))
