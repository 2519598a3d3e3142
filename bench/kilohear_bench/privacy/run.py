"""The run: clips x rates x treatments, a line each; killed and started again, it goes on.

A folder holds `configuration.json`, `clips.jsonl`, and when all is done the report. Lines hold
text and numbers; no sound is written anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kilohear.config import from_dict, load_json, save_json
from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear_bench.journal import Journal
from kilohear_bench.measurement import now
from kilohear_bench.privacy.recogniser import Recogniser
from kilohear_bench.privacy.speech import RATE_HZ, Utterance, fingerprint
from kilohear_bench.privacy.stoi import stoi
from kilohear_bench.privacy.treatments import MEANING, treat
from kilohear_bench.privacy.wer import NORMALISER, Errors, compare
from kilohear_bench.progress import Progress

RATES_HZ = (16_000, 8_000, 4_000, 2_000, 1_000)
ATTACKED_HZ = (2_000, 1_000)
"""Where the other treatments are measured, unless rates are named."""
LINES = "clips.jsonl"
CONFIGURATION = "configuration.json"

Say = Callable[[str], None]
Condition = tuple[int, str]
"""A rate in Hz and a treatment."""


@dataclasses.dataclass(frozen=True)
class PrivacyConfig:
    """Everything that the results depend on, resolved.

    Attributes
    ----------
    conditions
        Pairs of rate in Hz and treatment, in the order in which a clip goes through them.
    clips
        How many.
    speech_sha256
        Over the clips' names, transcripts and recordings.
    recogniser, recogniser_version
        As it calls itself.
    normaliser
        Of texts before they are compared.
    started_at
        UTC, ISO 8601; the only part that may differ when a run goes on.
    """

    conditions: tuple[Condition, ...]
    clips: int
    speech_sha256: str
    recogniser: str
    recogniser_version: str
    normaliser: str = NORMALISER
    started_at: str = dataclasses.field(default_factory=now, compare=False)

    def __post_init__(self) -> None:
        if not self.conditions or self.clips < 1:
            raise ConfigError(
                f"privacy: {len(self.conditions)} rates and treatments, {self.clips} clips; give "
                "one of each at least"
            )
        for rate_hz, treatment in self.conditions:
            if treatment not in MEANING:
                raise ConfigError(f"privacy: no treatment {treatment!r}; use {', '.join(MEANING)}")
            if not 0 < rate_hz <= RATE_HZ:
                raise ConfigError(
                    f"privacy: {rate_hz} Hz; the speech has {RATE_HZ:,} Hz, give 1 to that"
                )
            if treatment == "band-extension" and RATE_HZ % rate_hz:
                raise ConfigError(
                    f"privacy: {treatment} at {rate_hz} Hz; its rate must divide {RATE_HZ:,} Hz"
                )


@dataclasses.dataclass(frozen=True)
class Line:
    """One clip at one rate after one treatment.

    Attributes
    ----------
    transcript
        What was understood, not normalised.
    words, errors
        As in `kilohear_bench.privacy.wer.Errors`.
    stoi
        Against the original, 0 to 1.
    """

    clip: str
    rate_hz: int
    treatment: str
    transcript: str
    words: int
    errors: int
    stoi: float

    @property
    def result(self) -> Errors:
        """The word errors, for `kilohear_bench.privacy.wer.score`."""
        return Errors(self.clip, self.words, self.errors)


def conditions(rates_hz: Sequence[int], treatments: Sequence[str]) -> tuple[Condition, ...]:
    """Return what to measure: what is named, all of it; what isn't named, as it is by default.

    By default the decimator at RATES_HZ, the other treatments at ATTACKED_HZ.
    """
    return tuple(
        (rate_hz, treatment)
        for treatment in dict.fromkeys(treatments or MEANING)
        for rate_hz in dict.fromkeys(
            rates_hz or (RATES_HZ if treatment == "decimator" else ATTACKED_HZ)
        )
    )


def configure(
    wanted: tuple[Condition, ...], utterances: Sequence[Utterance], recogniser: Recogniser
) -> PrivacyConfig:
    """Return the resolved configuration."""
    return PrivacyConfig(
        conditions=wanted,
        clips=len(utterances),
        speech_sha256=fingerprint(utterances),
        recogniser=recogniser.name,
        recogniser_version=recogniser.version,
    )


def run_privacy(
    config: PrivacyConfig,
    utterances: Sequence[Utterance],
    recogniser: Recogniser,
    folder: Path,
    say: Say = print,
) -> tuple[PrivacyConfig, list[Line]]:
    """Transcribe what `folder` doesn't hold yet; return all lines in order.

    The configuration that comes back is the folder's: it says when the run was begun.

    Raises
    ------
    ConfigError
        Where `folder` holds a run of another configuration, naming the first difference.
    DataError
        Where its lines can't be those of this run.
    """
    config = claim(folder, config)
    journal = Journal(folder / LINES)
    journal.mend()
    lines = read_lines(folder / LINES)
    tasks = [(clip, *condition) for clip in utterances for condition in config.conditions]
    for line, (clip, rate_hz, treatment) in zip(lines, tasks, strict=False):
        if (line.clip, line.rate_hz, line.treatment) != (clip.name, rate_hz, treatment):
            raise DataError(
                f"{folder / LINES}: {line.clip} at {line.rate_hz} Hz stands where {clip.name} at "
                f"{rate_hz} Hz belongs; choose another --out"
            )
    if len(lines) > len(tasks):
        raise DataError(f"{folder / LINES}: {len(lines)} lines, the run has {len(tasks)}")
    if lines and len(lines) < len(tasks):
        say(f"going on after {len(lines)} of {len(tasks)}")
    progress = Progress("transcribed", len(tasks), len(lines), say)
    for clip, rate_hz, treatment in tasks[len(lines) :]:
        line = _listen(clip, rate_hz, treatment, recogniser)
        journal.append(dataclasses.asdict(line))
        lines.append(line)
        progress.step()
    return config, lines


def claim(folder: Path, config: PrivacyConfig) -> PrivacyConfig:
    """Write the configuration into a new folder, or return the one there, which must be it."""
    path = folder / CONFIGURATION
    if path.is_file():
        there = load_json(PrivacyConfig, path)
        for field in dataclasses.fields(config):
            old, new = getattr(there, field.name), getattr(config, field.name)
            if field.compare and old != new:
                raise ConfigError(
                    f"{folder}: a run with {field.name} {_words(old)}, now {_words(new)}; results "
                    "of two configurations are never mixed: choose another --out"
                )
        return there
    if folder.exists() and any(folder.iterdir()):
        raise KilohearError(f"{folder}: holds something else; choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KilohearError(
            f"{folder}: can't write here ({error.strerror}); choose another --out"
        ) from None
    save_json(config, path)
    return config


def read_lines(path: Path) -> list[Line]:
    """Read the finished lines of a run; a last one without its end is left out.

    Raises
    ------
    DataError
        Where a line isn't one of a run's.
    """
    try:
        return [from_dict(Line, entry, str(path)) for entry in Journal(path).read()]
    except ConfigError as error:
        raise DataError(f"{path}: not the lines of a run ({error}); choose another --out") from None


def _listen(clip: Utterance, rate_hz: int, treatment: str, recogniser: Recogniser) -> Line:
    original = clip.read()
    heard = treat(treatment, original, RATE_HZ, rate_hz)
    transcript = recogniser.transcribe(heard.samples, heard.rate_hz)
    result = compare(clip.name, clip.transcript, transcript)
    return Line(
        clip=clip.name,
        rate_hz=rate_hz,
        treatment=treatment,
        transcript=transcript,
        words=result.words,
        errors=result.errors,
        stoi=round(stoi(original, RATE_HZ, heard), 6),
    )


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(f"{rate_hz} Hz {treatment}" for rate_hz, treatment in value)
    return repr(value)
