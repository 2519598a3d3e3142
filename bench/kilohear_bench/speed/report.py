"""The report: `report.md` and `speed.png` of the parts in a folder, and the README's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from kilohear.errors import DataError
from kilohear.files import write_text
from kilohear_bench.figure import NAMES
from kilohear_bench.latency import real_time_factor
from kilohear_bench.measurement import Measurement, interval_of_median
from kilohear_bench.memory import SETTLED_S
from kilohear_bench.peers import COVERING, USUAL_HOP, ratio
from kilohear_bench.report.plain import markdown_table
from kilohear_bench.speed.label import AND_DECIMATION
from kilohear_bench.speed.listening import drift
from kilohear_bench.speed.logmel import OURS, TOLERANCE_DB, subject_name
from kilohear_bench.speed.part import BUNDLE, Part, load_parts
from kilohear_bench.speed.start import KILOHEAR, NUMPY, first_result

CPU_SHARE_GOAL, MEMORY_GOAL_MB, IMPORT_GOAL_S, FIRST_RESULT_GOAL_S = 0.003, 80, 0.1, 0.3

_COLUMNS = ("what", "kilohear", "beside it")

_Parts = Mapping[str, Part]


def write_report(folder: Path) -> None:
    """Write the report on the parts that `folder` holds.

    Raises
    ------
    DataError
        Where it holds none.
    """
    from kilohear_bench.speed.figure import draw_speed

    parts = load_parts(folder)
    if not parts:
        raise DataError(f"{folder}: holds no part of the comparison; run kilohear bench-speed")
    draw_speed(parts, folder / "speed.png")
    write_text(folder / "report.md", markdown(parts))


def readme_table(parts: _Parts) -> str:
    """Return the README's table as Markdown: the 1 kHz student beside peers and goals."""
    return "\n".join(markdown_table(_COLUMNS, _summary(parts), len(_COLUMNS)))


def markdown(parts: _Parts) -> str:
    """Return the whole report as Markdown."""
    lines = ["# Speed", "", "All measured; raw samples in the JSON files beside.", ""]
    lines += [readme_table(parts), "", "![Speed](speed.png)", ""]
    sections = {
        "label": ("5 s of waveform to a label", _label_section),
        "logmel": ("Log-mel", _log_mel_section),
        "listening": ("Listening for an hour", _listening_section),
        "start": ("Start", _start_section),
    }
    for name, (title, section) in sections.items():
        if name in parts:
            lines += [f"## {title}", "", _taken(parts[name]), "", *section(parts[name]), ""]
    return "\n".join(lines)


def of_the_difference(longer: Measurement, shorter: Measurement) -> tuple[float, float, float]:
    """Return the median of the differences within a round and its 95% bootstrap interval."""
    differences = np.asarray(longer.samples) - np.asarray(shorter.samples)
    return float(np.median(differences)), *interval_of_median(differences)


def _summary(parts: _Parts) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    if "label" in parts:
        rows += _label_rows(parts["label"])
    if "logmel" in parts:
        rows += _log_mel_rows(parts["logmel"])
    if "listening" in parts:
        rows += _listening_rows(parts["listening"])
    if "start" in parts:
        rows += _start_rows(parts["start"])
    return rows


def _label_rows(part: Part) -> Iterable[tuple[str, str, str]]:
    latencies = part.of("latency")
    for name, student in latencies.items():
        about = student.conditions
        is_shown = about["bundle"] == BUNDLE and about["precision"] == "float32"
        if about["role"] != "student" or not is_shown or AND_DECIMATION in name:
            continue
        shown = [m for m in latencies.values() if _is_shown_beside(m, about["runtime"])]
        beside = [f"{_peer_name(peer)} takes {_times(student, peer)}" for peer in shown]
        yield (
            f"5 s of waveform to a label, {_name(about['runtime'])} float32",
            f"{student.median:.2f} ms, p95 {student.p95:.2f} ms",
            "; ".join(beside) or "no peer was measured",
        )


def _log_mel_rows(part: Part) -> Iterable[tuple[str, str, str]]:
    times = part.of("cpu_time")
    for ours in times.values():
        about = ours.conditions
        if about["library"] != OURS or about["way"] == "decimated" or about["rate_hz"] == 2_000:
            continue
        beside = [
            f"{m.conditions['library']} {_factor(m)}"
            for m in times.values()
            if m is not ours
            and (m.conditions["rate_hz"], m.conditions["way"]) == (about["rate_hz"], about["way"])
        ]
        way = "in blocks of 0.1 s" if about["way"] == "blocks" else "of a whole clip"
        yield (
            f"log-mel {way} at {about['rate_hz'] // 1000} kHz, seconds of sound a CPU second",
            _factor(ours),
            ", ".join(beside) or "no peer was measured",
        )


def _listening_rows(part: Part) -> Iterable[tuple[str, str, str]]:
    for name, share in part.of("cpu_share").items():
        if share.conditions["paced"] or share.conditions["granted_hz"] != 16_000:
            continue
        runtime, hours = share.conditions["runtime"], share.conditions["sound_s"] / 3600
        paced = [
            f"{m.mean:.2%} in blocks of {m.conditions['block_s']:g} s"
            for m in part.of("cpu_share").values()
            if m.conditions["paced"] and m.conditions["runtime"] == runtime
        ]
        note = f"; at the speed of sound {', '.join(paced)}" if paced else ""
        yield (
            f"listening, {_name(runtime)}: share of one core",
            f"{share.mean:.2%}",
            f"goal {CPU_SHARE_GOAL:.1%}{note}",
        )
        peak = part.of("peak_memory")[name]
        yield (
            f"listening, {_name(runtime)}: peak memory over {hours:.2g} h",
            f"{peak.median / 1e6:.0f} MB",
            f"goal {MEMORY_GOAL_MB} MB; {_drift_cell(part.of('resident_memory')[name])}",
        )


def _start_rows(part: Part) -> Iterable[tuple[str, str, str]]:
    latencies = part.of("latency")
    extra_ms, low, high = of_the_difference(latencies[KILOHEAR], latencies[NUMPY])
    yield (
        "`import kilohear`, on top of numpy",
        f"{extra_ms / 1e3:.3f} s (95% {low / 1e3:.3f} to {high / 1e3:.3f})",
        f"goal {IMPORT_GOAL_S:g} s",
    )
    for runtime, name in NAMES.items():
        first = latencies.get(first_result(runtime))
        if first:
            peak = part.of("peak_memory")[f"{BUNDLE} {runtime} float32"]
            yield (
                f"first result of a fresh process, {name}",
                f"{first.median / 1e3:.2f} s, {peak.median / 1e6:.0f} MB",
                f"goal {FIRST_RESULT_GOAL_S:g} s, {MEMORY_GOAL_MB} MB; interpreter and numpy "
                f"alone {latencies[NUMPY].median / 1e3:.2f} s",
            )


def _label_section(part: Part) -> list[str]:
    latencies = part.of("latency")
    peers = [
        m
        for m in latencies.values()
        if m.subject in (COVERING, USUAL_HOP)
        or (m.conditions["role"] == "peer" and m.conditions["bundle"] != "YAMNet")
    ]
    columns = ["subject", "median ms", "95% of the median", "p95 ms", "real-time factor"]
    columns += [f"{peer.subject} / it" for peer in peers]
    rows = []
    for m in latencies.values():
        is_student = m.conditions["role"] == "student"
        factor = real_time_factor(part.configuration["window_s"], m.median)
        cells = (f"{m.median:.3f}", "{:.3f} to {:.3f}".format(*m.interval), f"{m.p95:.3f}")
        ratios = [_times(m, peer) if is_student else "" for peer in peers]
        rows.append((m.subject, *cells, f"{factor:,.0f}", *ratios))
    notes = [
        "One thread, in turns: a round calls each once, in an order drawn anew. `/ it`: how many "
        "times as long a peer takes, the median of the ratios within a round, with its 95% "
        "bootstrap interval.",
        part.configuration["note"],
        "Every file holds its front end: waveform in, probabilities out.",
    ]
    return [*markdown_table(columns, rows, 1), "", *_notes(part, notes)]


def _log_mel_section(part: Part) -> list[str]:
    columns = ("rate", "library", "way", "CPU ms", "seconds of sound a CPU second")
    columns += ("CPU time over kilohear's",)
    times = part.of("cpu_time")
    rows = []
    for m in times.values():
        about = m.conditions
        ours = times[subject_name(OURS, about["rate_hz"], about["way"])]
        over = "" if m is ours else _times(ours, m)
        rate = f"{about['rate_hz']:,} Hz"
        rows.append((rate, about["library"], about["way"], f"{m.median:.3f}", _factor(m), over))
    notes = [
        "CPU time of all threads, held to one, for the same 10 s of noise; front end `native`. "
        "Frame length, hop, DFT points, window, bands and floor are the same for all, and so are "
        f"the features, within {TOLERANCE_DB:g} dB: compared before anything was timed.",
        "whole: the clip in one piece. blocks: as a stream, 0.1 s at a time; librosa and torch "
        "don't offer this. decimated: blocks at 16 kHz, brought to the rate on the way.",
        "librosa builds its mel bank in every call, as `feature.melspectrogram` does. "
        "kaldi-native-fbank's Python binding takes its samples one by one.",
    ]
    return [*markdown_table(columns, rows, 3), "", *_notes(part, notes)]


def _listening_section(part: Part) -> list[str]:
    columns = ("subject", "sound", "windows", "share of one core", "p95", "peak MB", "memory moves")
    rows = []
    for name, share in part.of("cpu_share").items():
        about = share.conditions
        peak = part.of("peak_memory")[name].median / 1e6
        moves = _drift_cell(part.of("resident_memory")[name])
        with_torch = " (with torch)" if about["torch_imported"] else ""
        rows.append(
            (
                f"{name}{with_torch}",
                f"{about['sound_s']:,.0f} s",
                f"{about['windows']:,}",
                f"{share.mean:.3%}",
                f"{share.p95:.3%}",
                f"{peak:.1f}",
                moves,
            )
        )
    notes = [
        "Share of one core: CPU seconds of the whole process, over all samples, by seconds of "
        "sound; what making the sound costs is taken off. Memory: the whole process, with "
        "interpreter and numpy; how it moves is its slope by least squares and highest - lowest "
        f"from minute {SETTLED_S / 60:g} on.",
        "Sound comes as fast as the listener takes it, as from a recording, in blocks of 0.1 s. "
        "`paced` is at the speed of sound, where caches and clock cool down between blocks: nearer "
        "to a microphone, whose driver and thread aren't in it.",
    ]
    return [*markdown_table(columns, rows, 1), "", *_notes(part, notes)]


def _start_section(part: Part) -> list[str]:
    columns = ("process", "median s", "95% of the median", "p95 s")
    rows = [
        (
            m.subject,
            f"{m.median / 1e3:.3f}",
            "{:.3f} to {:.3f}".format(*(bound / 1e3 for bound in m.interval)),
            f"{m.p95 / 1e3:.3f}",
        )
        for m in part.of("latency").values()
    ]
    notes = [
        "Fresh processes in turns, from their start until the import is done or the label is out; "
        "files in the system's cache, bytecode there. First results include interpreter and numpy; "
        f"they are of {BUNDLE}, float32.",
    ]
    return [*markdown_table(columns, rows, 1), "", *_notes(part, notes)]


def _taken(part: Part) -> str:
    machine, conditions = part.machine, part.measurements[0].conditions
    return (
        f"{part.started_at}, {machine['cpu']}, {machine['physical_cores']} cores, "
        f"{machine['system']}, Python {machine['python']}; load average before: "
        f"{conditions['load_average_1_min'] or 0:.2f}."
    )


def _notes(part: Part, notes: list[str]) -> list[str]:
    left_out = [f"{peer} is left out: {why}." for peer, why in part.left_out.items()]
    return [f"- {note}" for note in notes + left_out]


def _times(ours: Measurement, peer: Measurement) -> str:
    found = ratio(ours, peer)
    low, high = found.interval
    digits = 1 if found.paired >= 2 else 2
    return f"{found.paired:.{digits}f} times ({low:.{digits}f} to {high:.{digits}f})"


def _factor(m: Measurement) -> str:
    return f"{real_time_factor(m.conditions['sound_s'], m.median):,.0f}"


def _drift_cell(resident: Measurement) -> str:
    moved = drift(resident.samples, resident.conditions["every_s"])
    if moved is None:
        return "too short to see memory move"
    slope, spread = (value / 1e6 for value in moved)
    return f"{slope:+.2f} MB an hour, within {spread:.2f} MB"


def _is_shown_beside(m: Measurement, runtime: str) -> bool:
    is_bundle = m.conditions["role"] == "peer" and m.conditions["runtime"] == runtime
    return m.subject == COVERING or is_bundle


def _peer_name(m: Measurement) -> str:
    return "YAMNet in LiteRT" if m.subject == COVERING else m.conditions["bundle"]


def _name(runtime: str) -> str:
    return NAMES.get(runtime, runtime)
