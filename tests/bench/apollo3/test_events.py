"""The board's events are the SDK's."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from apollo3.checks.arm import HOST_CC, STAGES, build_host, missing_tool
from kilohear.events import Event, EventDetector

CLASSES = 3
HOP_US = 5_120_000


class BoardEvent(ctypes.Structure):
    """`event_t` of stages/events.h."""

    _fields_ = (
        ("label", ctypes.c_uint32),
        ("ended", ctypes.c_bool),
        ("probability", ctypes.c_float),
        ("start_us", ctypes.c_uint64),
        ("end_us", ctypes.c_uint64),
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if reason := missing_tool(HOST_CC):
        pytest.skip(reason)
    library = build_host((STAGES / "events.c",), tmp_path_factory.mktemp("events"))
    times = (ctypes.c_uint64, ctypes.c_uint64)
    library.events_push.argtypes = [ctypes.c_void_p, *times, ctypes.c_void_p]
    return library


def values(event: BoardEvent) -> tuple[int, bool, float, int, int]:
    return event.label, event.ended, event.probability, event.start_us, event.end_us


def on_board(
    board: ctypes.CDLL, windows: NDArray[np.float32], hop_us: int
) -> list[tuple[int, bool, float, int, int]]:
    room = (BoardEvent * CLASSES)()
    board.events_reset(CLASSES)
    events = []
    for i, window in enumerate(windows):
        count = board.events_push(window.ctypes.data, i * hop_us, (i + 1) * hop_us, room)
        events += [values(event) for event in room[:count]]
    return events + [values(event) for event in room[: board.events_flush(room)]]


def by_sdk(windows: NDArray[np.float32], hop_us: int) -> list[Event]:
    detector = EventDetector(("a", "b", "c"))
    events = []
    for i, window in enumerate(windows):
        events += detector.push(window, i * hop_us / 1e6, (i + 1) * hop_us / 1e6)
    return events + detector.flush()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([100_000, 500_000, 1_000_000, HOP_US]))
def test_events_are_those_of_the_sdk(board: ctypes.CDLL, seed: int, hop_us: int) -> None:
    random = np.random.default_rng(seed)
    windows = random.dirichlet([0.3] * CLASSES, 40).astype(np.float32)
    fresh, known = on_board(board, windows, hop_us), by_sdk(windows, hop_us)
    assert len(fresh) == len(known)
    for (label, ended, probability, start_us, end_us), event in zip(fresh, known, strict=True):
        assert "abc"[label] == event.label
        assert ended == (event.end_s is not None)
        assert probability == pytest.approx(event.probability, abs=1e-5)
        assert start_us == round(event.start_s * 1e6)
        if event.end_s is not None:
            assert end_us == round(event.end_s * 1e6)


def test_single_window_stands_for_itself(board: ctypes.CDLL) -> None:
    windows = np.array([[0.5, 0.3, 0.2]], np.float32)
    onset, end = on_board(board, windows, HOP_US)
    assert onset[:3] == (0, False, 0.5)
    assert end == (0, True, 0.5, 0, HOP_US)


def test_reset_forgets(board: ctypes.CDLL) -> None:
    loud = np.array([[1.0, 0.0, 0.0]] * 3, np.float32)
    assert on_board(board, loud, HOP_US) == on_board(board, loud, HOP_US)
