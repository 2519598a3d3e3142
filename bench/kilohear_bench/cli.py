"""The commands of the bench: `kilohear bench`, `report`, `devices` and others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohear_bench.board.cli import add_commands as add_board_commands
from kilohear_bench.privacy.cli import privacy
from kilohear_bench.report.cli import report
from kilohear_bench.reproduce_cli import add_commands as add_reproduce_commands
from kilohear_bench.terminal import say

if TYPE_CHECKING:
    from kilohear_bench.result import Run


def add_commands(app: typer.Typer) -> None:
    """Add the bench's commands to `kilohear`."""
    runs = typer.Typer(invoke_without_command=True)
    runs.callback()(bench)
    runs.command()(resume)
    runs.command()(compare)
    app.add_typer(runs, name="bench")
    app.command()(devices)
    app.command()(report)
    app.command("bench-speed")(bench_speed)
    app.command("bench-yamnet")(bench_yamnet)
    app.command()(demo)
    app.command()(privacy)
    add_board_commands(app)
    add_reproduce_commands(app)


def bench(
    context: typer.Context,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="host, apollo3-simulator, apollo3[:PORT], adb[:SERIAL], ios[:UDID] or app:FILE "
            "(what the app shared); again for more. [host]",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        list[str] | None, typer.Option(help="A bundle's name or path; again for more. [all]")
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="executorch or onnx; again for more. [all there are]")
    ] = None,
    rate: Annotated[
        list[int] | None, typer.Option(help="A student's rate, Hz; again for more. [all]")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Score on esc10, esc50, kitchen20 or a CSV; without it the cards' fold scores."
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(
            help="Most clips of --dataset a subject. [all; board: 120]", show_default=False
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(help="Windows each. [30; board: 3]", show_default=False),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            help="How far below the card's score still passes. [what chance explains]",
            show_default=False,
        ),
    ] = None,
    memory: Annotated[bool, typer.Option(help="Host: measure peak memory.")] = True,
    cpu: Annotated[
        int | None, typer.Option(help="Host: the core to stay on. [the last]", show_default=False)
    ] = None,
    arithmetic: Annotated[str, typer.Option(help="Board: of the log-mel, float32 or q15.")] = (
        "float32"
    ),
    meter: Annotated[
        str | None,
        typer.Option(help="Board: ppk2, joulescope or otii[:HOST:PORT]; wired to its supply."),
    ] = None,
    power: Annotated[
        str,
        typer.Option(help="Phone: rails, charge-counter, current-now, batterystats, none or auto."),
    ] = "auto",
    cool_down: Annotated[float, typer.Option(help="Phone: rest between subjects, s.")] = 10.0,
    max_celsius: Annotated[float, typer.Option(help="Phone: waits while it is warmer.")] = 38.0,
    out: Annotated[
        Path | None, typer.Option(help="A new folder. [runs/bench-TIME]", show_default=False)
    ] = None,
) -> None:
    """Measure bundles on devices: latency, energy, memory and accuracy, one report of all."""
    if context.invoked_subcommand is not None:
        return
    from kilohear.config import from_dict
    from kilohear_bench.config import BenchConfig
    from kilohear_bench.report.plain import default_folder
    from kilohear_bench.run import run_bench

    given = {
        "devices": device,
        "bundles": bundle,
        "runtimes": runtime,
        "rates_hz": rate,
        "dataset": dataset,
        "clips": clips,
        "windows": windows,
        "max_drop": max_drop,
        "memory": memory,
        "cpu": cpu,
        "arithmetic": arithmetic,
        "meter": meter,
        "power": power,
        "cool_down_s": cool_down,
        "max_celsius": max_celsius,
    }
    settings = {name: value for name, value in given.items() if value not in (None, [])}
    folder, config = out or default_folder(), from_dict(BenchConfig, settings, "bench")
    _show(lambda: run_bench(config, folder, say), folder)


def resume(folder: Annotated[Path, typer.Argument(help="Of a run that was stopped.")]) -> None:
    """Go on with a run that was stopped: what is finished isn't measured again."""
    from kilohear_bench.run import resume_bench

    _show(lambda: resume_bench(folder, say), folder)


def _show(measure: Callable[[], Run], folder: Path) -> None:
    """Measure and report; a run that was stopped has a report of what it has, too.

    Ends with 1 where a device fell short.
    """
    from rich.console import Console

    from kilohear import extras
    from kilohear_bench.board.config import BOARD, SIMULATOR
    from kilohear_bench.board.report import write_report as write_board_report
    from kilohear_bench.board.run import board_view
    from kilohear_bench.report.terminal import terminal_tables
    from kilohear_bench.report.write import write_report
    from kilohear_bench.run import RunStopped

    for module in ("jinja2", "matplotlib"):
        extras.load(module)  # what is missing is said before anything is measured
    try:
        run = measure()
    except RunStopped:
        write_report([folder])
        raise
    page = write_report([folder])
    for device in run.devices:
        if device.spec.partition(":")[0] in (BOARD, SIMULATOR):
            write_board_report(board_view(run, device.name), folder / device.name)
    console = Console()
    for table in terminal_tables(folder):
        console.print(table)
    for failure in run.failures:
        typer.secho(f"FAILED: {failure}", fg="red", err=True)
    typer.echo(f"written: {page}")
    if run.failures:
        raise typer.Exit(1)


def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder.")],
    second: Annotated[Path, typer.Argument(help="Another one's, measured the same way.")],
) -> None:
    """What the second run takes as a multiple of the first, with 95% intervals."""
    from rich.console import Console

    from kilohear_bench.compare import compare as compare_runs
    from kilohear_bench.compare import terminal_table

    Console().print(terminal_table(compare_runs(first, second)))


def devices() -> None:
    """List what is connected: what --device and --meter can be given here."""
    from kilohear_bench.connected import find_all

    for group, found in find_all().items():
        typer.secho(group, bold=True)
        for one in found:
            typer.echo(f"  {one.spec or '-':24} {one.what}")


def bench_speed(
    part: Annotated[
        list[str] | None,
        typer.Option(help="logmel, label, listening or start; again for more. [all]"),
    ] = None,
    peer_bundle: Annotated[
        list[Path] | None, typer.Option(help="A bundle to compare with; again for more.")
    ] = None,
    yamnet: Annotated[
        Path | None, typer.Option(help="YAMNet as .tflite. [the one in KILOHEAR_DATA/yamnet]")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Timed rounds, 30 or more.")] = 100,
    listen_s: Annotated[float, typer.Option(help="Sound of each listening run, s.")] = 3_600,
    paced_s: Annotated[
        float, typer.Option(help="Sound of each run at the speed of sound, s; 0: none.")
    ] = 60,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder; parts measured anew replace those there. [runs/speed-TIME]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure speed in four parts, beside librosa, torch, kaldi, YAMNet and other bundles."""
    from kilohear_bench.report.plain import default_folder
    from kilohear_bench.speed.run import SpeedConfig, run_speed

    config = SpeedConfig(
        parts=tuple(part or ()),
        peer_bundles=tuple(peer_bundle or ()),
        yamnet=yamnet,
        rounds=rounds,
        listen_s=listen_s,
        paced_s=paced_s,
    )
    folder = out or default_folder("speed")
    typer.echo(run_speed(config, folder, say))
    typer.echo(f"written: {folder}")


def bench_yamnet(
    bundle: Annotated[str, typer.Option(help="A bundle's name or path.")] = "esc10-1khz",
    runtime: Annotated[str, typer.Option(help="executorch or onnx.")] = "executorch",
    model: Annotated[
        Path | None, typer.Option(help="YAMNet as .tflite. [the one in KILOHEAR_DATA/yamnet]")
    ] = None,
    windows: Annotated[int, typer.Option(help="Timed rounds, 30 or more.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="A new JSON file. [runs/yamnet-TIME.json]")
    ] = None,
) -> None:
    """Time a student against YAMNet on the same 5 s of sound, in turns."""
    from kilohear_bench.peers import default_file, find_yamnet, run_yamnet, write_new

    file = out or default_file()
    with write_new(file) as temporary:
        comparison = run_yamnet(bundle, runtime, find_yamnet(model), windows, say)
        temporary.write_text(comparison.to_json(), encoding="utf-8")
    typer.echo(comparison.to_text())
    typer.echo(f"written: {file}")


def demo(
    download: Annotated[
        bool, typer.Option(help="Fetch the recordings where they aren't on this computer.")
    ] = True,
) -> None:
    """Hear real recordings at 16, 2 and 1 kHz, then measure the students that listened."""
    from kilohear_bench.demo import run_demo

    run_demo(download)
