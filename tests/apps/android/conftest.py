"""Fixtures of the Android app's tests: the app as buildozer and python-for-android package it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tests.sdk.conftest import android_stubs, phone

ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "android_app"
STUBS = ROOT / "tests" / "sdk" / "android_stubs"
ANDROID = "{http://schemas.android.com/apk/res/android}"

__all__ = ["android_stubs", "phone"]

# These run in a process of their own that plays an Android app: see test_on_java.py.
collect_ignore_glob = [] if "ANDROID_ARGUMENT" in os.environ else ["test_android*.py"]


@dataclasses.dataclass(frozen=True)
class Packaged:
    """What is made before Gradle: python-for-android's folder of the app, ready for it."""

    folder: Path
    command: list[str]
    app: Path

    @property
    def manifest(self) -> ElementTree.Element:
        return ElementTree.parse(self.folder / "src" / "main" / "AndroidManifest.xml").getroot()

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()


@pytest.fixture(scope="session")
def p4a() -> Path:
    """The folder of python-for-android's own sources."""
    pytest.importorskip("buildozer", reason="run pip install 'kilohear[apps]'")
    package = pytest.importorskip("pythonforandroid", reason="run pip install 'kilohear[apps]'")
    return Path(package.__file__).parent


@pytest.fixture(scope="session")
def packaged(p4a: Path, tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """Package the app by buildozer's and python-for-android's own code, up to Gradle."""
    place = tmp_path_factory.mktemp("android_app")
    shutil.copytree(APP, place / "android_app", ignore=shutil.ignore_patterns("build"))
    (place / "sdk").symlink_to(ROOT / "sdk")
    here = place / "android_app"
    subprocess.run([sys.executable, "stage.py"], cwd=here, check=True, capture_output=True)
    command = _buildozer(here, place)
    folder = _distribution(p4a, place)
    _package(p4a, here, folder, command)
    return Packaged(folder, command, here / "build" / "app")


def _buildozer(here: Path, place: Path) -> list[str]:
    """Return the command by which buildozer would call python-for-android for the package."""
    program = f"""
import json, sys
from pathlib import Path
from buildozer import Buildozer
android = Buildozer("buildozer.spec", "android")
target = android.target
target.build_mode = "debug"
target._update_libraries_references = target._generate_whitelist = lambda dist_dir: None
seen = []
def take(command, **options):
    seen.append([*command, *target.extra_p4a_args])
    if len(seen) == 2:
        raise SystemExit
target._p4a = take
try:
    target.compile_platform()
    android.build_application()
    target.build_package()
finally:
    Path({str(place / "commands.json")!r}).write_text(json.dumps(seen))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        env={**os.environ, "HOME": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    created, packaged = json.loads((place / "commands.json").read_text() or "[]"), done.stderr
    assert len(created) == 2, done.stdout + packaged
    return created[1]


def _distribution(p4a: Path, place: Path) -> Path:
    """Lay out what python-for-android has after it compiled all recipes, without what it compiled.

    The folders are layered in the order of `Bootstrap.get_bootstrap_dirs`.
    """
    folder = place / "dist"
    for layer in ("common", "_sdl_common", "sdl2"):
        shutil.copytree(p4a / "bootstraps" / layer / "build", folder, dirs_exist_ok=True)
    tools = place / "sdk_of_android" / "build-tools" / "34.0.0"
    tools.mkdir(parents=True)
    (folder / "_python_bundle__arm64-v8a").mkdir()
    (folder / "libs" / "arm64-v8a").mkdir(parents=True)
    (folder / "project.properties").write_text("target=android-34\n")
    (folder / "local.properties").write_text(f"sdk.dir={place / 'sdk_of_android'}")
    (folder / "dist_info.json").write_text(
        json.dumps(
            {
                "bootstrap": "sdl2",
                "hostpython": sys.executable,
                "archs": ["arm64-v8a"],
                "ndk_api": 24,
            }
        )
    )
    (folder / "whitelist.txt").write_text("")
    return folder


def _package(p4a: Path, here: Path, folder: Path, command: list[str]) -> None:
    """Run the rest of python-for-android's `apk` in the folder: its build.py, then the hook."""
    program = """
import json, os, sys
from types import SimpleNamespace
from pythonforandroid import toolchain
from pythonforandroid.util import load_source
os.environ["P4A_BUILD_IS_RUNNING_UNITTESTS"] = "0"
command, here, folder = json.loads(sys.argv[1])
os.chdir(here)
seen = []
class Only(toolchain.ToolchainCL):
    _dist = SimpleNamespace(dist_dir=folder)
    def apk(self, args):
        self._fix_args(args)
        seen.append(args)
sys.argv = ["toolchain.py", *command]
client = Only()
os.chdir(folder)
build = load_source("build", os.path.join(folder, "build.py"))
build.parse_args_and_make_package([*seen[0].unknown_args, "--no-byte-compile-python"])
client.hook("after_apk_build")
client.hook("after_apk_build")
"""
    given = json.dumps([command, str(here), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", program, given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="session")
def app_classes(packaged: Packaged, p4a: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's Java and python-for-android's service, compiled against the stand-ins."""
    if importlib.util.find_spec("jnius") is None:
        pytest.skip("pyjnius isn't installed: run pip install 'kilohear[android]'")
    javac = shutil.which("javac")
    if javac is None:
        pytest.skip("javac isn't here: install default-jdk-headless")
    tmp_path = tmp_path_factory.mktemp("classes")
    names = re.findall(r'name="(\w+)"', (APP / "res" / "values" / "kilohear.xml").read_text())
    numbers = "".join(f"static final int {name} = {i};" for i, name in enumerate(names))
    resources = tmp_path / "R.java"  # Gradle makes it on a build
    resources.write_text(f"package org.kilohear.kilohear; class R {{ class string {{{numbers}}} }}")
    sources = [
        resources,
        *(file for file in STUBS.rglob("*.java") if file.name != "PythonService.java"),
        p4a / "bootstraps/common/build/src/main/java/org/kivy/android/PythonService.java",
        *(APP / "java").rglob("*.java"),
        packaged.folder / "src/main/java/org/kilohear/kilohear/ServiceEars.java",
    ]
    classes = tmp_path / "classes"
    subprocess.run([javac, "-nowarn", "-d", str(classes), *map(str, sources)], check=True)
    return classes
