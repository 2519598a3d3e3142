"""Which kind of system this is: the phones have microphones and runtimes of their own."""

from __future__ import annotations

import os
import sys
from typing import Literal


def system() -> Literal["android", "ios", "macos", "desktop"]:
    """Return the kind of system that Python runs on.

    CPython names the phones from 3.13 on; before, python-for-android and kivy-ios say so in the
    environment.
    """
    if sys.platform == "android" or "ANDROID_ARGUMENT" in os.environ:
        return "android"
    if sys.platform == "ios" or os.environ.get("KIVY_BUILD") == "ios":
        return "ios"
    return "macos" if sys.platform == "darwin" else "desktop"
