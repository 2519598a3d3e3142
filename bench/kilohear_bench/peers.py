"""Peers: other people's recognisers on the same sound, on the same machine, in turns.

YAMNet (Plakal and Ellis, TensorFlow Models, AudioSet YAMNet) takes patches of 0.975 s at 16 kHz.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.bundle import CARD_NAME, Bundle, Precision
from kilohear.classifier import Classifier
from kilohear.decimator import Decimator, decimate
from kilohear.errors import BackendError, ConfigError, DataError, KilohearError
from kilohear.files import data_root, replacing, sha256_of
from kilohear_bench.latency import WARM_UP, time_in_turns
from kilohear_bench.machine import describe, load_conditions, versions
from kilohear_bench.measurement import Measurement, interval_of_median, now
from kilohear_bench.run import Say

RATE_HZ = 16_000
CLIP_S = 5.0
PATCH = 15_600
"""Samples of a YAMNet patch: 0.975 s."""
HOP = 7_680
"""Samples between patches as YAMNet is usually run: 0.48 s."""
WHOLE_PATCHES = "YAMNet, 5 whole patches"
COVERING = "YAMNet, 6 patches that cover 5 s"
USUAL_HOP = "YAMNet, 10 patches every 0.48 s"
NOT_THE_SAME_TASK = (
    "Not the same task: the student answers {classes} classes, YAMNet 521; "
    "this compares the cost of an answer, not its worth."
)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times longer the peer takes.

    `of_medians` divides the medians; `paired` is the median of the ratios within a round,
    `interval` its 95% bootstrap interval. All are computed from the raw samples.
    """

    student: str
    peer: str
    of_medians: float
    paired: float
    interval: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A finished comparison with all raw samples."""

    started_at: str
    machine: dict[str, Any]
    card_sha256: str
    classes: int
    peer_sha256: str
    latencies: tuple[Measurement, ...]

    def ratios(self) -> list[Ratio]:
        """Return each peer's time over each student's."""
        students = [m for m in self.latencies if not m.subject.startswith("YAMNet")]
        peers = [m for m in self.latencies if m.subject.startswith("YAMNet")]
        return [ratio(student, peer) for student in students for peer in peers]

    def to_json(self) -> str:
        """Return everything as JSON; the ratios stand beside what they are computed from."""
        data = dataclasses.asdict(self)
        data["ratios"] = [dataclasses.asdict(ratio) for ratio in self.ratios()]
        data["note"] = NOT_THE_SAME_TASK.format(classes=self.classes)
        return json.dumps(data, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the medians, the ratios and what they don't say."""
        lines = ["5 s of waveform to a label, one thread, in turns (measured):"]
        for m in self.latencies:
            low, high = m.interval
            lines.append(
                f"  {m.subject}: median {m.median:.3f} ms (95% {low:.3f} to {high:.3f}), "
                f"p95 {m.p95:.3f} ms, {len(m.samples)} samples"
            )
        for r in self.ratios():
            low, high = r.interval
            lines.append(
                f"  {r.peer} / {r.student}: {r.of_medians:.1f} times (ratio of medians), "
                f"{r.paired:.1f} paired (95% {low:.1f} to {high:.1f})"
            )
        lines.append(NOT_THE_SAME_TASK.format(classes=self.classes))
        return "\n".join(lines)


class Yamnet:
    """YAMNet in LiteRT, one thread.

    Parameters
    ----------
    model
        The .tflite file: float32 (15600,) at 16 kHz to 521 scores.
    """

    def __init__(self, model: Path) -> None:
        interpreter = extras.load("ai_edge_litert.interpreter").Interpreter
        try:
            self._interpreter = interpreter(model_path=str(model), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"{model}: LiteRT can't load it ({error}); give YAMNet's .tflite file"
            ) from None
        details = self._interpreter.get_input_details()[0]
        self._input, self._shape = details["index"], details["shape"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        if int(np.prod(self._shape)) != PATCH:
            raise BackendError(
                f"{model}: takes {int(np.prod(self._shape))} samples, YAMNet takes {PATCH}; "
                "give YAMNet's .tflite file"
            )

    def label(self, waveform: NDArray[np.float32], starts: range) -> int:
        """Return the class with the highest mean score over patches; the last is zero-padded."""
        scores = np.zeros(0)
        for start in starts:
            patch = waveform[start : start + PATCH]
            if len(patch) < PATCH:
                patch = np.pad(patch, (0, PATCH - len(patch)))
            self._interpreter.set_tensor(self._input, patch.reshape(self._shape))
            self._interpreter.invoke()
            patch_scores = self._interpreter.get_tensor(self._output)[0]
            scores = scores + patch_scores if len(scores) else patch_scores
        return int(np.argmax(scores))


def run_yamnet(bundle_name: str, runtime: str, model: Path, windows: int, say: Say) -> Comparison:
    """Time a bundle's float32 and int8 files and YAMNet on the same 5 s of noise.

    Raises
    ------
    BundleError, BackendError, ExtraError
        Where the bundle or a runtime can't be used.
    ConfigError
        Where the bundle's window isn't 5 s.
    """
    started_at, machine, conditions = now(), describe(), load_conditions()
    bundle = Bundle.load(bundle_name)
    if bundle.card.window_s != CLIP_S:
        raise ConfigError(
            f"{bundle.card.name}: its window is {bundle.card.window_s:g} s, the comparison takes "
            f"{CLIP_S:g} s; choose another bundle"
        )
    yamnet = Yamnet(model)
    calls, used = _student_calls(bundle, runtime)
    of_yamnet = yamnet_calls(yamnet)
    calls |= of_yamnet
    used |= dict.fromkeys(of_yamnet, litert_version())
    say(f"{windows} rounds of {', '.join(calls)}")
    samples = time_in_turns(calls, windows, 2 * WARM_UP)
    latencies = tuple(
        Measurement(
            name="latency",
            subject=name,
            samples=samples[name],
            unit="ms",
            kind="measured",
            device="host",
            meter="time.perf_counter_ns",
            versions=versions() | used[name],
            started_at=started_at,
            conditions={
                "threads": 1,
                "warm_up": 2 * WARM_UP,
                "in_turns_with": len(calls) - 1,
                **conditions,
            },
        )
        for name in calls
    )
    return Comparison(
        started_at=started_at,
        machine=machine,
        card_sha256=sha256_of(bundle.path / CARD_NAME),
        classes=len(bundle.card.labels),
        peer_sha256=sha256_of(model),
        latencies=latencies,
    )


def yamnet_calls(yamnet: Yamnet) -> dict[str, Callable[[], object]]:
    """Return the three ways of running YAMNet over the clip, by name."""
    clip = noise_clip()
    starts = {
        WHOLE_PATCHES: range(0, len(clip) - PATCH + 1, PATCH),
        COVERING: range(0, len(clip), PATCH),
        USUAL_HOP: range(0, len(clip) - PATCH + HOP, HOP),
    }
    return {name: partial(yamnet.label, clip, patches) for name, patches in starts.items()}


def ratio(student: Measurement, peer: Measurement) -> Ratio:
    """Compare two measurements whose samples were taken in the same rounds."""
    paired = np.asarray(peer.samples) / np.asarray(student.samples)
    return Ratio(
        student=student.subject,
        peer=peer.subject,
        of_medians=peer.median / student.median,
        paired=float(np.median(paired)),
        interval=interval_of_median(paired),
    )


def find_yamnet(model: Path | None) -> Path:
    """Return YAMNet's file: the one given, or the one in KILOHEAR_DATA/yamnet.

    Raises
    ------
    DataError
        Where there is none.
    """
    folder = data_root() / "yamnet"
    found = [model] if model else sorted(folder.glob("*.tflite"))
    if not found or not found[0].is_file():
        raise DataError(
            f"{model or folder}: no YAMNet here; give --model its .tflite file "
            "(TensorFlow Hub, google/yamnet, tflite, classification)"
        )
    return found[0]


def default_file() -> Path:
    """Return a new comparison's file, named by the time in UTC."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"yamnet-{stamp}.json"


@contextmanager
def write_new(file: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `file`; raises KilohearError where `file` exists."""
    if file.exists():
        raise KilohearError(f"{file}: exists, and is never overwritten; choose another --out")
    with replacing(file) as temporary:
        yield temporary


def _student_calls(
    bundle: Bundle, runtime: str
) -> tuple[dict[str, Callable[[], object]], dict[str, dict[str, str]]]:
    """Return what to time for each precision there is, and the versions that take part."""
    precisions: tuple[Precision, ...] = ("float32", "int8")
    there = {e.precision for e in bundle.card.exports if e.runtime == runtime}
    calls: dict[str, Callable[[], object]] = {}
    used = {}
    for precision in precisions:
        if precision not in there and precision != "float32":
            continue
        classifier = bundle.open(runtime, precision, threads=1)
        name = f"{bundle.card.name} {runtime} {precision}"
        calls |= {
            name: labelling(classifier),
            f"{name} and decimation from 16 kHz": decimating(classifier),
        }
        own = {runtime: classifier.backend.version}
        used |= dict.fromkeys(list(calls)[-2:], own)
    return calls, used


def labelling(classifier: Classifier) -> Callable[[], object]:
    """Return what classifies the clip, at the student's rate already, and gives its label."""
    waveform = decimate(noise_clip(), RATE_HZ, classifier.card.rate_hz)[: classifier.card.samples]
    return lambda: classifier.card.labels[int(classifier(waveform).argmax())]


def decimating(classifier: Classifier) -> Callable[[], object]:
    """Return what takes the clip at 16 kHz down to the student's rate, and gives its label."""
    clip, card = noise_clip(), classifier.card
    decimator = Decimator(RATE_HZ, card.rate_hz)

    def call() -> str:
        parts = decimator.push(clip.copy()), decimator.flush()  # flushing makes it as new
        waveform = np.concatenate(parts)[: card.samples]
        return card.labels[int(classifier(waveform).argmax())]

    return call


def noise_clip() -> NDArray[np.float32]:
    """Return 5 s of quiet noise at 16 kHz (samples,), always the same."""
    noise = np.random.default_rng(0).standard_normal(round(CLIP_S * RATE_HZ))
    return (0.1 * noise).astype(np.float32)


def litert_version() -> dict[str, str]:
    """Return the version of LiteRT, by its package's name."""
    return {"ai-edge-litert": version("ai-edge-litert")}
