"""Arrays that can be computed again: what is spoilt is said and taken as missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_array(
    path: Path,
    shape: tuple[int | None, ...] | None = None,
    report: Callable[[str], None] | None = None,
) -> NDArray[np.float32] | None:
    """Return the array in a .npy file, or None where it has to be computed again.

    That is where there is no file, or one that is unreadable, truncated, not finite or of another
    shape; the latter are said by `report`, else on standard error.

    Parameters
    ----------
    shape
        What it must have; None in it: any length.
    """
    if not path.is_file():
        return None
    try:
        array = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        problem = f"unreadable ({error})"
    else:
        fits = shape is None or (
            array.ndim == len(shape)
            and all(
                want is None or want == is_ for want, is_ in zip(shape, array.shape, strict=True)
            )
        )
        if fits and array.dtype == np.float32:
            return array
        problem = f"{array.dtype} of shape {array.shape}, expected float32 of {shape}"
    _say(f"{path}: {problem}; it is computed again", report)
    return None


def _say(line: str, report: Callable[[str], None] | None) -> None:
    if report is None:
        print(line, file=sys.stderr)
    else:
        report(line)
