"""Assemble the folder that Xcode copies into the app: `python stage.py`.

It holds main.py, the SDK and the screens without their commands, and the bundles that ship, each
with its card and its Core ML file.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# It is this checkout's SDK that is packaged, whichever is installed.
sys.path.insert(0, str(HERE.parent / "sdk"))

from kilohear_ui import staging  # noqa: E402


def stage(folder: Path) -> None:
    """Make `folder` anew; what was there before is gone once the new one is whole."""
    staging.stage(folder, [HERE / "main.py"], "coreml")


if __name__ == "__main__":
    staging.from_shell(stage, HERE / "build" / "app", __doc__)
