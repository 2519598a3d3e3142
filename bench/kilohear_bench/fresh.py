"""A fresh process: what is measured there owes nothing to what this one has loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from kilohear.errors import BackendError


def run_fresh(module: str, arguments: list[str], what: str, timeout_s: float) -> dict[str, Any]:
    """Run `python -m module arguments` and return the JSON object that it prints last.

    Raises
    ------
    BackendError
        Where the process fails or takes too long, naming `what` it was to measure.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise BackendError(
            f"{what}: the process that measures it took over {timeout_s:g} s; "
            "measure less, or on a machine that has less else to do"
        ) from None
    require_success(
        done,
        f"{what}: the process that measures it",
        "try kilohear classify with this bundle and runtime",
    )
    return json.loads(done.stdout.splitlines()[-1])


def require_success(done: subprocess.CompletedProcess[str], what: str, advice: str) -> None:
    """Raise BackendError with a failed process's last line."""
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise BackendError(f"{what} failed ({last}); {advice}")
