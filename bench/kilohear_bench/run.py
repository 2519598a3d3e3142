"""The run: every device's steps, each on disk before the next begins.

    devices -> plans -> steps -> store -> measurements

Killed at any moment it loses the step in hand; `resume_bench` takes the others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kilohear.errors import KilohearError
from kilohear_bench.config import BenchConfig
from kilohear_bench.devices import Device
from kilohear_bench.devices.choose import open_device
from kilohear_bench.progress import Progress
from kilohear_bench.result import Described, Run
from kilohear_bench.store import Store

Say = Callable[[str], None]


class RunStopped(KilohearError):  # noqa: N818 - as SourceLost
    """A run that isn't complete; what was finished is kept."""


def run_bench(config: BenchConfig, folder: Path, say: Say = print) -> Run:
    """Measure into a new folder; what can be refused is refused before anything is measured.

    Raises
    ------
    RunStopped
        Where a device failed; the others were measured.
    KilohearError
        Where the request, a bundle, a data set, a device or the folder can't be used.
    """
    Store.require_new(folder)
    return _run(config, folder, say, lambda devices: Store.begin(folder, config, devices))


def resume_bench(folder: Path, say: Say = print) -> Run:
    """Go on with a run that was stopped; a finished one is returned as it is.

    Raises
    ------
    RunStopped
        As `run_bench`.
    ConfigError, DataError, DeviceLost
        Where the folder holds no run, or a device isn't what it was, naming both.
    """
    config = Store.configuration(folder)
    return _run(config, folder, say, lambda devices: Store.resume(folder, config, devices))


def _run(
    config: BenchConfig, folder: Path, say: Say, claim: Callable[[list[Described]], Store]
) -> Run:
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        devices = [stack.enter_context(open_device(spec, config)) for spec in config.devices]
        plans = {device.name: device.plan() for device in devices}
        described = [
            _described(device, spec, len(plans[device.name]))
            for spec, device in zip(config.devices, devices, strict=True)
        ]
        store = stack.enter_context(claim(described))
        for device in devices:
            plan = plans[device.name]
            todo = [step for step in plan if not store.has(device.name, step.name)]
            store.log(f"{device.name}: {len(todo)} of {len(plan)} steps to take", say)
            progress = Progress(f"{device.name}: steps", len(plan), len(plan) - len(todo), say)
            try:
                for step in todo:
                    store.append(device.name, step.name, step.measure())
                    progress.step()
            except KilohearError as error:
                failed[device.name] = str(error)
                store.log(f"{device.name}: {error}", say)
            except KeyboardInterrupt:
                store.log(f"stopped; to go on: kilohear bench resume {folder}", say)
                raise
        run = store.finish(failed)
    if failed:
        raise RunStopped(
            f"{'; '.join(failed.values())}. What was finished is kept: kilohear bench resume "
            f"{folder}"
        )
    return run


def _described(device: Device, spec: str, steps: int) -> Described:
    return Described(device.name, spec, device.describe(), tuple(device.subjects()), steps)
