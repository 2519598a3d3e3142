"""Downloads that go on where they broke off, are verified, and unpack whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from kilohear.errors import DataError
from kilohear_training.data.kitchen20 import write_table

ATTEMPTS = 8
_BLOCK = 1 << 20
_TIMEOUT_S = 30.0

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip"
KITCHEN20_URL = "https://github.com/marc-moreaux/kitchen20/archive/refs/heads/master.zip"
TAU_RECORD = "https://zenodo.org/api/records/2589332"
"""Zenodo's description of the record: each file's address, size and md5."""


def get(name: str, root: Path, say: Callable[[str], None] = print) -> Path:
    """Download a named data set into `root`; gives its folder.

    Parts that arrived before are kept beside it, and the download goes on after them.

    Raises
    ------
    DataError
        Where the name is unknown, the folder is there already, the download fails or what
        arrived isn't what was published.
    """
    getters = {"esc50": _get_esc50, "kitchen20": _get_kitchen20, "tau2019-mobile": _get_tau}
    if name not in getters:
        raise DataError(f"data set {name!r} can't be downloaded; use one of {', '.join(getters)}")
    folder = root / name
    if folder.exists():
        raise DataError(
            f"{folder}: there already; look at it with `kilohear data check {name}`, or remove it "
            "to download it again"
        )
    getters[name](folder, say)
    return folder


def fetch(
    url: str,
    path: Path,
    checksum: str | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Download `url` to `path`, going on after what a broken try left in `path`.part.

    Parameters
    ----------
    checksum
        `md5:...` or `sha256:...`; None: the server's length is the only check.
    wait
        Called with the seconds between two tries.

    Raises
    ------
    DataError
        Where the server refuses, stays silent over all tries, or sends something else.
    """
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(path.name, total=None)

        def arrived(so_far: int, total: int | None) -> None:
            progress.update(task, completed=so_far, total=total)

        for attempt in range(1, ATTEMPTS + 1):
            try:
                _continue(url, part, arrived)
                break
            except urllib.error.HTTPError as error:
                if error.code < 500 or attempt == ATTEMPTS:
                    raise DataError(
                        f"{url}: the server says {error.code} {error.reason}; check the address, "
                        "or try later"
                    ) from None
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS:
                    have = part.stat().st_size if part.exists() else 0
                    raise DataError(
                        f"{url}: broke off {ATTEMPTS} times ({error}); {have:,} bytes are kept, "
                        "run again to go on after them"
                    ) from None
            wait(min(30.0, 2.0**attempt))
    if checksum is not None:
        _verify(url, part, checksum)
    part.replace(path)
    return path


def unpack(archive: Path, folder: Path, top: str | None) -> None:
    """Unpack a zip into `folder`, without its top folder.

    Parameters
    ----------
    top
        The folder in the archive whose content is wanted; None: its only one, whatever its name.

    Raises
    ------
    DataError
        Where it isn't a zip, or a name in it leads elsewhere.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise DataError(f"{archive}: holds {entry.filename!r}, which leads elsewhere")
                inner = name.parts[1:] if top is None or name.parts[0] == top else name.parts
                if entry.is_dir() or not inner:
                    continue
                path = folder.joinpath(*inner)
                path.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(entry) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive}: not a whole zip ({error}); remove it and run again") from None


def _continue(url: str, part: Path, arrived: Callable[[int, int | None], None]) -> None:
    """Ask for what is missing of a file and append it."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            # All of it is there, or another file's part: the checksum will tell.
            return
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server doesn't do parts
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as out:
            while block := response.read(_BLOCK):
                out.write(block)
                have += len(block)
                arrived(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"{have:,} of {total:,} bytes arrived")


def _verify(url: str, part: Path, checksum: str) -> None:
    method, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, method).hexdigest()
    if actual != expected:
        part.unlink()
        raise DataError(
            f"{url}: {method} of what arrived is {actual[:16]}..., published is "
            f"{expected[:16]}...; it was removed, run again"
        )


def _get_esc50(folder: Path, say: Callable[[str], None]) -> None:
    """GitHub makes archives anew and gives them no checksum: their table is checked by hand."""
    archive = fetch(ESC50_URL, folder.with_name("esc50.zip"))
    say("esc50: unpacking")
    with _appearing(folder) as made:
        unpack(archive, made, None)
        _need(made / "meta" / "esc50.csv", archive)
    archive.unlink()


def _get_kitchen20(folder: Path, say: Callable[[str], None]) -> None:
    archive = fetch(KITCHEN20_URL, folder.with_name("kitchen20.zip"))
    say("kitchen20: unpacking, and drawing folds that share no recording")
    with _appearing(folder) as made:
        unpack(archive, made, None)
        published = made / "published.csv"
        _need(made / "kitchen20.csv", archive).rename(published)
        write_table(published, made / "kitchen20.csv")
        # A second table beside ours would be taken for a list of recordings.
        published.rename(made / "published-folds.txt")
    archive.unlink()


def _get_tau(folder: Path, say: Callable[[str], None]) -> None:
    described = json.loads(
        fetch(TAU_RECORD, folder.with_name("tau2019-mobile.record.json")).read_text()
    )
    files = [file for file in described["files"] if file["key"].endswith(".zip")]
    archives: list[Path] = []
    for number, file in enumerate(files, start=1):
        say(f"tau2019-mobile: {file['key']}, {number} of {len(files)}")
        path = folder.with_name("tau2019-mobile.parts") / file["key"]
        archives.append(fetch(file["links"]["self"], path, file["checksum"]))
    say("tau2019-mobile: unpacking")
    with _appearing(folder) as made:
        for archive in archives:
            unpack(archive, made, "TAU-urban-acoustic-scenes-2019-mobile-development")
        _need(made / "evaluation_setup" / "fold1_train.csv", archives[-1])
    shutil.rmtree(folder.with_name("tau2019-mobile.parts"))
    folder.with_name("tau2019-mobile.record.json").unlink()


def _need(path: Path, archive: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"{archive}: holds no {path.name} where it should be; the publisher has changed its "
            "layout, unpack it by hand"
        )
    return path


class _appearing:  # noqa: N801 - a context manager, used as a verb
    """A temporary folder that becomes `folder` if all goes well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Path:
        self._made = Path(
            tempfile.mkdtemp(dir=self._folder.parent, prefix=f".{self._folder.name}.")
        )
        return self._made

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._made.chmod(0o755)
            self._made.rename(self._folder)
        else:
            shutil.rmtree(self._made)
