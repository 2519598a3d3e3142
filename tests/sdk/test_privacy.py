"""Privacy by construction: nothing above the student's band is held, and no sound is written."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest

from kilohear.bundle import Bundle, Card
from kilohear.classifier import Classifier
from kilohear.events import Detection
from kilohear.listener import Listener
from kilohear.monitor import COLUMN_S, Monitor, _Bands
from kilohear.polyphase import PolyphaseResampler

STEADY = Detection(smoothing_s=0.0)


@pytest.fixture
def classifier(card_factory: Callable[..., Card], loudness: Any) -> Classifier:
    return Classifier(Bundle(Path("nowhere"), card_factory()), loudness)


@pytest.mark.parametrize("is_watched", [False, True])
def test_nothing_above_the_students_rate_is_held(
    classifier: Classifier, array_source: Any, is_watched: bool
) -> None:
    """Walk all that the listener reaches while it streams, for what was heard at 16 kHz."""
    rate_hz, block = 16_000, 160
    clip = np.random.default_rng(3).uniform(0.25, 0.5, 3 * rate_hz).astype(np.float32)

    class Fresh(array_source):
        def blocks(self) -> Iterator[np.ndarray]:
            for start in range(0, len(self.clip), self.block):
                yield self.clip[start : start + self.block].copy()

    monitor = Monitor()
    if is_watched:
        monitor.watch()
    source = Fresh(clip, rate_hz, block)
    listener = Listener(classifier, source, detection=STEADY, monitor=monitor)
    windows = listener.windows()
    for _ in range(3):
        next(windows)
        reached = _reached_from([windows, listener])
        filters = [thing for thing in reached if isinstance(thing, PolyphaseResampler)]
        # The filter needs the newest samples; nothing else may hold a single one.
        assert [len(f._pending) <= 2 * f.delay_s * rate_hz + 1 for f in filters] == [True]
        allowed = {id(clip), id(filters[0]._pending)}
        # A display's column under way is its samples, and no more.
        columns = [thing for thing in reached if isinstance(thing, _Bands)]
        assert [bands.rate_hz for bands in columns] == ([16_000, 1_000] if is_watched else [])
        for bands in columns:
            assert bands._scratch.size == bands._tapered.size == 2 * COLUMN_S * bands.rate_hz
            allowed |= {id(bands._scratch), id(bands._tapered)}
        heard = [
            array
            for array in reached
            if isinstance(array, np.ndarray) and id(array) not in allowed
            if np.isin(array, clip).sum() >= max(16, array.size / 10)  # a few are equal by chance
        ]
        assert heard == []
        buffers = [b for b in reached if isinstance(b, bytearray | memoryview)]
        assert [b for b in buffers if len(b) > 4 * block] == []


def _reached_from(start: list[object]) -> list[object]:
    """Everything that objects refer to, but for modules, classes and what all code can reach."""
    shared = {id(vars(module)) for module in list(sys.modules.values())}
    found: dict[int, object] = {}
    todo = list(start)
    while todo:
        thing = todo.pop()
        if id(thing) in found or id(thing) in shared or isinstance(thing, ModuleType | type):
            continue
        found[id(thing)] = thing
        is_function = isinstance(thing, FunctionType)
        todo += (thing.__closure__ or ()) if is_function else gc.get_referents(thing)
    return list(found.values())


@pytest.mark.parametrize("hz", [520, 730, 1_270, 3_900, 7_700])
def test_all_that_is_held_is_80_db_down_above_the_new_nyquist(
    classifier: Classifier, loudness: Any, array_source: Any, hz: int
) -> None:
    """Let a tone be heard that the student mustn't hear, and measure whatever is held of it."""
    time_s = np.arange(4 * 16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)
    source = array_source(tone, 16_000)
    listener = Listener(classifier, source)
    windows = listener.windows()
    next(windows)
    loudness.waveforms.clear()  # the tone's sudden start, which is heard, is in the first
    next(windows)
    next(windows)
    source.given.clear()  # the test's own record of the blocks
    reached = _reached_from([windows, listener])
    filters = [thing for thing in reached if isinstance(thing, PolyphaseResampler)]
    own = {id(tone)} | {id(array) for f in filters for array in (f._pending, f._phases)}
    held = [
        array
        for array in reached
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and id(array) not in own
        if array.size >= 100  # the window under way, and whatever else is kept of the sound
    ]
    assert held
    for array in held:
        assert np.mean(np.square(array, dtype=np.float64)) <= 1e-8 * np.mean(tone**2)


LISTEN = """
import json, os, sys
import numpy as np
import kilohear
from kilohear.event_log import EventLog

written = []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != os.devnull:
            written.append(str(path))
    elif event.startswith(("os.mkdir", "os.rename", "tempfile.")):
        written.append(str(arguments[0]))

class Noise:
    name, requested_hz, rate_hz, lost_samples = "noise", 16_000, 16_000, 0

    def blocks(self):
        random = np.random.default_rng(0)
        for i in range(200):
            yield (random.standard_normal(1_600) * (0.3 if i % 100 < 60 else 1e-4)).astype("f4")

listener = kilohear.Listener(sys.argv[1], Noise(), runtime="onnx", log=EventLog("log/events.jsonl"))
sys.addaudithook(watch)
heard = list(listener.hear())
print(json.dumps({"heard": len(heard), "written": written}))
"""


def test_nothing_is_written_but_the_event_log_and_it_holds_no_sound(
    tmp_path: Path, bundle_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(home))
    done = subprocess.run(
        [sys.executable, "-B", "-c", LISTEN, str(bundle_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={**os.environ, **folders, "ORT_DISABLE_TELEMETRY": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["heard"] > 0
    # What Python opens is seen by its audit hook; what a library's C code does, by the files.
    assert set(found["written"]) <= {"log", "log/events.jsonl"}
    log = home / "log" / "events.jsonl"
    assert [path for path in home.rglob("*") if path.is_file()] == [log]
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        assert set(entry) == {"at", "kind", "label", "probability", "start_s", "end_s", "bundle"}
