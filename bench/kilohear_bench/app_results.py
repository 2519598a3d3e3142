"""What the app leaves on a phone: a file a step, which a run's store keeps, with a head.

The bench fetches them from an iPhone (`devices/ios.py`), or is given what a person shared from any
phone (`devices/app.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from kilohear.bundle import trimmed_card
from kilohear.config import from_dict, read_json, to_json
from kilohear.errors import DataError
from kilohear_bench.config import BenchConfig
from kilohear_bench.measurement import Measurement
from kilohear_bench.result import PROTOCOL
from kilohear_bench.store import Kept
from kilohear_bench.subject import Subject, Tested, load_bundles

KINDS = ("measured", "modelled")
"""What an app on a phone can say."""


@dataclasses.dataclass(frozen=True)
class Head:
    """What a result file says first.

    Attributes
    ----------
    protocol
        See `kilohear_bench.result.PROTOCOL`.
    app
        Its version.
    card_sha256
        Of the bundle that was measured; a packaged app's is trimmed to its runtime's file.
    model
        Of the phone: Pixel 8, or on an iPhone `ProductType`, iPhone14,5 say.
    """

    protocol: int
    app: str
    card_sha256: str
    model: str


@dataclasses.dataclass(frozen=True)
class ResultFile:
    """One file, `{"head": ..., "kept": ...}`: `kept` is a line of a run's `steps.jsonl`."""

    head: Head
    kept: Kept


def read_result(path: Path) -> ResultFile:
    """Read a file, and verify that it is of this protocol and says what a phone can say.

    Raises
    ------
    DataError
        Where it is of another protocol, naming both, holds nothing, another kind or traces.
    ConfigError
        Where it isn't such a file, naming the key.
    """
    # The protocol goes first: another one's file may hold other keys.
    data = read_json(path)
    head = data.get("head") if isinstance(data, dict) else None
    protocol = head.get("protocol") if isinstance(head, dict) else None
    if protocol != PROTOCOL:
        raise DataError(
            f"{path.name}: the app measured by protocol {protocol}, this bench by {PROTOCOL}; "
            "bring the app and kilohear to one version and press Profile again"
        )
    result = from_dict(ResultFile, data, path.name)
    if not result.kept.measurements or result.kept.traces:
        raise DataError(
            f"{path.name}: step {result.kept.step!r} holds {len(result.kept.measurements)} "
            f"measurements and {len(result.kept.traces)} traces; an app's result has measurements "
            "and no traces: press Profile again"
        )
    for measurement in result.kept.measurements:
        if measurement.kind not in KINDS:
            raise DataError(
                f"{path.name}: {measurement.name} of {measurement.subject} is "
                f"{measurement.kind!r}, which an app on a phone can't be; remove the file"
            )
    return result


def labelled(
    result: ResultFile, subjects: Sequence[Tested], device: str
) -> tuple[Measurement, ...]:
    """Return a result's measurements as a run's, of `device`.

    Raises
    ------
    DataError
        Where one is of a subject that the bundle doesn't hold, or at another rate.
    """
    known = {tested.name: tested for tested in subjects}
    for measurement in result.kept.measurements:
        tested = known.get(measurement.subject)
        if tested is None:
            raise DataError(
                f"step {result.kept.step!r}: {measurement.subject} is none of the bundle's files "
                f"({', '.join(known)}); press Profile again with this bundle"
            )
        if measurement.conditions.get("rate_hz") != tested.rate_hz:
            raise DataError(
                f"step {result.kept.step!r}: {measurement.name} of {measurement.subject} says "
                f"{measurement.conditions.get('rate_hz')} Hz, its card {tested.rate_hz} Hz; press "
                "Profile again"
            )
    return tuple(
        dataclasses.replace(
            measurement,
            device=device,
            versions={**measurement.versions, "kilohear app": result.head.app},
        )
        for measurement in result.kept.measurements
    )


def select(
    files: Sequence[ResultFile],
    config: BenchConfig,
    model: str | None,
    device: str,
    reserved: Sequence[str] = (),
) -> tuple[dict[str, list[Measurement]], list[Tested]]:
    """Return the measurements that were asked for by their steps, and their subjects.

    Parameters
    ----------
    files
        What the app left.
    config
        `bundles`, `runtimes` and `rates_hz` choose among them.
    model
        Of the phone that they must be of.
    device
        What the run calls it.
    reserved
        Names of steps that the device takes itself.

    Raises
    ------
    DataError
        Where a result is of another phone, two are of one step, a result doesn't fit its bundle,
        or none is of what was asked for.
    """
    held = [
        Subject(bundle, export)
        for bundle in load_bundles(config.bundles)
        for export in bundle.card.exports
    ]
    described = [(subject.describe(), _trimmed_sha256(subject)) for subject in held]
    wanted = {
        tested.name: tested
        for tested, _trimmed in described
        if not config.rates_hz or tested.rate_hz in config.rates_hz
        if not config.runtimes or tested.runtime in config.runtimes
    }
    results: dict[str, list[Measurement]] = {}
    for file in files:
        step, head = file.kept.step, file.head
        if head.model != model:
            raise DataError(
                f"step {step!r} was measured on {head.model}, this is {model}; remove it from the "
                "app and press Profile"
            )
        if step in results or step in reserved:
            raise DataError(
                f"two results are of step {step!r}; remove the app's results and press Profile "
                "again"
            )
        card = [
            tested
            for tested, trimmed in described
            if head.card_sha256 in (tested.card_sha256, trimmed)
        ]
        if card:
            found = labelled(file, card, device)
            results[step] = [m for m in found if m.subject in wanted]
    results = {step: measurements for step, measurements in results.items() if measurements}
    if not results:
        there = ", ".join(sorted({file.head.card_sha256[:12] for file in files}))
        raise DataError(
            f"the app's {len(files)} results are of cards that begin with {there}, and none is "
            "of what was asked for; name the bundle by --bundle, or press Profile with yours"
        )
    measured = {m.subject for measurements in results.values() for m in measurements}
    return results, [tested for name, tested in wanted.items() if name in measured]


def _trimmed_sha256(subject: Subject) -> str:
    """Return the hash of the card that a packaged app holds of a subject: with its file alone."""
    card = trimmed_card(subject.bundle.card, subject.export)
    return hashlib.sha256(to_json(card).encode()).hexdigest()
