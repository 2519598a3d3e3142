"""The run: parts measured one after the other, each written as soon as it is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import get_args

from kilohear import extras
from kilohear.errors import ConfigError
from kilohear_bench.latency import WARM_UP, require_rounds
from kilohear_bench.run import Say
from kilohear_bench.speed.label import measure_label
from kilohear_bench.speed.listening import measure_listening
from kilohear_bench.speed.logmel import measure_log_mel
from kilohear_bench.speed.part import Part, PartName, load_parts, save_part
from kilohear_bench.speed.report import readme_table, write_report
from kilohear_bench.speed.start import measure_start

PARTS: tuple[str, ...] = get_args(PartName)


@dataclasses.dataclass(frozen=True)
class SpeedConfig:
    """What to measure.

    Attributes
    ----------
    parts
        Empty: all.
    peer_bundles, yamnet
        See `measure_label`.
    rounds
        Timed rounds of each part that is timed in turns.
    listen_s, paced_s
        See `measure_listening`.
    """

    parts: tuple[str, ...] = ()
    peer_bundles: tuple[Path, ...] = ()
    yamnet: Path | None = None
    rounds: int = 100
    listen_s: float = 3_600
    paced_s: float = 60

    def __post_init__(self) -> None:
        require_rounds(self.rounds, WARM_UP)
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown:
            raise ConfigError(f"part {unknown[0]!r} is unknown; use one of {', '.join(PARTS)}")
        for name, seconds in (("listen_s", self.listen_s), ("paced_s", self.paced_s or 10)):
            if not 10 <= seconds <= 86_400:
                raise ConfigError(f"{name} is {seconds}; give 10 s to a day, 86,400 s")


def run_speed(config: SpeedConfig, folder: Path, say: Say) -> str:
    """Measure, write into `folder`, and return the summary as a table.

    A part's file takes the place of the one of an earlier run; the report is made of all parts that
    are there then.

    Raises
    ------
    KilohearError
        Where a part can't be measured; those before it are written.
    """
    extras.load("matplotlib")
    measures: Mapping[str, Callable[[], Part]] = {
        "logmel": partial(measure_log_mel, config.rounds, say),
        "label": partial(measure_label, config.peer_bundles, config.yamnet, config.rounds, say),
        "listening": partial(measure_listening, config.listen_s, config.paced_s, say),
        "start": partial(measure_start, config.rounds, say),
    }
    for name in config.parts or PARTS:
        save_part(measures[name](), folder)
        write_report(folder)
    return readme_table(load_parts(folder))
