"""A process that listens and says in JSON lines what it hears; SIGTERM ends it in order.

    python -m kilohear_bench.hear '{"bundle": "esc10-1khz", "source": "microphone", ...}'

It imports what a listener needs and nothing else, so that its memory and time are a listener's.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.capture import Source, open_source
from kilohear.events import Detection, Event, Fault, Gap
from kilohear.listener import Listener

KINDS = {Event: "event", Gap: "gap", Fault: "fault"}


class Marked:
    """A source that says where marks are: sound above a level, after a second without one.

    Parameters
    ----------
    source
        What it passes on.
    level
        Of a mark, 0 to 1.
    say
        Gets each mark as it comes.

    Attributes
    ----------
    samples
        How many the source gave so far; a mark's first sample is counted by them.
    """

    def __init__(self, source: Source, level: float, say: Callable[[int], None]) -> None:
        self._source, self._level, self._say = source, level, say
        self.name, self.live = source.name, getattr(source, "live", False)
        self.requested_hz, self.rate_hz = source.requested_hz, source.rate_hz
        self.samples = 0

    @property
    def lost_samples(self) -> int:
        """Samples that the source underneath dropped."""
        return self._source.lost_samples

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the source's blocks."""
        latest = -self.rate_hz
        for block in self._source.blocks():
            if float(block.max()) > self._level:
                at = self.samples + int(np.argmax(block > self._level))
                if at >= latest + self.rate_hz:
                    self._say(at)
                    latest = at
            self.samples += len(block)
            yield block


def _say(kind: str, **what: Any) -> None:
    print(json.dumps({"kind": kind, "at": time.monotonic(), **what}), flush=True)


def main(options: dict[str, Any]) -> None:
    """Listen as `options` say: bundle, source, runtime, detection, mark_level."""
    level = options.get("mark_level", 1.0)
    source = Marked(open_source(options["source"]), level, lambda at: _say("mark", sample=at))
    listener = Listener(
        options["bundle"],
        source,
        runtime=options.get("runtime", "onnx"),
        detection=Detection(**options.get("detection", {})),
        report="both",
    )
    signal.signal(signal.SIGTERM, lambda *_: listener.stop())
    _say(
        "listening",
        source=source.name,
        requested_hz=listener.requested_hz,
        granted_hz=listener.granted_hz,
        effective_hz=listener.effective_hz[0],
        runtime=listener.classifiers[0].runtime,
        version=listener.classifiers[0].backend.version,
    )
    for heard in listener.hear():
        _say(KINDS[type(heard)], **dataclasses.asdict(heard))
    _say(
        "end",
        samples=source.samples,
        lost_samples=source.lost_samples,
        **dataclasses.asdict(listener.statistics),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
