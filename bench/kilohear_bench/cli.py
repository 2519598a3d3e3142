"""The commands `kilohear bench...`, `board`, `demo`, `privacy` and `reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kilohear_bench.board.cli import add_commands as add_board_commands
from kilohear_bench.privacy.cli import privacy
from kilohear_bench.reproduce_cli import add_commands as add_reproduce_commands
from kilohear_bench.terminal import say, show


def add_commands(app: typer.Typer) -> None:
    """Add the bench's commands to `kilohear`."""
    app.command()(bench)
    app.command("bench-speed")(bench_speed)
    app.command("bench-yamnet")(bench_yamnet)
    app.command()(demo)
    app.command()(privacy)
    add_board_commands(app)
    add_reproduce_commands(app)


def bench(
    device: Annotated[
        str, typer.Option(help="Where: host, apollo3-simulator, apollo3 or apollo3:PORT.")
    ] = "host",
    bundle: Annotated[
        list[str] | None, typer.Option(help="A bundle's name or path; again for more. [all]")
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="executorch or onnx; again for more. [all there are]")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Score on esc10, esc50, kitchen20 or a CSV; without it the cards' fold scores."
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(help="Windows each. [host: 30, the fewest; board: 3]", show_default=False),
    ] = None,
    memory: Annotated[bool, typer.Option(help="Host: measure peak memory.")] = True,
    rate: Annotated[
        list[int] | None, typer.Option(help="Board: a rate, Hz; again for more. [all five]")
    ] = None,
    clips: Annotated[int, typer.Option(help="Board: most clips of --dataset a rate.")] = 120,
    arithmetic: Annotated[str, typer.Option(help="Board: of the log-mel, float32 or q15.")] = (
        "float32"
    ),
    meter: Annotated[
        str | None,
        typer.Option(help="Board: ppk2, joulescope or otii[:HOST:PORT]; wired to its supply."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder. [runs/bench-TIME]", show_default=False)
    ] = None,
) -> None:
    """Measure bundles: on this computer all runtimes side by side, on a board every rate."""
    from kilohear import extras
    from kilohear_bench.report import (
        default_folder,
        new_folder,
        notes,
        terminal_table,
        write_report,
    )
    from kilohear_bench.run import BenchConfig, run_bench

    extras.load("matplotlib")
    if device.partition(":")[0] in ("apollo3", "apollo3-simulator"):
        settings = {
            "device": device,
            "rates_hz": rate,
            "bundles": bundle,
            "dataset": dataset,
            "clips": clips,
            "windows": windows,
            "arithmetic": arithmetic,
            "meter": meter,
        }
        given = {key: value for key, value in settings.items() if value not in (None, [])}
        _bench_board(given, out)
        return
    config = BenchConfig(
        device=device,
        bundles=tuple(bundle or ()),
        runtimes=tuple(runtime or ()),
        dataset=dataset,
        memory=memory,
        **({"windows": windows} if windows is not None else {}),
    )
    folder = out or default_folder()
    with new_folder(folder) as temporary:
        run = run_bench(config, say)
        write_report(run, temporary)
    show(terminal_table(run, "bench"), notes(run), folder)


def _bench_board(settings: dict[str, Any], out: Path | None) -> None:
    from kilohear.config import from_dict
    from kilohear_bench.board.config import BoardConfig
    from kilohear_bench.board.report import notes, terminal_table, write_report
    from kilohear_bench.board.run import run_board
    from kilohear_bench.report import default_folder, new_folder

    config = from_dict(BoardConfig, settings, "bench")
    folder = out or default_folder("board")
    with new_folder(folder) as temporary:
        run = run_board(config, say)
        write_report(run, temporary)
    show(terminal_table(run), notes(run), folder)


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
    from kilohear_bench.report import default_folder
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
