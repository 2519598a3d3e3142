"""The session: whatever ears say, the time line is bounded, without overlaps or hidden labels."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from kilohear.events import Event, Fault, Gap
from kilohear_ui.ears import Cost, Ended, Heard, Level, Said, Started
from kilohear_ui.problems import Problem
from kilohear_ui.session import GAP_SHOWN_S, HORIZON_S, Session, Span

LABELS = ("dog", "rain", "sea_waves")
STARTED = Started("b", "onnx", LABELS, "demo", 16_000, 16_000, 1_000, 5.0, 1.0)

times = st.floats(0, 2_000)
lengths = st.floats(0, 100)
shares = st.floats(0, 1)
probabilities = st.tuples(*[shares] * len(LABELS))
said = st.one_of(
    st.just(STARTED),
    st.builds(
        lambda at, p, ms: Heard(at, at + 5, p, 0.0, ms is None, ms),
        times,
        probabilities,
        st.none() | st.floats(0, 1_000),
    ),
    st.builds(Level, times, st.floats(-200, 0)),
    st.builds(
        lambda label, p, at, length: Event(label, p, at, None if length is None else at + length),
        st.sampled_from(LABELS),
        shares,
        times,
        st.none() | lengths,
    ),
    st.builds(Gap, times, lengths, st.sampled_from(("capture", "student", "outage"))),
    st.builds(Fault, times, st.just("gone")),
    st.builds(Cost, st.none() | shares, st.none(), st.integers(0, 9), st.integers(0, 9)),
    st.just(Ended()),
)
speeches = st.lists(st.tuples(st.floats(0, 60), st.lists(said, max_size=6)), max_size=40)


def hear(speech: list[tuple[float, list[Said]]], session: Session | None = None) -> Session:
    """Let a session hear a speech: pauses, and what was said after each."""
    session = session or Session()
    now_s = 1_000.0
    for pause_s, each in speech:
        now_s += pause_s
        session.take(each, now_s)
    session.take([], now_s + 1)
    assert all((s.end_s or now_s) > now_s - HORIZON_S for s in session.spans())
    assert all(second > now_s - HORIZON_S - 1 for second, _db in session.levels())
    return session


@given(speeches)
def test_spans_of_a_label_never_overlap(speech: list[tuple[float, list[Said]]]) -> None:
    by_label: dict[str, list[Span]] = defaultdict(list)
    for span in hear(speech).spans():
        by_label[span.label].append(span)
    for spans in by_label.values():
        for before, after in itertools.pairwise(spans):
            assert before.end_s is not None
            assert before.start_s <= before.end_s <= after.start_s


@given(speeches, st.sets(st.sampled_from(LABELS)))
def test_hidden_labels_are_never_shown(
    speech: list[tuple[float, list[Said]]], hidden: set[str]
) -> None:
    session = hear(speech)
    assert not {span.label for span in session.spans(hidden)} & hidden
    current = session.current(hidden)
    assert current is None or current.label not in hidden
    if hidden == set(LABELS):
        assert current is None


@given(times, lengths)
def test_a_gap_is_on_the_time_line_and_told_of_for_a_while(start_s: float, lost_s: float) -> None:
    session = Session()
    session.take([STARTED, Gap(start_s, lost_s, "capture")], 1_000.0)
    (span,) = session.spans()
    assert span.label == ""
    assert span.end_s == 1_000.0
    assert session.lost_s == lost_s
    assert abs(1_000.0 - span.start_s - lost_s) < 1e-6
    assert session.gap_to_tell(1_000.0) == Gap(start_s, lost_s, "capture")
    assert session.gap_to_tell(1_000.0 + GAP_SHOWN_S) is None


def test_memory_stays_bounded_however_long_and_fast_it_is_talked_to() -> None:
    session = Session()
    session.take([STARTED], 0.0)
    for i in range(20_000):
        at_s = i / 50
        label = LABELS[i % 3]
        session.take(
            [Event(label, 0.5, at_s, at_s), Level(at_s, -30), Heard(at_s, at_s, (), 0, False, 1)],
            at_s,
        )
    assert len(session.spans()) <= 2_000
    assert len(session.levels()) <= HORIZON_S + 2
    assert session.latency_ms == 1


def test_a_fault_stays_until_the_sound_is_back() -> None:
    session = Session()
    session.take([STARTED, Fault(10, "gone"), Level(11, -90)], 0.0)
    session.take([Heard(4, 9, (0.1, 0.2, 0.3), 0, False, 3)], 0.0)  # was on its way before
    assert session.fault is not None
    session.take([Heard(20, 25, (0.1, 0.2, 0.3), 0, False, 3)], 0.0)
    assert session.fault is None
    session.take([Fault(30, "gone"), Gap(28, 9, "outage")], 0.0)
    assert session.fault is None


def test_what_lasts_goes_before_what_is_likelier() -> None:
    session = Session()
    session.take([STARTED, Heard(0, 5, (0.4, 0.6, 0.0), 0, False, 3)], 5.0)
    guess = session.current()
    assert guess is not None
    assert (guess.label, guess.is_event) == ("rain", False)
    session.take([Event("dog", 0.5, 0, None)], 5.0)
    sure = session.current()
    assert sure is not None
    assert (sure.label, sure.probability, sure.is_event) == ("dog", 0.4, True)
    session.take([Event("dog", 0.5, 0, 5)], 6.0)
    guess = session.current()
    assert guess is not None
    assert guess.label == "rain"


def test_a_problem_that_ends_it_is_handed_on_and_ends_all_spans() -> None:
    session = Session()
    session.take([STARTED, Event("dog", 0.5, 0, None)], 5.0)
    problem = Problem("microphone_lost", "unplugged")
    assert session.take([Ended(problem)], 9.0) == problem
    assert session.started is None
    assert session.current() is None
    assert [span.end_s for span in session.spans()] == [9.0]
