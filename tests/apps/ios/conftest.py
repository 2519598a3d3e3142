"""Fixtures of the iOS app's tests: a phone by script, and kivy-ios's own template."""

from __future__ import annotations

from tests.sdk.conftest import iphone, toolbox

__all__ = ["iphone", "toolbox"]
