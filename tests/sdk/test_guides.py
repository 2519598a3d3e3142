"""Guides for other languages: shapes are the card's, and the code is compiled, parsed and run."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kilohear import cli
from kilohear.bundle import Bundle, Card, Export, Parity, read_card, shipped
from kilohear.decimator import Decimator
from kilohear.errors import BundleError, KilohearError
from kilohear.guides import FILES, render, write_guide

HERE = Path(__file__).parent
COMMITTED = HERE.parents[1] / "sdk" / "guides"

ODD_LABELS = ('say "hi"', "cost $5 ${x}", "a\\b \\(c)", "Hähne ??/ 1")


@pytest.fixture
def card(card_factory: Callable[..., Card]) -> Card:
    """A card with a file for each phone."""
    parity = Parity(1, "made up", 1.0, 0.0, 0.0, "nothing")
    exports = (
        Export("student.pte", "executorch", "float32", 1_000, parity),
        Export("student.mlpackage", "coreml", "float16", 1_000, parity),
    )
    return dataclasses.replace(card_factory(), exports=exports, versions={"executorch": "1.2.3"})


@pytest.mark.parametrize("language", ["kivy", "kotlin", "swift"])
def test_the_committed_pages_are_those_of_the_shipped_student(language: str) -> None:
    card = read_card(shipped()["esc10-1khz"])
    for name in FILES[language]:
        assert (COMMITTED / language / name).read_text("utf-8") == render(language, name, card), (
            f"make it again: kilohear guide {language} --out sdk/guides/{language}"
        )


@pytest.mark.parametrize("language", FILES)
def test_shapes_rates_and_labels_are_the_cards(language: str, card: Card) -> None:
    other = dataclasses.replace(card, window_s=2.0, hop_s=0.25, labels=("cat", "dog", "owl"))
    text = "".join(render(language, name, other) for name in FILES[language])
    assert "<<" not in text.replace("<<<", "")
    for number in (1_000, 2_000, 250):
        assert re.search(rf"\b{number}\b", text)
    for label in other.labels:
        assert f'"{label}"' in text
    for label in card.labels:
        assert f'"{label}"' not in text


def test_a_bundle_without_a_file_for_the_phone_is_refused(
    card_factory: Callable[..., Card], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="holds no coreml file, which swift takes"):
        write_guide("swift", card_factory(), tmp_path)
    with pytest.raises(KilohearError, match="no guide for 'cobol'; there is one for kivy"):
        write_guide("cobol", card_factory(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_commands_write_once_and_overwrite_nothing_of_yours(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["guide", "c", "--bundle", str(bundle_path), "--out", str(tmp_path)]
    assert cli.main(command) == cli.main(command) == 0
    header = tmp_path / "kilohear_labels.h"
    text = header.read_text()
    other = tmp_path / "other"
    arguments = ["export", str(bundle_path), "--labels-only-header", "--out", str(other)]
    assert cli.main(arguments) == 0
    assert (other / header.name).read_text() == text
    header.write_text("mine")
    assert cli.main(command) == 2
    assert "exists and differs" in capsys.readouterr().err
    assert header.read_text() == "mine"


def test_the_header_is_c_and_its_labels_are_the_cards(card: Card, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is here")
    odd = dataclasses.replace(card, labels=ODD_LABELS)
    write_guide("c", odd, tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "kilohear_labels.h"\n'
        "int classes = KILOHEAR_CLASSES;\n"
        "const char *label(int i) { return kilohear_labels[i]; }\n"
    )
    library = tmp_path / "labels.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, tmp_path / "main.c", "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.label.restype = ctypes.c_char_p
    classes = ctypes.c_int.in_dll(loaded, "classes").value
    assert tuple(loaded.label(i).decode() for i in range(classes)) == ODD_LABELS


def test_the_swift_code_parses(card: Card) -> None:
    tree_sitter = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip("tree_sitter_swift")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    odd = dataclasses.replace(card, labels=ODD_LABELS)
    code = render("swift", "Kilohear.swift", odd)
    assert not parser.parse(code.encode()).root_node.has_error
    page = render("swift", "SWIFT.md", card)
    (example,) = re.findall(r"^ {7}let compiled.*?^ {7}\}\n", page, re.MULTILINE | re.DOTALL)
    assert not parser.parse(example.encode()).root_node.has_error
    assert parser.parse(code.replace("func", "fun", 1).encode()).root_node.has_error


LOOK = """
import runpy, sys
from kivy.app import App
from kivy.clock import Clock

def look(_seconds):
    seen.append(App.get_running_app().label.text)
    if "loud" in seen:
        App.get_running_app().stop()

seen = []
Clock.schedule_interval(look, 0.02)
Clock.schedule_once(lambda _seconds: App.get_running_app().stop(), 20)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
print(*seen, sep="\\n")
"""


def test_the_kivy_program_shows_what_it_hears(
    bundle_path: Path, recording_factory: Callable[..., Path], tmp_path: Path
) -> None:
    if importlib.util.find_spec("kivy") is None:
        pytest.skip("Kivy isn't here: pip install 'kilohear[ui]'")
    name = read_card(bundle_path).name
    code = render("kivy", "main.py", read_card(bundle_path))
    assert code.count(f'"{name}"') == 1
    (tmp_path / "main.py").write_text(code.replace(f'"{name}"', repr(str(bundle_path))))
    loud = recording_factory(0.5 * np.sin(0.16 * np.arange(16_000)))
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "main.py"), str(loud)],
        env={**os.environ, "SDL_VIDEODRIVER": "offscreen", "KIVY_HOME": str(tmp_path)}
        | {"KIVY_LOG_MODE": "PYTHON", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "loud", done.stdout + done.stderr


MAIN = """
package org.kilohear

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import phone.Phone

fun main(args: Array<String>) {
    if (args[0] == "labels") {
        File(args[1]).writeText(Card.LABELS.joinToString("\\n"))
    } else if (args[0] == "decimate") {
        val bytes = ByteBuffer.wrap(File(args[3]).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        val clip = FloatArray(bytes.remaining() / 4)
        bytes.asFloatBuffer().get(clip)
        val decimator = Decimator(args[1].toInt(), args[2].toInt())
        val heard = ArrayList<Float>()
        var at = 0
        var size = 1
        while (at < clip.size) {
            val block = clip.copyOfRange(at, minOf(at + size, clip.size))
            heard.addAll(decimator.push(block).toList())
            check(block.all { it == 0f })
            at += block.size
            size = size * 3 % 1009 + 1
        }
        val out = ByteBuffer.allocate(4 * heard.size).order(ByteOrder.LITTLE_ENDIAN)
        heard.forEach { out.putFloat(it) }
        File(args[4]).writeBytes(out.array())
    } else {
        Phone.reset()
        Phone.grantRates(listOf(16000, 48000))
        Phone.play("zeros 2, tone 3, zeros 1")
        Student(args[1]).use { student ->
            try {
                listen(student, { true }) { start, found ->
                    println("$start ${Card.LABELS[found.indices.maxBy { found[it] }!!]}")
                }
            } catch (error: IllegalStateException) {
                println(error.message)
            }
        }
        println("open: ${Phone.open}")
    }
}
"""


@pytest.fixture(scope="module")
def kotlin(tmp_path_factory: pytest.TempPathFactory, android_stubs: Path) -> Callable[..., str]:
    """Compile the guide of a card with odd labels beside stand-ins for Android; return its main."""
    compiler = shutil.which("kotlinc")
    if compiler is None:
        pytest.skip("kotlinc isn't here: install kotlin")
    folder = tmp_path_factory.mktemp("kotlin")
    classes = folder / "classes"
    card = _card_with(("quiet", "loud", ODD_LABELS[1]))
    (folder / "Kilohear.kt").write_text(render("kotlin", "Kilohear.kt", card))
    (folder / "Main.kt").write_text(MAIN)
    done = subprocess.run(
        [compiler, "-cp", android_stubs, folder / "Kilohear.kt", folder / "Main.kt", "-d", classes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    library = next(Path("/usr/share/java").glob("kotlin-stdlib.jar"))

    def run(*arguments: object) -> str:
        command = ["java", "-cp", f"{classes}:{android_stubs}:{library}", "org.kilohear.MainKt"]
        done = subprocess.run(
            [*command, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("granted_hz", "rate_hz"),
    [(8_000, 1_000), (16_000, 1_000), (48_000, 2_000), (44_100, 1_000), (1_000, 1_000)],
)
def test_kotlins_decimator_is_pythons(
    kotlin: Callable[..., str], tmp_path: Path, granted_hz: int, rate_hz: int
) -> None:
    clip = np.random.default_rng(0).uniform(-1, 1, granted_hz).astype(np.float32)
    clip.tofile(tmp_path / "in")
    kotlin("decimate", granted_hz, rate_hz, tmp_path / "in", tmp_path / "out")
    heard = np.fromfile(tmp_path / "out", "<f4")
    ours = Decimator(granted_hz, rate_hz).push(clip)
    assert len(heard) == len(ours) > 500
    np.testing.assert_allclose(heard, ours, atol=2e-6)


def test_kotlin_hears_a_stand_ins_microphone(kotlin: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "student.pte").write_text("loudness")
    lines = kotlin("listen", tmp_path / "student.pte").splitlines()
    heard = dict(line.split(" ", 1) for line in lines if line[0].isdigit())
    assert heard["0.0"] == "quiet"
    assert heard["1.0"] == "quiet"
    assert heard["2.5"] == heard["3.5"] == "loud"
    assert "the microphone is gone: error 0" in lines
    assert lines[-1] == "open: 0"  # let go of


def test_kotlins_labels_are_the_cards(kotlin: Callable[..., str], tmp_path: Path) -> None:
    kotlin("labels", tmp_path / "labels")
    assert (tmp_path / "labels").read_text("utf-8").splitlines()[2] == ODD_LABELS[1]


def _card_with(labels: tuple[str, ...]) -> Card:
    """A shipped card with other labels and the stand-ins' window of 1 s every 0.5 s."""
    card = Bundle.load("esc10-1khz").card
    return dataclasses.replace(card, labels=labels, window_s=1.0, hop_s=0.5)
