"""The shim over ExecuTorch's C++ libraries: compiled once for each wheel, kept in the user's cache.

The wheel's own bindings import torch: 400 MB and seconds. Its libraries need neither.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path

from kilohear.errors import BackendError, KilohearError
from kilohear.files import cache_root, replacing

SOURCE = Path(__file__).with_name("executorch_shim.cpp")
LIBRARIES = ("", "_kernels_optimized", "_kernels_quantized", "_backend_xnnpack", "_threadpool")
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 120


@cache
def library() -> ctypes.CDLL:
    """Return the shim, compiled where it isn't in the cache yet.

    Raises
    ------
    BackendError
        With the reason, where this machine can't compile or load it.
    """
    wheel = _wheel()
    if wheel is None:
        raise BackendError("the executorch package isn't installed")
    built = _built(wheel)
    if not built.is_file():
        _compile(wheel, built)
    try:
        shim = ctypes.CDLL(str(built))
    except OSError as error:
        raise BackendError(f"{built} can't be loaded ({error})") from None
    student = ctypes.c_void_p
    numbers, count = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int64)
    shim.kilohear_open.argtypes = [ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(student)]
    shim.kilohear_open.restype = ctypes.c_char_p
    shim.kilohear_run.argtypes = [student, numbers, ctypes.c_int64, numbers, count, count]
    shim.kilohear_run.restype = ctypes.c_char_p
    shim.kilohear_threads.restype = ctypes.c_uint32
    shim.kilohear_close.argtypes = [student]
    shim.kilohear_close.restype = None
    return shim


def may_work() -> bool:
    """Whether the shim is compiled already, or could be: a quick look, no compiling."""
    wheel = _wheel()
    return wheel is not None and (_built(wheel).is_file() or _compiler() is not None)


def _wheel() -> Path | None:
    """Return the installed package's folder without importing it: that would import torch."""
    spec = importlib.util.find_spec("executorch")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _built(wheel: Path) -> Path:
    """Return where the shim for this wheel and this source is kept."""
    # The wheel's own file: the package's metadata take longer than all else until the first result.
    version = (wheel / "version.py").read_bytes()
    parts = (SOURCE.read_bytes(), version, str(wheel).encode())
    return cache_root() / "executorch" / f"{hashlib.sha256(b'|'.join(parts)).hexdigest()[:16]}.so"


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))), None)


def _compile(wheel: Path, built: Path) -> None:
    import subprocess  # needed once, and slow to import

    compiler = _compiler()
    if compiler is None:
        raise BackendError(f"no C++ compiler is here ({', '.join(COMPILERS)}, or $CXX)")
    include, libraries = wheel / "include", wheel / "lib"
    command = [
        *(compiler, "-O1", "-w", "-shared", "-fPIC", "-std=c++17"),
        "-DC10_USING_CUSTOM_GENERATED_MACROS",
        f"-I{include}",
        f"-I{include}/executorch/runtime/core/portable_type/c10",
        *(str(SOURCE), "-o"),
    ]
    link = [
        *(f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-Wl,--no-as-needed"),
        *(f"-lexecutorch{name}" for name in LIBRARIES),
    ]
    try:
        with replacing(built) as temporary:
            done = subprocess.run(
                [*command, str(temporary), *link],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if "error" in line]
                why = (lines or [f"status {done.returncode}"])[0]
                raise BackendError(f"{compiler} can't compile {SOURCE.name} ({why})")
    except BackendError:
        raise
    except (KilohearError, OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{built} can't be made ({error})") from None
