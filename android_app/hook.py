"""What python-for-android's packaging can't be told: the provider through which a file is shared.

Its releases have no option for an element inside `<application>`, so the manifest is changed after
it was made and before Gradle reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROVIDER = """\
    <provider android:name="androidx.core.content.FileProvider"
                  android:authorities="${applicationId}.files"
                  android:exported="false"
                  android:grantUriPermissions="true">
            <meta-data android:name="android.support.FILE_PROVIDER_PATHS"
                       android:resource="@xml/shared_paths" />
        </provider>
    </application>"""


def with_provider(manifest: str) -> str:
    """Return the manifest with the provider, once however often it is put in."""
    if PROVIDER in manifest:
        return manifest
    if manifest.count("</application>") != 1:
        raise ValueError("the manifest has not one </application>: python-for-android has changed")
    return manifest.replace("</application>", PROVIDER)


def after_apk_build(toolchain: Any) -> None:
    """Change the manifest; python-for-android calls this by its name."""
    path = Path(toolchain._dist.dist_dir) / "src" / "main" / "AndroidManifest.xml"
    path.write_text(with_provider(path.read_text(encoding="utf-8")), encoding="utf-8")
