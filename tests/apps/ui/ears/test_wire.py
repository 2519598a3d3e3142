"""The wire: what is said arrives as it was, however it is split, and nothing else can cross."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.capture.feed import Duty
from kilohear.errors import ConfigError
from kilohear.events import Event, Fault, Gap
from kilohear_ui.ears import Cost, Ended, Heard, Level, Said, Started, Trouble, Wish
from kilohear_ui.ears.wire import Ask, Hello, Lines, Message, from_line, socket_path, to_line
from kilohear_ui.problems import Problem

EXAMPLES: list[Message] = [
    Started("b", "onnx", ("dog", "rain"), "demo", 8_000, 16_000, 1_000, 5.0, 1.0),
    Heard(0.0, 5.0, (0.25, 0.75), 0.0, False, 0.5),
    Heard(0.0, 5.0, (0.0, 0.0), 1.0, True, None),
    Level(0.5, -30.0),
    Cost(None, None, 3, 1),
    Cost(0.01, 50_000_000, 3, 1),
    Event("dog", 0.9, 1.0, None, "b"),
    Event("hündchen\n", 0.9, 1.0, 2.0),
    Gap(1.0, 2.0, "capture"),
    Fault(1.0, "a call", "busy"),
    Trouble(Problem("disk_full", "full")),
    Ended(),
    Ended(Problem("no_bundle", "none")),
    Hello(1, 42, True, False),
    Ask("start", Wish(duty=Duty(5, 30), gate_db=-60.0)),
    Ask("start", Wish(), is_paused=True),
    Ask("stop"),
]


def test_every_type_that_is_said_is_tried() -> None:
    assert {type(each) for each in EXAMPLES} == set(get_args(Message))


@given(data=st.data())
def test_what_is_said_arrives_however_it_is_split(data: st.DataObject) -> None:
    messages = data.draw(st.lists(st.sampled_from(EXAMPLES), max_size=6))
    stream = b"".join(map(to_line, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    lines = Lines()
    pieces = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    found = [message for a, b in pieces for message in lines.push(stream[a:b])]
    assert found == messages


@given(line=st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ConfigError, match="wire"):
        from_line(line)


@pytest.mark.parametrize("name", [[], {}, 1, None, "Samples", "Message"])
def test_a_kind_that_is_none_is_refused(name: object) -> None:
    with pytest.raises(ConfigError, match="is no message"):
        from_line(json.dumps({"is": name}).encode())


def test_another_version_and_an_endless_line_are_refused() -> None:
    with pytest.raises(ConfigError, match="version 2"):
        from_line(to_line(Hello(2, 1)))
    with pytest.raises(ConfigError, match="65,536"):
        Lines().push(b"x" * 70_000)


def test_nothing_that_is_said_could_hold_sound() -> None:
    """By their types: numbers and words one at a time, but for labels and their probabilities."""
    for kind in get_args(Said):
        for name, hint in get_type_hints(kind).items():
            for part in get_args(hint) or (hint,):
                assert part not in (bytes, bytearray, memoryview, list, dict), (kind, name)
            if "tuple" in str(hint):
                assert (kind, name) in ((Started, "labels"), (Heard, "probabilities"))


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    assert socket_path(tmp_path).parent == tmp_path
    with pytest.raises(ConfigError, match="at most 103"):
        socket_path(tmp_path / ("x" * 100))
