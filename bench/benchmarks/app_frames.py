"""The app while it listens: frames a second, processor time of screens and of ears, memory.

    python bench/benchmarks/app_frames.py --minutes 10 --out bench/results/app/app.json

The app stands on an Xvfb and listens to the demo scene at 1 kHz in a process of its own, as on
Android. First every frame is drawn, whether anything changed or not: that is the frame rate. Then,
in a second process, it runs as it does for a person, and processor time and memory are sampled
every second. There is no graphics card: frames are drawn by the processor (llvmpipe), and that
work is in the screens' share.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kilohear import extras
from kilohear.errors import KilohearError
from kilohear.files import write_text
from kilohear_bench.machine import describe, load_conditions, versions
from kilohear_bench.measurement import now
from kilohear_bench.memory import line
from kilohear_bench.virtual_screen import AppOnScreen, app_on_screen, virtual_screen

SIZES = ("390x844", "1280x800")
FRAMES_S = 60.0
SAMPLE_S = 1.0
SETTLED_S = 60.0
"""Fonts, textures and the first labels are loaded by then: memory has to be flat."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="What the app costs while it listens.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--note", default="", help="what else the machine was doing")
    parser.add_argument("--out", type=Path, default=Path("runs/app/app.json"))
    given = parser.parse_args()
    if given.out.exists():
        raise KilohearError(f"{given.out}: exists, and is not overwritten; choose another name")
    started_at, load = now(), load_conditions()
    with virtual_screen() as display:
        frames = {}
        for size in SIZES:
            with _listening(display, size, "--redraw") as app:
                frames[size] = list(_samples(app, FRAMES_S))
        with _listening(display, SIZES[0]) as app:
            samples = list(_samples(app, 60 * given.minutes))
    result = {
        "kind": "measured",
        "started_at": started_at,
        "finished_at": now(),
        "screen": f"Xvfb, drawn by llvmpipe; as for a person: {SIZES[0]}",
        "source": "demo scene, 1 kHz, listened to by a process of its own",
        "device": describe(),
        "versions": versions(),
        "conditions": {"at_start": load, "at_end": load_conditions(), "note": given.note},
        "summary": _summary(frames, samples),
        "every_frame_drawn": frames,
        "as_for_a_person": samples,
    }
    write_text(given.out, json.dumps(result, separators=(",", ":")) + "\n")
    print(json.dumps(result["summary"], indent=1))


@contextmanager
def _listening(display: str, size: str, *options: str) -> Iterator[AppOnScreen]:
    arguments = ("--source", "demo-synthetic", "--service", "--listen", "--size", size, *options)
    with app_on_screen(display, *arguments) as app:
        app.wait_for_text("listening at 1\u00a0kHz")
        yield app
        if app.close() != 0:
            raise KilohearError(f"the app ended with an error; it said: {app.said}")


def _samples(app: AppOnScreen, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield a sample a second of the screens' process and of the one that listens."""
    psutil = extras.load("psutil")
    screens = psutil.Process(app.process.pid)
    (ears,) = screens.children()
    began = time.monotonic()
    while (elapsed_s := time.monotonic() - began) < seconds:
        seen = app.seen()
        sample: dict[str, Any] = {
            "at_s": elapsed_s,
            "frames": seen["frames"],
            "frames_at_s": seen["at_s"],
            "slowest_frame_ms": seen["slowest_ms"],
        }
        for name, process in (("screens", screens), ("ears", ears)):
            with process.oneshot():
                spent, memory = process.cpu_times(), process.memory_info()
            sample[f"{name}_cpu_s"] = spent.user + spent.system
            sample[f"{name}_rss_bytes"] = memory.rss
        yield sample
        time.sleep(max(0.0, began + elapsed_s + SAMPLE_S - time.monotonic()))


def _summary(
    frames: dict[str, list[dict[str, Any]]], samples: list[dict[str, Any]]
) -> dict[str, Any]:
    drawn = {size: _drawn(each) for size, each in frames.items()}
    settled = [sample for sample in samples if sample["at_s"] >= SETTLED_S] or samples
    times_s = [sample["at_s"] for sample in settled]
    summary: dict[str, Any] = {
        "every_frame_drawn": drawn,
        "drawn_per_s_for_a_person": float(np.median(_rates(samples, "frames", "frames_at_s"))),
    }
    for name in ("screens", "ears"):
        shares = _rates(settled, f"{name}_cpu_s", "at_s")
        slope, span = line(times_s, [sample[f"{name}_rss_bytes"] for sample in settled])
        summary |= {
            f"{name}_cpu_share": float(shares.mean()),
            f"{name}_peak_rss_bytes": max(sample[f"{name}_rss_bytes"] for sample in samples),
            f"{name}_rss_bytes_slope_per_hour": slope,
            f"{name}_rss_bytes_range": span,
        }
    return summary


def _drawn(samples: list[dict[str, Any]]) -> dict[str, float]:
    rates = _rates(samples, "frames", "frames_at_s")
    return {
        "frames_per_s_median": float(np.median(rates)),
        "frames_per_s_5th_percentile": float(np.percentile(rates, 5)),
        "slowest_frame_ms": max(sample["slowest_frame_ms"] for sample in samples[2:]),
    }


def _rates(samples: list[dict[str, Any]], what: str, by: str) -> Any:
    """Return the growth of one column by another, between samples, (samples - 1,)."""
    grown, gone = (np.diff([sample[name] for sample in samples]) for name in (what, by))
    return grown[gone > 0] / gone[gone > 0]


if __name__ == "__main__":
    main()
