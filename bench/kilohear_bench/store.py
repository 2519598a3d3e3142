"""The store: a run's folder, written as the run goes, so that a kill loses the step in hand.

RUN/run.json              what was asked for, machine, versions, devices; at the end the results
RUN/log.txt               what happened when
RUN/DEVICE/steps.jsonl    a line a finished step: the truth, from which the rest is made
RUN/DEVICE/samples.csv    the same samples as a table, a row a sample
RUN/DEVICE/traces/*.csv.gz  what meters sampled over time
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from kilohear.bundle import Kind
from kilohear.config import from_dict, load_json, save_json
from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear.files import sha256_of, write_bytes, write_text
from kilohear_bench import machine
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Outcome, Trace, name_of
from kilohear_bench.journal import Journal
from kilohear_bench.measurement import Measurement, now
from kilohear_bench.result import PROTOCOL, Described, Run, finished
from kilohear_bench.verdict import shortfalls

HEAD = "run.json"
LOG = "log.txt"
STEPS = "steps.jsonl"
SAMPLES = "samples.csv"
TRACES = "traces"
COLUMNS = (
    *("step", "name", "subject", "rate_hz", "sample", "value", "unit", "kind", "meter"),
    "started_at",
)


@dataclasses.dataclass(frozen=True)
class KeptTrace:
    """A trace of a finished step: its file in `traces`, the file's SHA-256, and what it is of."""

    file: str
    sha256: str
    name: str
    subject: str
    rate_hz: int
    kind: Kind
    meter: str


@dataclasses.dataclass(frozen=True)
class Kept:
    """A finished step, as a line keeps it.

    Attributes
    ----------
    step
        Its name.
    finished_at
        UTC, ISO 8601.
    measurements
        What it gave.
    traces
        What meters sampled meanwhile.
    """

    step: str
    finished_at: str
    measurements: tuple[Measurement, ...]
    traces: tuple[KeptTrace, ...]


class Store:
    """A run's folder, held by this process; a context manager that lets go of it.

    Parameters
    ----------
    folder
        Of the run.
    run
        What `run.json` holds so far.
    """

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self._run = run
        self._lock = _lock(folder)
        for torn in folder.rglob(".*.tmp"):  # what a kill left half-written
            torn.unlink()
        self._kept = {device.name: self._read(device.name) for device in run.devices}

    @staticmethod
    def require_new(folder: Path) -> None:
        """Raise KilohearError where `folder` exists or can't be made."""
        if folder.exists():
            raise KilohearError(
                f"{folder}: exists, and a run is never overwritten; choose another --out, or go "
                f"on with it: kilohear bench resume {folder}"
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KilohearError(
                f"{folder.parent}: can't write here ({error.strerror}); choose another --out"
            ) from None
        if not os.access(folder.parent, os.W_OK):
            raise KilohearError(f"{folder.parent}: can't write here; choose another --out")

    @classmethod
    def begin(cls, folder: Path, config: BenchConfig, devices: Sequence[Described]) -> Self:
        """Make a run's folder, its head in it."""
        cls.require_new(folder)
        run = Run(
            protocol=PROTOCOL,
            configuration=config,
            started_at=now(),
            finished_at=None,
            machine=machine.describe(),
            versions=machine.versions(),
            devices=tuple(devices),
        )
        # By one rename, so that a kill leaves no folder without its head.
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        save_json(run, temporary / HEAD)
        temporary.chmod(0o755)
        temporary.rename(folder)
        return cls(folder, run)

    @staticmethod
    def configuration(folder: Path) -> BenchConfig:
        """Return what a run was asked for; raises ConfigError where `folder` holds none."""
        return load_run(folder).configuration

    @classmethod
    def resume(cls, folder: Path, config: BenchConfig, devices: Sequence[Described]) -> Self:
        """Go on with a run.

        Raises
        ------
        ConfigError
            Where a device, its students, the protocol or the software isn't what it was.
        """
        run = load_run(folder)
        for what, old, new in (
            ("protocol", run.protocol, PROTOCOL),
            ("versions", run.versions, machine.versions()),
            *(
                (f"{there.name}'s {field}", getattr(there, field), getattr(here, field))
                for there, here in zip(run.devices, devices, strict=True)
                for field in ("what", "subjects", "steps")
            ),
        ):
            if old != new:
                raise ConfigError(
                    f"{folder}: {what} was {_difference(old, new)}; a run goes on as it was begun: "
                    "restore that, or begin another"
                )
        return cls(folder, run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock()

    def has(self, device: str, step: str) -> bool:
        """Whether a step is finished."""
        return step in self._kept[device]

    def append(self, device: str, step: str, outcome: Outcome) -> None:
        """Keep what a step gave; on return it is on disk."""
        folder = self.folder / device
        folder.mkdir(exist_ok=True)
        kept = Kept(
            step=step,
            finished_at=now(),
            measurements=tuple(outcome.measurements),
            traces=tuple(_write_trace(folder / TRACES, step, trace) for trace in outcome.traces),
        )
        Journal(folder / STEPS).append(dataclasses.asdict(kept))
        self._kept[device][step] = kept
        with (folder / SAMPLES).open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not file.tell():
                writer.writerow(COLUMNS)
            writer.writerows(_rows(kept))

    def log(self, text: str, say: Callable[[str], None] | None = None) -> None:
        """Keep what happened, and say it."""
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{now()} {text}\n")
        if say is not None:
            say(text)

    def finish(self, failed: dict[str, str]) -> Run:
        """Write the head anew with every measurement so far, and return it.

        Parameters
        ----------
        failed
            Why a device isn't finished, by name.
        """
        measurements = tuple(
            measurement
            for device in self._run.devices
            for measurement in finished(
                m for kept in self._kept[device.name].values() for m in kept.measurements
            )
        )
        complete = all(len(self._kept[d.name]) >= d.steps for d in self._run.devices)
        run = dataclasses.replace(
            self._run,
            finished_at=(self._run.finished_at or now()) if complete else None,
            failures=(
                *(f"{name}: {why}" for name, why in failed.items()),
                *shortfalls(measurements, self._run.configuration.max_drop),
            ),
            measurements=measurements,
        )
        save_json(run, self.folder / HEAD)
        self._run = run
        return run

    def _read(self, device: str) -> dict[str, Kept]:
        """Return the finished steps of a device; what a kill left torn is mended."""
        folder = self.folder / device
        journal = Journal(folder / STEPS)
        journal.mend()
        kept = {}
        for entry in journal.read():
            step = from_dict(Kept, entry, str(journal.path))
            for trace in step.traces:
                path = folder / TRACES / trace.file
                if not path.is_file() or sha256_of(path) != trace.sha256:
                    raise DataError(
                        f"{path}: isn't what step {step.step!r} wrote; restore it, or begin "
                        "another run"
                    )
            kept[step.step] = step
        if kept:
            text = io.StringIO(newline="")
            writer = csv.writer(text)
            writer.writerow(COLUMNS)
            writer.writerows(row for step in kept.values() for row in _rows(step))
            write_text(folder / SAMPLES, text.getvalue())
        return kept


def load_run(folder: Path) -> Run:
    """Read a run; raises ConfigError where `folder` holds none."""
    if not (folder / HEAD).is_file():
        raise ConfigError(f"{folder}: holds no run ({HEAD} isn't there); check the path")
    return load_json(Run, folder / HEAD)


def read_traces(folder: Path, device: str) -> Iterator[tuple[KeptTrace, dict[str, Any]]]:
    """Yield a device's traces and their columns as arrays (samples,), in the order of the steps."""
    for entry in Journal(folder / device / STEPS).read():
        for trace in from_dict(Kept, entry, device).traces:
            with gzip.open(folder / device / TRACES / trace.file, "rt", encoding="utf-8") as file:
                names = file.readline().strip().split(",")
                values = np.loadtxt(file, delimiter=",", ndmin=2)
            yield trace, dict(zip(names, values.T, strict=True))


def _write_trace(folder: Path, step: str, trace: Trace) -> KeptTrace:
    folder.mkdir(exist_ok=True)
    text = io.StringIO()
    text.write(",".join(trace.columns) + "\n")
    np.savetxt(text, np.column_stack(list(trace.columns.values())), fmt="%.9g", delimiter=",")
    path = folder / f"{name_of(step)}-{name_of(trace.name)}.csv.gz"
    write_bytes(path, gzip.compress(text.getvalue().encode(), 6, mtime=0))
    return KeptTrace(
        file=path.name,
        sha256=sha256_of(path),
        name=trace.name,
        subject=trace.subject,
        rate_hz=trace.rate_hz,
        kind=trace.kind,
        meter=trace.meter,
    )


def _rows(kept: Kept) -> Iterator[tuple[Any, ...]]:
    for m in kept.measurements:
        for i, value in enumerate(m.samples):
            rate_hz = m.conditions.get("rate_hz", "")
            yield (
                *(kept.step, m.name, m.subject, rate_hz, i, repr(value), m.unit, m.kind, m.meter),
                m.started_at or "",
            )


def _difference(old: Any, new: Any) -> str:
    """Return both values in words; of mappings the entries that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        old, new = ({key: side.get(key) for key in keys} for side in (old, new))
    return f"{old!r:.300} and is {new!r:.300}"


def _lock(folder: Path) -> Callable[[], None]:
    """Hold a run's folder until the returned function is called or the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return lambda: None
    file = (folder / LOG).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise KilohearError(
            f"{folder}: another process writes this run; wait for it or stop it"
        ) from None
    return file.close
