"""Assemble the folder that buildozer packages: `python stage.py`.

It holds main.py and service.py, the SDK and the screens without their commands, and the bundles
that ship, each with its card and the file that a phone runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# It is this checkout's SDK that is packaged, whichever is installed.
sys.path.insert(0, str(HERE.parent / "sdk"))

from kilohear_ui import staging  # noqa: E402

SUFFIXES = (*staging.SUFFIXES, ".pte")
"""`source.include_exts` of buildozer.spec."""


def stage(folder: Path) -> None:
    """Make `folder` anew; what was there before is gone once the new one is whole."""
    staging.stage(folder, [HERE / "main.py", HERE / "service.py"], "executorch")


if __name__ == "__main__":
    staging.from_shell(stage, HERE / "build" / "app", __doc__)
