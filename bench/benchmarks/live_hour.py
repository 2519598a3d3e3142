"""An hour of listening through a real audio server: losses, memory, processor time, events.

    python bench/benchmarks/live_hour.py --minutes 60 --out bench/results/live/hour.json

Sounds are made on the fly and played in real time into a null sink of a private PipeWire. A process
for each runtime listens to the sink's monitor through the microphone's path: PortAudio, ALSA's
plugin `pulse`, PipeWire. Afterwards the same sounds go through the same listener as a recording.
What has been measured is in OUT.d while it runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kilohear
from kilohear import Listener, extras
from kilohear.errors import DataError, KilohearError
from kilohear.files import write_text
from kilohear_bench.audio_server import AudioServer, audio_server
from kilohear_bench.clips import read_clips
from kilohear_bench.hear import Marked
from kilohear_bench.live import (
    MARK_LEVEL,
    RATE_HZ,
    SLOT_S,
    Sounds,
    compare_events,
    unreported_s,
)
from kilohear_bench.machine import describe, load_conditions, versions
from kilohear_bench.measurement import now
from kilohear_bench.memory import SETTLED_S, line

BUNDLE = "esc10-1khz"
RUNTIMES = ("onnx", "executorch")
SAMPLE_S = 10.0
TAIL_S = 2.5
"""The player still holds a second or two when the last slot is written: most of its faint noise."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Listen live for an hour.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--runtime", action="append", choices=RUNTIMES)
    parser.add_argument("--note", default="", help="what else the machine was doing")
    parser.add_argument("--out", type=Path, default=Path("runs/live/hour.json"))
    given = parser.parse_args()
    if given.out.exists():
        raise KilohearError(f"{given.out}: exists, and is not overwritten; choose another name")
    folder = given.out.with_suffix(".d")
    folder.mkdir(parents=True)
    sounds = _sounds(60 * given.minutes + 2 * SLOT_S)
    started_at, load = now(), load_conditions()
    runtimes = tuple(given.runtime or RUNTIMES)
    with audio_server() as server:
        server_versions = _server_versions(server)
        underruns = _listen(server, sounds, runtimes, folder)
    result = {
        "kind": "measured",
        "started_at": started_at,
        "finished_at": now(),
        "bundle": BUNDLE,
        "minutes": given.minutes,
        "source": "microphone: PortAudio, ALSA plugin pulse, PipeWire, monitor of a null sink",
        "device": describe(),
        "versions": versions() | server_versions,
        "conditions": {"at_start": load, "at_end": load_conditions(), "note": given.note},
        "player_underruns": underruns,
        "listeners": {
            runtime: _result(runtime, sounds, folder, given.minutes) for runtime in runtimes
        },
    }
    write_text(given.out, json.dumps(result, separators=(",", ":")) + "\n")
    print(json.dumps({r: v["summary"] for r, v in result["listeners"].items()}, indent=1))


def _sounds(duration_s: float, start_s: float = 0.0) -> Sounds:
    try:
        clips = read_clips("esc10")
    except DataError:
        clips = []
    return Sounds(duration_s, clips, start_s=start_s)


def _listen(server: AudioServer, sounds: Sounds, runtimes: Sequence[str], folder: Path) -> int:
    """Play everything, with the listeners' output and samples written as they come."""
    with server.player(RATE_HZ) as loudspeaker:
        playing = threading.Thread(target=_play, args=(sounds, loudspeaker), daemon=True)
        playing.start()
        with _listeners(server, runtimes, folder) as listeners:
            _sample(listeners, playing, folder)
            time.sleep(TAIL_S)
    return server.underruns()


def _play(sounds: Sounds, loudspeaker: Any) -> None:
    for block in sounds.blocks():
        loudspeaker.write((block * 32_768).astype("<i2").tobytes())
        loudspeaker.flush()


@contextmanager
def _listeners(
    server: AudioServer, runtimes: Sequence[str], folder: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Yield a listening process for each runtime; they end in order afterwards."""
    listeners = {}
    for runtime in runtimes:
        options = {
            "bundle": BUNDLE,
            "source": "microphone",
            "runtime": runtime,
            "mark_level": MARK_LEVEL,
        }
        with _heard(folder, runtime).open("wb") as heard:
            listeners[runtime] = subprocess.Popen(
                [sys.executable, "-m", "kilohear_bench.hear", json.dumps(options)],
                env=server.environment,
                stdout=heard,
            )
    try:
        yield listeners
    finally:
        for process in listeners.values():
            process.terminate()
        for process in listeners.values():
            process.wait(timeout=30)


def _sample(
    listeners: dict[str, subprocess.Popen[bytes]], playing: threading.Thread, folder: Path
) -> None:
    """Write each listener's memory and processor time every 10 s while the player plays."""
    psutil = extras.load("psutil")
    processes = {runtime: psutil.Process(p.pid) for runtime, p in listeners.items()}
    began = time.monotonic()
    with (folder / "samples.jsonl").open("w") as file:
        for turn in range(1, 1_000_000):
            playing.join(max(0.0, began + turn * SAMPLE_S - time.monotonic()))
            if not playing.is_alive():
                return
            for runtime, process in processes.items():
                with process.oneshot():
                    spent, memory = process.cpu_times(), process.memory_info()
                sample = {
                    "runtime": runtime,
                    "at_s": time.monotonic() - began,
                    "rss_bytes": memory.rss,
                    "private_bytes": memory.rss - memory.shared,
                    "cpu_s": spent.user + spent.system,
                    "load_average_1_min": os.getloadavg()[0],
                }
                file.write(json.dumps(sample) + "\n")
            file.flush()


def _result(runtime: str, sounds: Sounds, folder: Path, minutes: float) -> dict[str, Any]:
    heard = _lines(_heard(folder, runtime))
    samples = [s for s in _lines(folder / "samples.jsonl") if s["runtime"] == runtime]
    began, ended = heard[0], heard[-1]
    rate_hz = began["granted_hz"]
    marks = [each["sample"] for each in heard if each["kind"] == "mark"]
    gaps = [each for each in heard if each["kind"] == "gap"]
    live = [each for each in heard if each["kind"] == "event" and each["end_s"] is not None]
    # The recording begins where the microphone began, so that both have the same windows.
    start_s = _first_mark_s(sounds) - marks[0] / rate_hz
    file = _hear_file(runtime, sounds.duration_s, start_s)
    card = kilohear.Bundle.load(BUNDLE).card
    agreement = compare_events(live, file, card.hop_s)
    settled = [s for s in samples if s["at_s"] >= min(SETTLED_S, 30 * minutes)]
    times_s = [s["at_s"] for s in settled]
    slopes = {
        name: line(times_s, [s[name] for s in settled]) for name in ("rss_bytes", "private_bytes")
    }
    unreported = unreported_s(marks, rate_hz, gaps)
    summary = {
        "cpu_share": (settled[-1]["cpu_s"] - settled[0]["cpu_s"]) / (times_s[-1] - times_s[0]),
        "peak_rss_bytes": max(s["rss_bytes"] for s in samples),
        "settled_from_s": times_s[0],
        **{f"{name}_slope_per_hour": slope for name, (slope, _) in slopes.items()},
        **{f"{name}_range": span for name, (_, span) in slopes.items()},
        "windows": ended["windows"],
        "faults": ended["faults"],
        "gaps": len(gaps),
        "lost_s": ended["lost_s"],
        "marks_due": len(sounds.marks_s),
        "marks_heard": len(marks),
        "unreported_s_at_the_end": unreported[-1] if unreported else None,
        "unreported_s_worst": max(map(abs, unreported), default=None),
        "first_sample_at_sounds_s": start_s,
        "events_live": agreement.first,
        "events_file": agreement.second,
        "events_same": agreement.same,
    }
    return {
        "summary": summary,
        "agreement": dataclasses.asdict(agreement),
        "tolerance_s": card.hop_s,
        "unreported_s": unreported,
        "samples": [{k: v for k, v in s.items() if k != "runtime"} for s in samples],
        "heard": heard,
        "heard_from_file": file,
    }


def _first_mark_s(sounds: Sounds) -> float:
    """Return when the first mark passes the level: at the same place of its wave as live."""
    marks: list[int] = []
    for _ in Marked(sounds, MARK_LEVEL, marks.append).blocks():
        if marks:
            return marks[0] / RATE_HZ
    raise KilohearError("the sounds hold no mark")


def _hear_file(runtime: str, duration_s: float, start_s: float) -> list[dict[str, Any]]:
    listener = Listener(BUNDLE, _sounds(duration_s, start_s), runtime=runtime, report="ended")
    return [dataclasses.asdict(event) for event in listener]


def _heard(folder: Path, runtime: str) -> Path:
    return folder / f"heard-{runtime}.jsonl"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def _server_versions(server: AudioServer) -> dict[str, str]:
    sounddevice = extras.load("sounddevice")
    return {
        "pipewire": server.version(),
        "portaudio": sounddevice.get_portaudio_version()[1],
        "sounddevice": sounddevice.__version__,
    }


if __name__ == "__main__":
    main()
