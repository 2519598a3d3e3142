"""Label: 5 s of waveform to a label, one thread, students and peers in turns in one process.

The students' files and those of `--peer-bundle` hold their front end; YAMNet's holds its own too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kilohear import backends
from kilohear.errors import ConfigError, DataError, ExtraError
from kilohear.files import sha256_of
from kilohear_bench.latency import WARM_UP, time_in_turns
from kilohear_bench.machine import load_conditions
from kilohear_bench.peers import (
    CLIP_S,
    NOT_THE_SAME_TASK,
    RATE_HZ,
    Yamnet,
    decimating,
    find_yamnet,
    labelling,
    litert_version,
    yamnet_calls,
)
from kilohear_bench.run import Say
from kilohear_bench.speed.part import Part, Taking
from kilohear_bench.subject import Subject, load_bundles, subjects_of

AND_DECIMATION = "and decimation from 16 kHz"
WARM_UP_ROUNDS = 2 * WARM_UP


def measure_label(peer_bundles: Sequence[Path], yamnet: Path | None, rounds: int, say: Say) -> Part:
    """Time every file of the shipped bundles, of the peers' bundles, and YAMNet.

    Parameters
    ----------
    peer_bundles
        Folders of bundles to compare with; their window is 5 s too.
    yamnet
        YAMNet's .tflite file; None: the one in KILOHEAR_DATA, left out where there is none.

    Raises
    ------
    BundleError, BackendError
        Where a file can't be used.
    ConfigError
        Where a bundle's window isn't 5 s.
    """
    taking = Taking({"threads": 1, "warm_up": WARM_UP_ROUNDS, **load_conditions()})
    runtimes = backends.available()
    students = subjects_of(load_bundles(()), runtimes)
    others = subjects_of(load_bundles(peer_bundles), runtimes) if peer_bundles else []
    calls: dict[str, Callable[[], object]] = {}
    about: dict[str, dict[str, Any]] = {}
    used: dict[str, dict[str, str]] = {}
    for subject in [*students, *others]:
        _require_5_s(subject)
        card, export = subject.bundle.card, subject.export
        classifier = subject.bundle.open(export.runtime, export.precision, threads=1)
        ways = {subject.name: labelling(classifier)}
        if subject in students and card.rate_hz < RATE_HZ and export.precision == "float32":
            ways[f"{subject.name} {AND_DECIMATION}"] = decimating(classifier)
        calls |= ways
        said = {
            "bundle": card.name,
            "rate_hz": card.rate_hz,
            "runtime": export.runtime,
            "precision": export.precision,
            "classes": len(card.labels),
            "role": "student" if subject in students else "peer",
        }
        own = {export.runtime: classifier.backend.version}
        about |= dict.fromkeys(ways, said)
        used |= dict.fromkeys(ways, own)
    configuration: dict[str, Any] = {
        "rounds": rounds,
        "window_s": CLIP_S,
        "note": NOT_THE_SAME_TASK.format(classes=len(students[0].bundle.card.labels)),
        "card_sha256": {
            each.bundle: each.card_sha256 for each in (s.describe() for s in [*students, *others])
        },
    }
    left_out = {}
    try:
        model = find_yamnet(yamnet)
        of_yamnet = yamnet_calls(Yamnet(model))
    except ExtraError as error:
        left_out["YAMNet"] = str(error)
    except DataError:
        if yamnet:
            raise
        left_out["YAMNet"] = "no .tflite file was given, and none is in KILOHEAR_DATA/yamnet"
    else:
        calls |= of_yamnet
        said = {
            "bundle": "YAMNet",
            "rate_hz": RATE_HZ,
            "runtime": "litert",
            "precision": "float32",
            "classes": 521,
            "role": "peer",
        }
        about |= dict.fromkeys(of_yamnet, said)
        used |= dict.fromkeys(of_yamnet, litert_version())
        configuration["yamnet_sha256"] = sha256_of(model)
    say(f"label: {rounds} rounds of {len(calls)} ways")
    samples = time_in_turns(calls, rounds, WARM_UP_ROUNDS)
    for name, values in samples.items():
        meter = "time.perf_counter_ns"
        taking.add("latency", name, values, "ms", meter, used[name], **about[name])
    return taking.done("label", configuration, left_out)


def _require_5_s(subject: Subject) -> None:
    card = subject.bundle.card
    if card.window_s != CLIP_S:
        raise ConfigError(
            f"{card.name}: its window is {card.window_s:g} s, the comparison takes {CLIP_S:g} s; "
            "leave it out"
        )
