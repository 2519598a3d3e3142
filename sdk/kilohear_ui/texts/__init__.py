"""The screens' words, a folder a language, a file a screen; English is the one that decides."""

from __future__ import annotations

from pathlib import Path

from kilohear.config import read_json
from kilohear.errors import ConfigError

LANGUAGES = ("en", "de")
FALLBACK = "en"

_GERMAN = str.maketrans(",.", ".,")


class Texts:
    """Look texts up: `texts("listen.start")`, `texts("listen.rate", hz=1_000)`.

    Parameters
    ----------
    language
        `system` or one of `LANGUAGES`.
    system_language
        Two letters; English is taken for a language that isn't there.

    Raises
    ------
    ConfigError
        By a look-up: naming a text that isn't there.
    """

    def __init__(self, language: str = "system", system_language: str = FALLBACK) -> None:
        wanted = system_language if language == "system" else language
        self.language = wanted if wanted in LANGUAGES else FALLBACK
        self._texts = {
            f"{file.stem}.{key}": text
            for file in sorted((Path(__file__).parent / self.language).glob("*.json"))
            for key, text in read_json(file).items()
        }

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text with its values filled in."""
        try:
            return self._texts[key].format(**values)
        except KeyError as error:
            raise ConfigError(
                f"texts: {self.language} has no text or value {error.args[0]!r} for {key!r}; "
                f"add it to {self.language}/{key.partition('.')[0]}.json"
            ) from None

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number as the language writes it: 1,234.5 or 1.234,5."""
        written = f"{value:,.{digits}f}".replace("-", "\u2212")
        return written.translate(_GERMAN) if self.language == "de" else written

    def problem(self, kind: str) -> tuple[str, str]:
        """Return a problem's title and what to do; those of `other` where it has none."""
        named = kind if f"problems.{kind}.title" in self._texts else "other"
        return self(f"problems.{named}.title"), self(f"problems.{named}.what_to_do")

    def label(self, label: str) -> str:
        """Return a class as people write it: `crying_baby` is crying baby."""
        return self._texts.get(f"labels.{label}", label.replace("_", " "))
