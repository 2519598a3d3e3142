"""Guides: what an app of one's own needs to run a bundle, made from its card."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from kilohear.bundle import Card, Export
from kilohear.errors import BundleError, KilohearError
from kilohear.files import write_text
from kilohear.polyphase import PASS_EDGE, STOP_DB

FILES = {
    "kivy": ("KIVY.md", "main.py"),
    "kotlin": ("KOTLIN.md", "Kilohear.kt"),
    "swift": ("SWIFT.md", "Kilohear.swift"),
    "c": ("kilohear_labels.h",),
}
"""What each guide consists of; templates of these names lie in a folder for each language."""

_RUNTIMES = {"kotlin": "executorch", "swift": "coreml"}


def write_guide(language: str, card: Card, folder: Path) -> list[Path]:
    """Write a guide's files for a bundle into a folder.

    Raises
    ------
    BundleError
        Where the bundle has no file that the language's runtime takes.
    KilohearError
        Where the language is unknown, the folder can't be written, or a file there differs: it
        isn't overwritten.
    """
    if language not in FILES:
        raise KilohearError(f"no guide for {language!r}; there is one for {', '.join(FILES)}")
    texts = {folder / name: render(language, name, card) for name in FILES[language]}
    for file, text in texts.items():
        if file.exists() and file.read_text("utf-8", errors="replace") != text:
            raise KilohearError(f"{file}: exists and differs; move it or choose another folder")
    for file, text in texts.items():
        write_text(file, text)
    return list(texts)


def render(language: str, name: str, card: Card) -> str:
    """Return one of a guide's `FILES`, filled in from the card."""
    template = Path(__file__).parent / language / f"{name}.in"
    values = _values(language, card)
    return re.sub(r"<<(\w+)>>", lambda found: values[found[1]], template.read_text("utf-8"))


def _values(language: str, card: Card) -> dict[str, str]:
    quoted: Callable[[str], str] = {
        "kivy": _json,
        "kotlin": _kotlin,
        "swift": _json,
        "c": _c,
    }[language]
    indent = 4 * " " if language == "c" else 8 * " "
    values = {
        "name": card.name,
        "version": card.version,
        "quoted_name": quoted(card.name),
        "quoted_version": quoted(card.version),
        "rate_hz": str(card.rate_hz),
        "samples": str(card.samples),
        "hop": str(round(card.hop_s * card.rate_hz)),
        "window_s": f"{card.window_s:g}",
        "hop_s": f"{card.hop_s:g}",
        "classes": str(len(card.labels)),
        "labels": ",\n".join(f"{indent}{quoted(label)}" for label in card.labels),
        "metric": card.scores[0].metric.replace("_", " ") if card.scores else "score",
        "label_list": ", ".join(card.labels),
        "executorch": card.versions.get("executorch", "").partition("+")[0],
        "pass_edge": str(PASS_EDGE),
        "stop_db": str(STOP_DB),
    }
    if language in _RUNTIMES:
        runtime = _RUNTIMES[language]
        exports = [export for export in card.exports if export.runtime == runtime]
        if not exports:
            raise BundleError(
                f"{card.name}: holds no {runtime} file, which {language} takes; export it again"
            )
        values["file"] = exports[0].file
        values["package"] = exports[0].file.rpartition(".")[0]
        values["runtime_version"] = card.versions.get(runtime, "")
        values["files"] = "\n".join(
            f"| `{e.file}` | {e.precision} | {e.bytes / 1e3:,.0f} | {_score(e, card)} |"
            for e in exports
        )
    return values


def _score(export: Export, card: Card) -> str:
    """Return a file's own score; a float32 file has the card's."""
    whole = card.scores[0] if card.scores and export.precision == "float32" else None
    score = export.score or whole
    return f"{score.value:.3f} ({score.kind})" if score else "not measured"


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _kotlin(text: str) -> str:
    return _json(text).replace("$", "\\$")


def _c(text: str) -> str:
    """Return a C string literal, UTF-8, all but plain ASCII as octal escapes."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
