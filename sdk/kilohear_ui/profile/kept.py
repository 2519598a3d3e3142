"""The folder that a profile leaves: what is on disk is whole, and a stopped profile goes on.

profile.json        what is said of the whole
bench/STEP.json     a finished step each, as the bench reads it
shared/*.zip        the newest profiles, to share
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import zipfile
from pathlib import Path

from kilohear.config import load_json, save_json, to_json
from kilohear.errors import ConfigError, DiskFull
from kilohear.files import replacing
from kilohear_ui.profile.records import PROTOCOL, Head, Kept, Profile, ResultFile, now

PROFILE = "profile.json"
STEPS = "bench"
SHARED = "shared"
MOST_ZIPS = 5
NEEDED_BYTES = 20_000_000
"""Free before a profile begins: a full one has about 2 MB, and its zip beside it."""


class ProfileFolder:
    """The current profile, and the zips of those before it.

    On an iPhone its `bench` is where `kilohear bench --device ios` looks: give the app's folder.

    Parameters
    ----------
    root
        Of the app.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def profile(self) -> Profile | None:
        """Return what is said of the current profile; None where there is none that can be read."""
        try:
            return load_json(Profile, self.root / PROFILE)
        except ConfigError:
            return None

    def steps(self) -> dict[str, Kept]:
        """Return the finished steps of the current profile, by name; another's don't count."""
        profile = self.profile()
        if profile is None:
            return {}
        kept = {}
        for path in sorted((self.root / STEPS).glob("*.json")):
            try:
                found = load_json(ResultFile, path).kept
            except ConfigError:  # not written by this version: the step is taken again
                continue
            if all(m.conditions.get("profile") == profile.began_at for m in found.measurements):
                kept[found.step] = found
        return kept

    def begin(self, profile: Profile) -> None:
        """Begin a profile; the steps of the one before are removed once the new one is on disk.

        Raises
        ------
        DiskFull
            Where too little space is free; what was there before is as it was.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if free < NEEDED_BYTES:
            raise DiskFull(
                f"{free / 1e6:.0f} MB are free, a profile needs {NEEDED_BYTES / 1e6:.0f} MB; free "
                "some space and start again: nothing was changed"
            )
        save_json(profile, self.root / PROFILE)
        for old in (self.root / STEPS).glob("*"):
            old.unlink()

    def keep(self, kept: Kept) -> None:
        """Keep a finished step; on return it is on disk."""
        profile = self._current()
        head = Head(
            protocol=PROTOCOL,
            app=profile.app,
            card_sha256=profile.subjects[kept.measurements[0].subject],
            model=profile.model,
        )
        save_json(ResultFile(head, kept), self.root / STEPS / f"{plain(kept.step)}.json")

    def finish(self) -> Path:
        """Say that all steps are there, and return the zip."""
        profile = self._current()
        if profile.finished_at is None:
            profile = dataclasses.replace(profile, finished_at=now())
            save_json(profile, self.root / PROFILE)
        return self.write_zip()

    def zip_path(self) -> Path:
        """Return where the current profile's zip lies, or will lie."""
        profile = self._current()
        name = f"kilohear-profile-{plain(profile.model)}-{plain(profile.began_at[:19])}.zip"
        return self.root / SHARED / name

    def write_zip(self) -> Path:
        """Write what is there of the current profile into a zip, atomically; return its path.

        The newest five zips are kept.
        """
        profile, path, steps = self._current(), self.zip_path(), self.steps()
        with (
            replacing(path) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            archive.writestr(PROFILE, to_json(profile))
            for name in steps:
                file = self.root / STEPS / f"{plain(name)}.json"
                archive.write(file, f"{STEPS}/{file.name}")
        zips = sorted(path.parent.glob("*.zip"), key=lambda file: file.stat().st_mtime_ns)
        for old in zips[:-MOST_ZIPS]:
            old.unlink(missing_ok=True)
        return path

    def _current(self) -> Profile:
        profile = self.profile()
        if profile is None:
            raise ConfigError(f"{self.root / PROFILE}: no profile was begun here; start one")
        return profile


def plain(text: str) -> str:
    """Return text as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "device"
