"""The command `kilohear privacy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilohear_bench.terminal import say, show

Clips = Annotated[int | None, typer.Option(help="How many clips, spread over the corpus. [all]")]
Model = Annotated[
    Path | None,
    typer.Option(help="A folder with a Whisper model for CTranslate2. [the package's tiny.en]"),
]
Speech = Annotated[
    Path | None, typer.Option(help="LibriSpeech or a part of it. [librispeech in KILOHEAR_DATA]")
]


def privacy(
    rate: Annotated[
        list[int] | None,
        typer.Option(help="A rate, Hz; again for more. [16, 8, 4, 2, 1 kHz; attack: 2 and 1]"),
    ] = None,
    clips: Clips = None,
    treatment: Annotated[
        list[str] | None,
        typer.Option(help="decimator, soxr or band-extension; again for more. [all]"),
    ] = None,
    model: Model = None,
    speech: Speech = None,
    humans: Annotated[
        Path | None,
        typer.Option(help="Listeners' transcripts to score: clip,rate_hz,listener,transcript."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder; a run that was stopped goes on there. [runs/privacy-TIME]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure how much of speech is understood at each rate: word error rate and STOI."""
    from kilohear import extras
    from kilohear_bench.machine import describe
    from kilohear_bench.privacy.humans import read_answers
    from kilohear_bench.privacy.recogniser import FasterWhisper
    from kilohear_bench.privacy.report import (
        compared,
        make_run,
        notes,
        terminal_table,
        write_report,
    )
    from kilohear_bench.privacy.run import conditions, configure, run_privacy
    from kilohear_bench.privacy.speech import choose, read_utterances, speech_root
    from kilohear_bench.report.plain import default_folder

    for module in ("jiwer", "matplotlib", "pystoi", "soxr"):
        extras.load(module)  # what is missing is said before minutes of work
    corpus = read_utterances(speech or speech_root())
    answers = read_answers(humans, corpus) if humans else []
    chosen, recogniser = choose(corpus, clips), FasterWhisper(model)
    config = configure(conditions(rate or (), treatment or ()), chosen, recogniser)
    folder = out or default_folder("privacy")
    say(f"{len(chosen)} clips, {recogniser.name}, into {folder}")
    config, lines = run_privacy(config, chosen, recogniser, folder, say)
    run = make_run(config, lines, answers, describe())
    write_report(run, folder)
    show(terminal_table(run), [*compared(run), *notes(run)], folder)
