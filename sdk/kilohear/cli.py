"""The `kilohear` command; other packages add subcommands by entry point."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

import kilohear
from kilohear import extras
from kilohear.bundle import Bundle, Card, read_card, shipped
from kilohear.capture import microphone
from kilohear.capture.feed import Duty
from kilohear.capture.paced import Paced
from kilohear.capture.synthetic import Scene
from kilohear.capture.wav import Recording
from kilohear.classifier import Classifier
from kilohear.errors import AudioError, ConfigError, KilohearError, RateError
from kilohear.event_log import EventLog, to_line
from kilohear.events import Event
from kilohear.guides import write_guide
from kilohear.listener import Listener
from kilohear.student import Window

DEFAULT_BUNDLE = "esc10-1khz"
COMMANDS = "kilohear.commands"
"""Entry points of this group are functions `add_commands(app: typer.Typer) -> None`."""

BundleOption = Annotated[str, typer.Option("--bundle", help="A shipped bundle's name, or a path.")]
RuntimeOption = Annotated[
    str, typer.Option("--runtime", help="auto, executorch, onnx, coreml or c.")
]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 2 on an error, 130 when interrupted."""
    try:
        build_app()(arguments)
    except KilohearError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        missing = extras.missing(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def build_app() -> typer.Typer:
    """Return the command with its own subcommands and those of the installed packages."""
    app = typer.Typer(
        name="kilohear",
        help="Sound and activity recognition that listens at 1-2 kHz.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_common)
    app.command()(classify)
    app.command()(listen)
    app.command()(microphones)
    app.command()(bundles)
    app.command()(scene)
    app.command()(guide)
    for entry in importlib.metadata.entry_points(group=COMMANDS):
        try:
            add_commands = entry.load()
        except ModuleNotFoundError:
            continue  # a package that this installation leaves out
        add_commands(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"kilohear {kilohear.__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Sound and activity recognition that listens at 1-2 kHz."""


def classify(
    files: Annotated[list[Path], typer.Argument(help="Recordings: WAV, FLAC, ...")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    runtime: RuntimeOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Classify recordings and show what was heard when."""
    classifier = Bundle.load(bundle).open(runtime)
    results = [_classify_file(classifier, file) for file in files]
    if as_json:
        print(json.dumps(results, indent=2))
    for result in results:
        if "error" in result:
            print(f"error: {result['error']}", file=sys.stderr)
        elif not as_json:
            _print_result(result)
    failed = sum("error" in result for result in results)
    if failed:
        print(f"error: {failed} of {len(files)} files couldn't be classified", file=sys.stderr)
        raise typer.Exit(2)


def listen(
    address: Annotated[
        str,
        typer.Argument(
            help="A recording, microphone, microphone:NAME, -?rate_hz=16000, "
            "tcp://HOST:PORT?rate_hz=16000 or serial:PORT?rate_hz=16000&baud=921600."
        ),
    ],
    bundle: Annotated[
        list[str], typer.Option("--bundle", help="A shipped bundle's name, or a path; repeatable.")
    ] = [DEFAULT_BUNDLE],  # noqa: B006
    runtime: RuntimeOption = "auto",
    realtime: Annotated[
        bool, typer.Option(help="A recording at the pace of a microphone, or as fast as it goes.")
    ] = True,
    duty: Annotated[
        str | None, typer.Option(help="When to listen: 5/30 is 5 s of every 30; default always.")
    ] = None,
    gate_db: Annotated[
        float | None, typer.Option(help="Quieter windows need no inference, dB of full scale.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Append events to this file as JSON lines.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print events, gaps and faults as JSON lines.")
    ] = False,
) -> None:
    """Listen block by block, with a live display; a recording is heard as by a microphone."""
    source = kilohear.open_source(address)
    listener = Listener(
        bundle,
        Paced(source) if realtime and isinstance(source, Recording) else source,
        runtime=runtime,
        report="both",
        duty=_duty(duty) if duty else None,
        gate_db=gate_db,
        log=EventLog(log) if log else None,
    )
    if as_json:
        for heard in listener.hear():
            print(to_line(heard), flush=True)
        return
    console = Console()
    for classifier in listener.classifiers:
        _print_rates(console, source.name, _rates(listener, classifier))
    events = _listen_live(listener, console)
    console.print(_event_table(f"{source.name}: events", [dataclasses.asdict(e) for e in events]))
    if gate_db is not None:
        console.print(f"{listener.statistics.saving:.0%} of the inferences were saved by the gate")
    _warn_of_losses(listener)


def microphones() -> None:
    """List the microphones and the rates that each grants."""
    found = microphone.devices()
    if not found:
        raise KilohearError("no device here records; plug in a microphone")
    table = Table(title="microphones", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "default", "grants Hz"):
        table.add_column(name)
    for device in found:
        rates = ", ".join(f"{hz:,}" for hz in device.rates_hz) or "none of those asked for"
        table.add_row(Text(device.name), "default" if device.is_default else "", rates)
    Console().print(table)


def bundles() -> None:
    """List the bundles that ship: rate, network, parameters, size and score."""
    there = shipped()
    if not there:
        raise KilohearError("no bundle ships with this installation; give --bundle a path")
    table = Table(
        title="shipped bundles", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for name in ("name", "rate", "network", "parameters", "files kB", "accuracy"):
        table.add_column(name, justify="left" if name in ("name", "network") else "right")
    cards = {name: read_card(path) for name, path in there.items()}
    by_rate = sorted(cards.items(), key=lambda item: (item[1].training.dataset, item[1].rate_hz))
    for name, card in by_rate:
        sizes = [export.bytes / 1e3 for export in card.exports]
        table.add_row(
            name,
            f"{card.rate_hz:,} Hz",
            card.network,
            f"{card.parameters:,}",
            f"{min(sizes):,.0f}-{max(sizes):,.0f}",
            _accuracy(card),
        )
    console = Console()
    console.print(table)
    console.print(
        "Macro accuracy: mean ± standard deviation over folds, each by weights that never saw it."
    )


def scene(
    file: Annotated[Path, typer.Argument(help="The WAV to write.")],
    seed: Annotated[int, typer.Option(help="Another seed, another scene.")] = 0,
) -> None:
    """Write a synthetic recording of tones and noise, to try things on."""
    if file.exists():
        raise KilohearError(f"{file}: exists, and is not overwritten; choose another name")
    made = Scene(seed=seed)
    made.write(file)
    for part in made.parts:
        print(f"{part.start_s:6.2f} to {part.end_s:.2f} s  {part.label}")


def guide(
    language: Annotated[str, typer.Argument(help="kivy, kotlin, swift or c.")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option(help="Folder; default guide-LANGUAGE.")] = None,
) -> None:
    """Write what an app of your own needs to run a bundle: a page and its code."""
    card = Bundle.load(bundle).card
    for file in write_guide(language, card, out or Path(f"guide-{language}")):
        print(file)


def _duty(text: str) -> Duty:
    listen_s, _, every_s = text.partition("/")
    try:
        return Duty(float(listen_s), float(every_s))
    except ValueError:
        raise ConfigError(f"--duty is {text!r}; give seconds as in 5/30") from None


def _listen_live(listener: Listener, console: Console) -> list[Event]:
    """Show each window as it is heard; return the events."""
    labels = {c.card.name: c.card.labels for c in listener.classifiers}
    events: list[Event] = []
    with Live(Text("listening ..."), console=console, auto_refresh=False, transient=True) as live:
        for heard in listener.watch():
            if isinstance(heard, Window):
                live.update(_display(labels[heard.bundle], heard, events), refresh=True)
            elif isinstance(heard, Event):
                _update(events, [heard])
            else:
                console.print(Text(str(heard), style="bold red"), soft_wrap=True)
    return events


def _classify_file(classifier: Classifier, file: Path) -> dict[str, Any]:
    """Return one file's events, rates and most probable label, or its error."""
    try:
        listener = Listener(classifier, file, report="both")
        windows, events = [], []
        for heard in listener.watch():
            if isinstance(heard, Window):
                windows.append(heard)
            elif isinstance(heard, Event):
                _update(events, [heard])
    except (AudioError, RateError) as error:
        return {"file": str(file), "error": str(error)}
    _warn_of_losses(listener)
    highest = max(windows, key=lambda window: window.probabilities.max()).probabilities
    return {
        "file": str(file),
        **_rates(listener, classifier),
        "lost_samples": listener.source.lost_samples,
        "threshold_on": listener.detection.threshold_on,
        "top_label": classifier.card.labels[int(highest.argmax())],
        "top_probability": float(highest.max()),
        "events": [dataclasses.asdict(event) for event in events],
    }


def _update(events: list[Event], found: list[Event]) -> None:
    """Add the events that began; put those that ended in the place of their beginning."""
    for event in found:
        if event.end_s is None:
            events.append(event)
        else:
            began = next(
                i
                for i, e in enumerate(events)
                if e.end_s is None and (e.label, e.bundle) == (event.label, event.bundle)
            )
            events[began] = event


def _print_result(result: dict[str, Any]) -> None:
    console = Console()
    _print_rates(console, Path(result["file"]).name, result)
    if result["events"]:
        console.print(_event_table(Path(result["file"]).name, result["events"]))
    else:
        console.print(
            f"{Path(result['file']).name}: no event; the most probable label is "
            f"{result['top_label']} at {result['top_probability']:.2f}, below the threshold of "
            f"{result['threshold_on']:.2f}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _event_table(title: str, events: list[dict[str, Any]]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("start", justify="right")
    table.add_column("end", justify="right")
    table.add_column("label")
    table.add_column("probability", justify="right")
    for event in events:
        end = "..." if event["end_s"] is None else f"{event['end_s']:.2f} s"
        row = f"{event['start_s']:.2f} s", end, event["label"], f"{event['probability']:.2f}"
        table.add_row(*(Text(cell) for cell in row))
    return table


def _display(labels: tuple[str, ...], window: Window, events: list[Event]) -> Group:
    """Lay out the current label, bars of the top probabilities, and the latest events."""
    order = np.argsort(window.probabilities)[::-1][:5]
    bars = Table.grid(padding=(0, 1))
    for i in order:
        probability = float(window.probabilities[i])
        bars.add_row(Text(labels[i]), "█" * round(30 * probability), f"{probability:.2f}")
    lasting = ", ".join(event.label for event in events if event.end_s is None) or "-"
    span = f"{window.start_s:7.2f} to {window.end_s:.2f} s"
    heading = Text(f"{span}   {window.bundle}   now: {lasting}", style="bold")
    latest = [dataclasses.asdict(event) for event in events[-8:]]
    return Group(heading, bars, _event_table("events", latest))


def _rates(listener: Listener, classifier: Classifier) -> dict[str, Any]:
    return {
        "bundle": classifier.card.name,
        "runtime": classifier.runtime,
        "requested_hz": listener.requested_hz,
        "granted_hz": listener.granted_hz,
        "effective_hz": classifier.card.rate_hz,
    }


def _print_rates(console: Console, name: str, rates: dict[str, Any]) -> None:
    line = (
        f"\n{name}: requested {rates['requested_hz']:,} Hz, granted {rates['granted_hz']:,} Hz, "
        f"effective {rates['effective_hz']:,} Hz ({rates['bundle']}, {rates['runtime']})"
    )
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _accuracy(card: Card) -> str:
    return "\n".join(
        f"{score.value:.3f} ± {score.std:.3f} {score.kind}"
        for score in card.scores
        if score.metric == "macro_accuracy"
    )


def _warn_of_losses(listener: Listener) -> None:
    lost = listener.source.lost_samples
    if lost:
        print(f"warning: {listener.source.name} lost {lost:,} samples", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
