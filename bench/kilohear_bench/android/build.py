"""The build: the runner for 64-bit ARM Linux, compiled once against ExecuTorch's aarch64 wheel.

A phone needs the runner that the NDK builds; `KILOHEAR_RUNNER` names its file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from kilohear.errors import BackendError
from kilohear.files import cache_root, sha256_of

NAMED = "KILOHEAR_RUNNER"
"""The environment variable that names a runner built elsewhere."""

LIBRARIES = tuple(
    f"libexecutorch{name}.so"
    for name in ("", "_kernels_optimized", "_kernels_quantized", "_backend_xnnpack", "_threadpool")
)

_PLATFORM = "manylinux_2_28_aarch64"
_PYTHON = "311"
"""The wheel's C++ libraries are the same for all Pythons; one is taken."""

_TIMEOUT_S = 600


@dataclasses.dataclass(frozen=True)
class Build:
    """A runner that can be pushed.

    Attributes
    ----------
    runner
        Its file.
    libraries
        What must lie beside it.
    """

    runner: Path
    libraries: tuple[Path, ...] = ()


def source() -> Path:
    """Return the folder of the runner's source.

    Raises
    ------
    BackendError
        Where this installation has none.
    """
    packaged = Path(__file__).with_name("source")
    checkout = Path(__file__).parents[2] / "android"
    for folder in (packaged, checkout):
        if (folder / "runner.cpp").is_file():
            return folder
    raise BackendError(
        f"the runner's source isn't in this installation ({packaged}); install kilohear again"
    )


def source_version() -> str:
    """Return the version that a runner of this source names: of its files' hashes, 16 digits."""
    folder = source()
    files = [*sorted(folder.glob("*.cpp")), *sorted(folder.glob("*.h"))]
    text = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_runner() -> Build:
    """Return the runner that `KILOHEAR_RUNNER` names, or else one for Linux, compiled here.

    Raises
    ------
    BackendError
        Where the named file isn't there, the wheel can't be fetched, or the compiler fails.
    """
    named = os.environ.get(NAMED)
    if named:
        if not Path(named).is_file():
            raise BackendError(f"{NAMED} names {named}, and there is no such file; build it first")
        return Build(Path(named))
    version = _installed()
    wheel = _wheel(version)
    folder = _made(
        f"runner-{source_version()}-{version}-{sha256_of(source() / 'Makefile')[:8]}",
        ("runner", f"EXECUTORCH={wheel}", f"EXECUTORCH_VERSION={version}"),
    )
    return Build(folder / "runner", tuple(wheel / "lib" / name for name in LIBRARIES))


def build_plugin() -> Path:
    """Return the plugin that counts instructions in QEMU, compiled here.

    Raises
    ------
    BackendError
        Where the compiler fails.
    """
    key = sha256_of(source() / "instructions.c")[:16]
    return _made(f"plugin-{key}", ("plugin",)) / "instructions.so"


def _installed() -> str:
    """Return the version of the installed ExecuTorch, with which bundles are checked."""
    try:
        return importlib.metadata.version("executorch").partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        raise BackendError(
            "executorch isn't installed, so the runner's version isn't known; run: pip install "
            "'kilohear[executorch]'"
        ) from None


def _cache() -> Path:
    folder = cache_root() / "android"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wheel(version: str) -> Path:
    """Return headers and libraries of the aarch64 wheel, fetched where they aren't cached."""
    kept = _cache() / f"executorch-{version}"
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
        fetch = [*(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")]
        fetch += ["--only-binary=:all:", "--platform", _PLATFORM, "--python-version", _PYTHON]
        _run([*fetch, "--dest", scratch, f"executorch=={version}"], "fetch the aarch64 wheel")
        (archive,) = Path(scratch).glob("*.whl")
        wanted = (
            "executorch/include/",
            "executorch/version.py",
            *(f"executorch/lib/{name}" for name in LIBRARIES),
        )
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(scratch, [n for n in wheel.namelist() if n.startswith(wanted)])
        says = (Path(scratch) / "executorch" / "version.py").read_text()
        if f'"{version}' not in says:
            raise BackendError(
                f"{archive.name}: says {says.strip()!r} and not {version}; clear pip's cache"
            )
        _keep(Path(scratch) / "executorch", kept)
    return kept


def _made(name: str, targets: Sequence[str]) -> Path:
    """Return the folder in the cache where `make` built its targets, built where it isn't there."""
    kept = _cache() / name
    if not kept.is_dir():
        with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
            built = Path(scratch) / "build"
            _run(["make", "-C", str(source()), f"BUILD={built}", *targets], f"make {targets[0]}")
            _keep(built, kept)
    return kept


def _keep(made: Path, kept: Path) -> None:
    """Move a finished folder into the cache; another process may have been first."""
    try:
        made.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def _run(command: Sequence[str], what: str) -> None:
    if shutil.which(command[0]) is None:
        raise BackendError(f"can't {what}: {command[0]} isn't installed; install it")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"can't {what}: not done in {_TIMEOUT_S} s; try again") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if "rror" in line] or lines[-1:]
        why = (errors or [f"status {done.returncode}"])[0].strip()
        raise BackendError(
            f"can't {what} ({why}); it needs make, gcc and g++-aarch64-linux-gnu, and pip's "
            f"registry once; or set {NAMED} to a runner that is built already"
        )
