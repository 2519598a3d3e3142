"""The demo: the first clips of five ESC-10 classes, heard at 16, 2 and 1 kHz."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kilohear import extras
from kilohear.bundle import Bundle, shipped
from kilohear.capture import Source, open_source
from kilohear.capture.synthetic import Scene
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, BundleError, ExtraError
from kilohear.events import EventDetector
from kilohear.files import data_root
from kilohear.listener import Listener
from kilohear_bench.config import BenchConfig
from kilohear_bench.report.host import notes, terminal_table
from kilohear_bench.run import run_bench

_FAMILY = "esc10-"
_TIMEOUT_S = 5
_URL = "https://raw.githubusercontent.com/karolpiczak/ESC-50/master/audio/"
"""ESC-50 (Piczak 2015); its ESC-10 subset is CC BY 3.0."""


@dataclasses.dataclass(frozen=True)
class DemoClip:
    """An ESC-10 clip; `md5` is the original's, from the index of soundata 0.1.3."""

    filename: str
    label: str
    md5: str


CLIPS = (
    DemoClip("1-100032-A-0.wav", "dog", "ca7345a4c89c5394aa44419de0971ade"),
    DemoClip("1-26806-A-1.wav", "rooster", "6cd19616cb8b36a16c4454ed47df0c54"),
    DemoClip("1-17367-A-10.wav", "rain", "b9a800caf442727a176143ec603a73c8"),
    DemoClip("1-187207-A-20.wav", "crying_baby", "fb975bc19a0cd18d6159a6cddd5a7ce0"),
    DemoClip("1-116765-A-41.wav", "chainsaw", "e489c41e092a1754d6c47393aeb1fec2"),
)
"""The first of each class in the official table: chosen before any student heard them."""
_REAL = (
    "ESC-10 (Piczak 2015, CC BY 3.0), decimated in memory, nothing written. The shipped weights "
    "were fitted on all of ESC-10: the events show the line at work, the accuracy below is by "
    "weights that never saw the clips they were scored on."
)


def run_demo(download: bool = True) -> None:
    """Classify recordings at every rate that ships, show the events, then the bench table.

    Raises
    ------
    BundleError
        Where no student ships.
    """
    console = Console()
    names = [name for name in shipped() if name.startswith(_FAMILY)]
    if not names:
        raise BundleError(f"no bundle named {_FAMILY}... ships; install a complete kilohear")
    bundles = sorted((Bundle.load(n) for n in names), key=lambda b: b.card.rate_hz, reverse=True)
    classifiers = [bundle.open() for bundle in bundles]
    recordings, said = find_recordings(download)
    console.print(said, highlight=False, markup=False)
    console.print(events_table(classifiers, recordings))
    lowest_first = tuple(str(bundle.path) for bundle in reversed(bundles))
    config = BenchConfig(bundles=lowest_first, memory=False)
    with tempfile.TemporaryDirectory() as folder:
        run = run_bench(config, Path(folder) / "bench", lambda text: None)
    console.print(terminal_table(run, "bench: this computer, one thread"))
    for note in notes(run):
        console.print(f"- {note}", highlight=False, markup=False)
    console.print("kilohear bench measures peak memory too, and keeps every sample.")


def find_recordings(download: bool) -> tuple[list[tuple[str, Source]], str]:
    """Return (true label, source) pairs and a line that says what they are.

    From KILOHEAR_DATA, else downloaded, else one synthetic scene.
    """
    try:
        local = _local_paths()
        if local:
            return _open(local), f"{len(local)} real recordings from KILOHEAR_DATA. {_REAL}"
        if download:
            return _open(_download()), f"{len(CLIPS)} real recordings, downloaded. {_REAL}"
        reason = "switched off"
    except (ExtraError, AudioError) as error:
        reason = str(error)
    except (OSError, ValueError) as error:  # no network, or a hash that isn't the known one
        reason = type(error).__name__
    said = (
        f"No real recording: none in KILOHEAR_DATA, and no download ({reason}). "
        "What follows is a synthetic scene, for which no student was trained: "
        "its events mean nothing."
    )
    return [("synthetic", Scene())], said


def events_table(
    classifiers: Sequence[Classifier], recordings: Sequence[tuple[str, Source]]
) -> Table:
    """Return a table of what each classifier hears in each recording."""
    table = Table(title="events: label, probability, from - to", title_justify="left")
    table.add_column("true label")
    for classifier in classifiers:
        table.add_column(f"at {classifier.card.rate_hz:,} Hz")
    for label, source in recordings:
        cells = [_heard(classifier, source, label) for classifier in classifiers]
        table.add_row(Text(label), *cells)
    return table


def _heard(classifier: Classifier, source: Source, label: str) -> Text:
    """Return the events, green where the label is true; without any, what comes nearest."""
    listener = Listener(classifier, source, report="ended")
    detector = EventDetector(classifier.card.labels, listener.detection)
    windows = list(listener.windows())
    events = [
        event
        for window in windows
        for event in detector.push(window.probabilities, window.start_s, window.end_s)
    ]
    events = [event for event in events + detector.flush() if event.end_s is not None]
    if not events:
        best = max(windows, key=lambda window: window.probabilities.max()).probabilities
        name = classifier.card.labels[int(best.argmax())]
        return Text(f"none ({name} {best.max():.2f})", style="dim")
    text = Text()
    for event in events:
        line = f"{event.label} {event.probability:.2f} {event.start_s:g}-{event.end_s:g} s"
        text.append(line + "\n", style="green" if event.label == label else "yellow")
    text.right_crop(1)
    return text


def _local_paths() -> list[tuple[str, Path]]:
    folder = data_root() / "esc50" / "audio"
    listed = [
        (clip.label, path)
        for clip in CLIPS
        for path in (folder / clip.filename, (folder / clip.filename).with_suffix(".flac"))
        if path.is_file()
    ]
    return listed


def _download() -> list[tuple[str, Path]]:
    """Fetch the clips into the user's cache, each held against its MD5."""
    pooch = extras.load("pooch")
    pooch.get_logger().setLevel("ERROR")
    fetch = pooch.HTTPDownloader(timeout=_TIMEOUT_S)
    return [
        (
            clip.label,
            Path(
                pooch.retrieve(
                    _URL + clip.filename,
                    known_hash=f"md5:{clip.md5}",
                    fname=clip.filename,
                    path=pooch.os_cache("kilohear") / "demo",
                    downloader=fetch,
                )
            ),
        )
        for clip in CLIPS
    ]


def _open(paths: Sequence[tuple[str, Path]]) -> list[tuple[str, Source]]:
    return [(label, open_source(path)) for label, path in paths]
