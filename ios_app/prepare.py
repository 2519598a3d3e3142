"""Make kivy-ios's Xcode project the app's: `python prepare.py build/kilohear-ios`.

It needs pbxproj, which kivy-ios brings. Run twice, it changes nothing more.
"""

from __future__ import annotations

import argparse
import json
import plistlib
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The version is that of the SDK that is packaged.
sys.path.insert(0, str(HERE.parent / "sdk"))

import kilohear  # noqa: E402

NAME = "kilohear"
DEPLOYMENT_TARGET = "15.0"
"""The first iOS whose Core ML runs the bundles' .mlpackage."""

MANIFEST, ICON = "PrivacyInfo.xcprivacy", "icon.png"


def merged(template: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the Info.plist of kivy-ios's template with the app's own keys."""
    own = plistlib.loads((HERE / "Info.plist").read_bytes())
    return {
        **template,
        **own,
        "CFBundleShortVersionString": version,
        "CFBundleVersion": version,
    }


def prepare(project: Path) -> None:
    """Change an Xcode project as `toolchain create kilohear` makes it."""
    plist = project / f"{NAME}-Info.plist"
    template = plistlib.loads(plist.read_bytes())
    plist.write_bytes(plistlib.dumps(merged(template, kilohear.__version__)))
    shutil.copyfile(HERE / MANIFEST, project / MANIFEST)
    _put_icon(project / NAME / "Images.xcassets" / "AppIcon.appiconset")
    _change_project(project / f"{NAME}.xcodeproj" / "project.pbxproj")


def _put_icon(folder: Path) -> None:
    """Put one picture there, from which Xcode makes all sizes."""
    shutil.copyfile(HERE / ICON, folder / ICON)
    image = {"filename": ICON, "idiom": "universal", "platform": "ios", "size": "1024x1024"}
    contents = {"images": [image], "info": {"author": "xcode", "version": 1}}
    (folder / "Contents.json").write_text(json.dumps(contents, indent=2), encoding="utf-8")


def _change_project(path: Path) -> None:
    from pbxproj import XcodeProject  # pyright: ignore[reportMissingImports]

    project = XcodeProject.load(str(path))
    project.set_flags("IPHONEOS_DEPLOYMENT_TARGET", DEPLOYMENT_TARGET)
    if not project.get_files_by_path(MANIFEST):
        project.add_file(MANIFEST, force=False)
    project.save()


def main() -> None:
    """Prepare the project that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="kilohear-ios, as toolchain create makes it")
    prepare(parser.parse_args().project)


if __name__ == "__main__":
    main()
