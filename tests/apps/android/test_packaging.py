"""What buildozer and python-for-android make of the app, by their own code, up to Gradle."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from android_app import hook
from android_app.stage import SUFFIXES
from PIL import Image
from tests.apps.android.conftest import ANDROID, APP, ROOT, Packaged
from tests.apps.packaged import run_packaged

import kilohear
from kilohear.backends.android import AAR
from kilohear.bundle import Bundle, shipped
from kilohear.capture.android_service import _NEEDED
from kilohear_ui.platform.android import SERVICE


def _named(element: ElementTree.Element, path: str) -> dict[str, ElementTree.Element]:
    return {each.attrib[f"{ANDROID}name"]: each for each in element.findall(path)}


def test_the_service_has_the_microphone_and_a_process_of_its_own(packaged: Packaged) -> None:
    services = _named(packaged.manifest, "application/service")
    assert list(services) == [SERVICE]
    service = services[SERVICE].attrib
    assert service[f"{ANDROID}foregroundServiceType"] == "microphone"
    assert service[f"{ANDROID}process"].startswith(":")
    java = packaged.text("src/main/java/org/kilohear/kilohear/ServiceEars.java")
    assert "class ServiceEars extends EarsService" in java
    assert "START_STICKY" in java
    assert '"serviceEntrypoint", "service.py"' in java
    assert '"serviceStartAsForeground", "true"' in java


def test_it_asks_for_what_listening_needs_and_can_send_nothing(packaged: Packaged) -> None:
    asked = set(_named(packaged.manifest, "uses-permission"))
    needed = {name for _, name in _NEEDED} | {"POST_NOTIFICATIONS"}
    assert asked == {f"android.permission.{name}" for name in needed}


def test_only_copies_made_for_sharing_are_opened_to_other_apps(packaged: Packaged) -> None:
    providers = _named(packaged.manifest, "application/provider")
    provider = providers["androidx.core.content.FileProvider"]
    assert provider.attrib[f"{ANDROID}exported"] == "false"
    assert provider.attrib[f"{ANDROID}grantUriPermissions"] == "true"
    assert provider.attrib[f"{ANDROID}authorities"] == "${applicationId}.files"
    [paths] = _named(provider, "meta-data").values()
    name = paths.attrib[f"{ANDROID}resource"].removeprefix("@xml/")
    opened = ElementTree.parse(packaged.folder / "src/main/res/xml" / f"{name}.xml").getroot()
    assert [(each.tag, each.attrib) for each in opened] == [
        ("cache-path", {"name": "shared", "path": "shared/"})
    ]


def test_nothing_is_backed_up_or_moved_to_another_phone(packaged: Packaged) -> None:
    [application] = packaged.manifest.findall("application")
    assert application.attrib[f"{ANDROID}allowBackup"] == "false"
    name = application.attrib[f"{ANDROID}dataExtractionRules"].removeprefix("@xml/")
    rules = ElementTree.parse(packaged.folder / "src/main/res/xml" / f"{name}.xml").getroot()
    for way in ("cloud-backup", "device-transfer"):
        kept = {each.attrib["domain"] for each in rules.findall(f"{way}/exclude")}
        assert kept == {"root", "file", "database", "sharedpref", "external"}
        assert not rules.findall(f"{way}/include")


def test_the_levels_are_those_that_the_parts_know(packaged: Packaged, p4a: Path) -> None:
    [levels] = packaged.manifest.findall("uses-sdk")
    least = int(levels.attrib[f"{ANDROID}minSdkVersion"])
    target = int(levels.attrib[f"{ANDROID}targetSdkVersion"])
    assert least == 24
    assert target >= max(since for since, _ in _NEEDED)
    recommended = (p4a / "recommendations.py").read_text()
    assert least >= int(re.findall(r"RECOMMENDED_NDK_API = (\d+)", recommended)[0])
    spec = (APP / "buildozer.spec").read_text()
    ndk = re.findall(r'RECOMMENDED_NDK_VERSION = "(\w+)"', recommended)[0]
    assert re.findall(r"^android\.ndk = (\w+)", spec, re.MULTILINE) == [ndk]
    assert re.findall(r"^android\.api = (\d+)", spec, re.MULTILINE) == [str(target)]


def test_executorch_is_the_version_that_the_bundles_were_exported_for(packaged: Packaged) -> None:
    gradle = packaged.text("build.gradle")
    assert f"implementation '{AAR}'" in gradle
    assert "implementation 'androidx.core:core:" in gradle
    assert "android.useAndroidX=true" in packaged.text("gradle.properties")
    for name in shipped():
        exported_by = Bundle.load(name).card.versions["executorch"]
        assert exported_by.partition("+")[0] == AAR.rpartition(":")[2]


def test_the_requirements_are_recipes_in_the_versions_that_are_pinned(p4a: Path) -> None:
    program = """
import sys
from pythonforandroid.bootstrap import Bootstrap
from pythonforandroid.build import Context
from pythonforandroid.graph import get_recipe_order_and_bootstrap
from pythonforandroid.recipe import Recipe
context = Context()
context.set_archs(["arm64-v8a"])
pins = dict(pin.split("==") for pin in sys.argv[1].split(","))
sdl2 = Bootstrap.get_bootstrap("sdl2", context)
recipes, modules, bootstrap = get_recipe_order_and_bootstrap(context, set(pins), sdl2)
assert set(pins) <= set(recipes), (pins, recipes)
assert bootstrap.name == "sdl2"
for name, version in pins.items():
    assert Recipe.get_recipe(name, context).version == version, (name, version)
assert "android" in recipes
assert Recipe.get_recipe("numpy", context).min_ndk_api_support <= 24
"""
    spec = (APP / "buildozer.spec").read_text()
    [requirements] = re.findall(r"^requirements = (.*)$", spec, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", program, requirements], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [installed] = [
        pin.partition("==")[2]
        for pin in tools["project"]["optional-dependencies"]["apps"]
        if pin.startswith("python-for-android==")
    ]
    year, month, day = map(int, installed.split("."))
    assert f"p4a.commit = v{year}.{month:02}.{day:02}\n" in spec
    kivy = tools["project"]["optional-dependencies"]["ui"]
    assert f"{requirements.split(',')[2]}" == kivy[0].lower()


def test_the_app_is_what_was_staged_and_nothing_else(packaged: Packaged) -> None:
    with tarfile.open(packaged.folder / "src/main/assets/private.tar") as archive:
        packed = {entry.name: entry.size for entry in archive if entry.isfile()}
    added = {"p4a_env_vars.txt", "sitecustomize.py"}
    staged = {
        file.relative_to(packaged.app).as_posix(): file.stat().st_size
        for file in packaged.app.rglob("*")
        if file.is_file()
    }
    assert {name: size for name, size in packed.items() if name not in added} == staged
    assert {Path(name).suffix for name in staged} <= set(SUFFIXES)
    spec = (APP / "buildozer.spec").read_text()
    [extensions] = re.findall(r"^source\.include_exts = (.*)$", spec, re.MULTILINE)
    assert tuple(f".{each}" for each in extensions.split(",")) == SUFFIXES


def test_its_words_and_pictures_are_there(packaged: Packaged) -> None:
    resources = packaged.folder / "src" / "main" / "res"
    names = []
    for values in ("values", "values-de"):
        root = ElementTree.parse(resources / values / "kilohear.xml").getroot()
        names.append([each.attrib["name"] for each in root])
    assert names[0] == names[1]
    assert (resources / "values" / "strings.xml").exists()
    for picture, size in (("icon", 512), ("icon_foreground", 432), ("icon_background", 432)):
        with Image.open(resources / "mipmap" / f"{picture}.png") as image:
            assert image.size == (size, size)


def test_the_version_is_the_sdks(packaged: Packaged) -> None:
    assert packaged.manifest.attrib[f"{ANDROID}versionName"] == kilohear.__version__


def test_another_manifest_than_the_hook_knows_is_refused() -> None:
    once = hook.with_provider("<manifest><application></application></manifest>")
    assert hook.with_provider(once) == once
    with pytest.raises(ValueError, match="python-for-android has changed"):
        hook.with_provider("<manifest/>")


def test_the_app_imports_without_what_only_the_command_needs(packaged: Packaged) -> None:
    program = """
import sys
missing = ("rich", "typer", "click", "onnxruntime", "soundfile", "sounddevice", "executorch")
for name in (*missing, "importlib.metadata", "torch", "scipy", "kilohear_training"):
    sys.modules[name] = None
sys.path.insert(0, ".")
import kilohear, kilohear_ui
from kilohear.bundle import Bundle, shipped
from kilohear_ui import app, screens
from kilohear_ui.platform.android import AndroidPlatform
for name, path in shipped().items():
    bundle = Bundle.load(path)
    assert [(e.runtime, e.precision) for e in bundle.card.exports] == [("executorch", "float32")]
    print(name, kilohear.__version__)
"""
    printed = run_packaged(program, packaged.app, packaged.folder)
    assert printed.split() == [word for n in shipped() for word in (n, kilohear.__version__)]
