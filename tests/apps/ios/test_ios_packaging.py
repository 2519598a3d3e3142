"""What kivy-ios makes of the app, by its own code, up to Xcode."""

from __future__ import annotations

import importlib.util
import os
import plistlib
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.apps.packaged import run_packaged

import kilohear
from kilohear.bundle import shipped
from kilohear_bench.ios.tool import APP, RESULTS
from kilohear_ui import staging

ROOT = Path(__file__).parents[3]
HERE = ROOT / "ios_app"
MAKEFILE = (HERE / "Makefile").read_text("utf-8")
RECIPES = re.findall(r"^RECIPES := (.*)$", MAKEFILE, re.MULTILINE)[0].split()

TOOLS = {
    "xcodebuild": 'echo "iOS 17.5 -sdk iphoneos17.5"\necho "iOS 17.5 -sdk iphonesimulator17.5"',
    "xcode-select": "echo /Applications/Xcode.app/Contents/Developer",
    "cython": "exit 1",
}
"""Stand-ins for what kivy-ios asks a Mac before it does anything."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `build/`, where kivy-ios takes the recipes for built; tools lie in `bin`."""
    for module in ("kivy_ios", "pbxproj", "cookiecutter"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} isn't here: pip install kivy-ios==2025.5.17")
    folder = tmp_path_factory.mktemp("build")
    (folder / "bin").mkdir()
    for name, script in TOOLS.items():
        tool = folder / "bin" / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return folder


def _run(folder: Path, *arguments: str) -> str:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(folder: Path) -> Path:
    """The Xcode project, made by kivy-ios and changed by prepare.py, twice."""
    (folder / "dist").mkdir(exist_ok=True)
    (folder / "dist" / "state.db").write_text(
        '{"python3.build_all": true, "kivy.build_all": true, "pyobjus.build_all": true}'
    )
    (folder / "app").mkdir()
    toolchain = "import sys; from kivy_ios.toolchain import main; sys.exit(main())"
    _run(folder, "-c", toolchain, "create", "kilohear", "app")
    project = folder / "kilohear-ios"
    _run(folder, str(HERE / "prepare.py"), str(project))
    once = (project / "kilohear.xcodeproj" / "project.pbxproj").read_bytes()
    _run(folder, str(HERE / "prepare.py"), str(project))
    assert (project / "kilohear.xcodeproj" / "project.pbxproj").read_bytes() == once
    return project


def test_the_recipes_are_found_and_numpy_is_the_version_that_the_sdk_was_tried_with(
    folder: Path,
) -> None:
    program = """
import sys
from kivy_ios.toolchain import Context, Graph, Recipe
context, graph = Context(), Graph()
names, seen = sys.argv[1:], set()
while names:
    name = names.pop()
    recipe = Recipe.get_recipe(name, context)
    graph.add(name, name)
    for depend in recipe.depends:
        graph.add(name, depend)
        if depend not in seen:
            names.append(depend)
    seen.add(name)
order = list(graph.find_order())
assert order.index("python3") < order.index("numpy")
assert set(sys.argv[1:]) <= set(order), order
versions = [Recipe.get_recipe(name, context).version for name in ("python3", "numpy", "kivy")]
print(*versions, Recipe.get_recipe("pyobjus==1.2.4", context).version)
"""
    said = _run(folder, "-c", program, *RECIPES)
    assert said.split()[-4:] == ["3.11.6", "1.24.4", "2.3.1", "1.2.4"]


def test_the_plist_is_the_templates_with_the_apps_own_keys(project: Path) -> None:
    plist = plistlib.loads((project / "kilohear-Info.plist").read_bytes())
    assert plist["CFBundleExecutable"] == "${EXECUTABLE_NAME}"  # of the template
    assert plist["UILaunchStoryboardName"] == "Launch Screen"
    assert plist["CFBundleShortVersionString"] == kilohear.__version__
    for key, value in _own().items():
        assert plist[key] == value, key


def test_the_project_holds_the_manifest_and_the_deployment_target(project: Path) -> None:
    text = (project / "kilohear.xcodeproj" / "project.pbxproj").read_text("utf-8")
    assert set(re.findall(r"IPHONEOS_DEPLOYMENT_TARGET = ([^;]+);", text)) == {"15.0"}
    assert "PrivacyInfo.xcprivacy in Resources" in text
    assert str(project.parent / "app") in text  # what is copied by each build
    manifest = (project / "PrivacyInfo.xcprivacy").read_bytes()
    assert manifest == (HERE / "PrivacyInfo.xcprivacy").read_bytes()


def test_the_icon_is_as_large_as_apple_wants_it_and_has_no_transparency(project: Path) -> None:
    from PIL import Image

    folder = project / "kilohear" / "Images.xcassets" / "AppIcon.appiconset"
    with Image.open(folder / "icon.png") as icon:
        assert (icon.size, icon.mode) == ((1024, 1024), "RGB")
    assert '"icon.png"' in (folder / "Contents.json").read_text()


def test_the_app_says_why_it_listens_and_goes_on_in_the_background() -> None:
    own = _own()
    assert "kept or sent anywhere" in own["NSMicrophoneUsageDescription"]
    assert own["UIBackgroundModes"] == ["audio"]
    assert own["UIFileSharingEnabled"]
    assert own["LSSupportsOpeningDocumentsInPlace"]


def test_the_bench_knows_the_app() -> None:
    assert _own()["CFBundleIdentifier"] == APP


def test_nothing_is_collected_and_reasons_are_apples() -> None:
    manifest = plistlib.loads((HERE / "PrivacyInfo.xcprivacy").read_bytes())
    assert manifest["NSPrivacyTracking"] is False
    assert manifest["NSPrivacyTrackingDomains"] == manifest["NSPrivacyCollectedDataTypes"] == []
    for used in manifest["NSPrivacyAccessedAPITypes"]:
        assert used["NSPrivacyAccessedAPIType"].startswith("NSPrivacyAccessedAPICategory")
        assert all(
            re.fullmatch(r"\w{4}\.1", why) for why in used["NSPrivacyAccessedAPITypeReasons"]
        )


def test_one_version_of_kivy_ios_is_named() -> None:
    texts = [HERE / "README.md", ROOT / ".github" / "workflows" / "ios.yml"]
    pins = [set(re.findall(r"kivy-ios==([\d.]+\d)", file.read_text("utf-8"))) for file in texts]
    assert pins == [{"2025.5.17"}] * 2


def test_the_staged_app_imports_without_what_only_the_command_needs(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "old").mkdir(parents=True)
    staging.stage(folder, [HERE / "main.py"], "coreml")
    program = """
import sys, types
missing = ("rich", "typer", "click", "onnxruntime", "soundfile", "sounddevice", "coremltools")
for name in (*missing, "importlib.metadata", "torch", "scipy", "kilohear_training"):
    sys.modules[name] = None
fake = types.ModuleType("subprocess")  # as kivy-ios's main.m does
fake.PIPE = fake.STDOUT = fake.DEVNULL = fake.CompletedProcess = fake.check_output = None
fake.CalledProcessError = Exception
sys.modules["subprocess"] = fake
sys.path.insert(0, ".")
import kilohear
from kilohear.bundle import Bundle, shipped
from kilohear_ui import app, screens
from kilohear_ui.platform.ios import IosPlatform
print(app.KilohearApp(platform=object()).name)
for name, path in shipped().items():
    bundle = Bundle.load(path)
    assert [(e.runtime, e.precision) for e in bundle.card.exports] == [("coreml", "float16")]
    print(name)
"""
    printed = run_packaged(program, folder, tmp_path, "-OO")
    name, *bundles = printed.split()
    assert bundles == list(shipped())
    # Kivy's folder of an app on iOS is ~/Documents and its name: the bench looks there.
    assert f"/Documents/{name}/bench" == RESULTS
    assert {each.name for each in folder.iterdir()} == {"main.py", "kilohear", "kilohear_ui"}


def _own() -> dict[str, Any]:
    return plistlib.loads((HERE / "Info.plist").read_bytes())
