"""The feed: rates, gaps, outages and rest, each marked at its time; memory stays bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kilohear import decimate
from kilohear.capture import feed as feed_module
from kilohear.capture.feed import Backlog, Duty, Feed, Item, Part, Restart, Switch
from kilohear.errors import (
    AudioError,
    ConfigError,
    MicrophoneBusy,
    PermissionRefused,
    SourceLost,
)
from kilohear.events import Fault, Gap

RATE_HZ = 8_000


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)


def items(source: Any, *rates_hz: int, duty: Duty | None = None) -> list[Item]:
    clock = getattr(source, "clock", lambda: 0.0)
    return list(Feed(source, frozenset(rates_hz or (1_000,)), Switch(), duty, clock).items())


def joined(found: list[Item], rate_hz: int = 1_000) -> NDArray[np.float32]:
    return np.concatenate([item.samples[rate_hz] for item in found if isinstance(item, Part)])


def marks(found: list[Item]) -> list[Item]:
    return [item for item in found if not isinstance(item, Part)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RETRY_S", 0.0)


@given(block=st.integers(1, 9_000))
def test_every_rate_is_that_of_the_whole_clip(block: int) -> None:
    clip = noise(1.0)

    class Source:
        name, rate_hz, requested_hz, lost_samples = "clip", RATE_HZ, RATE_HZ, 0

        def blocks(self) -> Iterator[NDArray[np.float32]]:
            for start in range(0, len(clip), block):
                yield clip[start : start + block].copy()

    found = items(Source(), 1_000, 2_000)
    for rate_hz in (1_000, 2_000):
        np.testing.assert_array_equal(joined(found, rate_hz), decimate(clip, RATE_HZ, rate_hz))
    assert marks(found) == []


def test_a_short_loss_is_silence_of_its_length_and_marked(live_source: Any) -> None:
    before, after = noise(1.0), noise(1.0, seed=1)
    found = items(live_source([before, 800, after], rate_hz=RATE_HZ))
    assert marks(found) == [Gap(1.0, 0.1, "capture")]
    whole = np.concatenate([before, np.zeros(800, np.float32), after])
    np.testing.assert_array_equal(joined(found), decimate(whole, RATE_HZ, 1_000))


def test_after_a_long_loss_windows_begin_anew(live_source: Any) -> None:
    before, after = noise(1.0), noise(1.0, seed=1)
    found = items(live_source([before, 5 * RATE_HZ, after], rate_hz=RATE_HZ))
    assert marks(found) == [Gap(1.0, 5.0, "capture"), Restart(6.0)]
    restart = found.index(Restart(6.0))
    np.testing.assert_array_equal(joined(found[:restart]), decimate(before, RATE_HZ, 1_000))
    np.testing.assert_array_equal(joined(found[restart:]), decimate(after, RATE_HZ, 1_000))


def test_a_lost_source_is_opened_again_and_the_outage_has_its_length(live_source: Any) -> None:
    gone = SourceLost("unplugged: plug it in again")
    source = live_source([noise(1.0), gone], [gone], [noise(1.0)], rate_hz=RATE_HZ)

    class Late(type(source)):
        def blocks(self) -> Iterator[NDArray[np.float32]]:
            self.clock.now_s += 1.5 if len(self.acts) < 3 else 0.0  # until it is there again
            yield from super().blocks()

    source.__class__ = Late
    found = items(source)
    assert marks(found) == [
        Fault(1.0, "unplugged: plug it in again"),
        Gap(1.0, 3.0, "outage"),
        Restart(4.0),
    ]


@pytest.mark.parametrize(
    ("error", "cause"),
    [(PermissionRefused, "permission"), (MicrophoneBusy, "busy"), (SourceLost, "lost")],
)
def test_a_fault_has_its_cause(live_source: Any, error: type[SourceLost], cause: str) -> None:
    source = live_source([noise(0.1), error("why")], rate_hz=RATE_HZ)
    assert marks(items(source))[0] == Fault(0.1, "why", cause)  # type: ignore[arg-type]


def test_a_recording_that_is_lost_is_an_error(array_source: Any) -> None:
    class Broken(array_source):
        def blocks(self) -> Iterator[NDArray[np.float32]]:
            raise SourceLost("the disk is gone")

    with pytest.raises(SourceLost, match="disk"):
        items(Broken(noise(0.1), RATE_HZ))


@pytest.mark.parametrize(("seconds", "faults"), [(1.9, 0), (2.0, 1), (9.0, 1)])
def test_exact_zeros_from_a_microphone_are_a_fault_once(
    live_source: Any, seconds: float, faults: int
) -> None:
    silence = [np.zeros(RATE_HZ // 10, np.float32)] * round(10 * seconds)
    found = items(live_source([noise(1.0), *silence, noise(0.1)], rate_hz=RATE_HZ))
    said = [item for item in found if isinstance(item, Fault)]
    assert len(said) == faults
    assert all(fault.cause == "silent" and 2.5 < fault.start_s < 3.1 for fault in said)


def test_zeros_that_last_are_an_outage_with_its_length(live_source: Any) -> None:
    silence = [np.zeros(RATE_HZ // 10, np.float32)] * 50
    before, after = noise(1.0), noise(1.0, seed=1)
    found = items(live_source([before, *silence, after], rate_hz=RATE_HZ))
    fault, gap, restart = marks(found)
    assert isinstance(fault, Fault)
    assert gap == Gap(pytest.approx(1.0), pytest.approx(5.0), "outage")  # type: ignore[arg-type]
    assert restart == Restart(pytest.approx(6.0))  # type: ignore[arg-type]
    heard = np.concatenate([before, np.zeros(2 * RATE_HZ, np.float32)])
    np.testing.assert_array_equal(
        joined(found),
        np.concatenate([decimate(heard, RATE_HZ, 1_000), decimate(after, RATE_HZ, 1_000)]),
    )


@pytest.mark.parametrize("ending", [[], [SourceLost("unplugged")]])
def test_zeros_to_the_end_are_an_outage_too(live_source: Any, ending: list[Any]) -> None:
    silence = [np.zeros(RATE_HZ // 10, np.float32)] * 50
    found = items(live_source([noise(1.0), *silence, *ending], rate_hz=RATE_HZ))
    gaps = [item for item in found if isinstance(item, Gap)]
    assert [(gap.start_s, gap.lost_s) for gap in gaps][:1] == [pytest.approx((1.0, 5.0))]


def test_an_outage_that_a_stop_ends_has_its_length(
    live_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = live_source([noise(1.0), SourceLost("unplugged")], rate_hz=RATE_HZ)

    def stop(switch: Switch, _seconds: float) -> None:
        source.clock.now_s += 7.0
        switch.set(stopped=True)

    monkeypatch.setattr(Switch, "wait", stop)
    assert marks(items(source)) == [Fault(1.0, "unplugged"), Gap(1.0, 7.0, "outage")]


def test_silence_in_a_recording_is_silence(array_source: Any) -> None:
    assert marks(items(array_source(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ))) == []


def test_a_number_that_is_none_is_refused_with_its_time(live_source: Any) -> None:
    bad = noise(1.0)
    bad[400] = np.nan
    with pytest.raises(AudioError, match=r"1\.050 s is nan"):
        items(live_source([noise(1.0), bad], rate_hz=RATE_HZ))


def test_duty_skips_a_recording_in_stretches(array_source: Any) -> None:
    clip = noise(10.0)
    found = items(array_source(clip, RATE_HZ), duty=Duty(1.0, 4.0))
    assert marks(found) == [Restart(4.0), Restart(8.0)]
    stretches = [clip[i * 4 * RATE_HZ :][:RATE_HZ] for i in range(3)]
    heard = np.concatenate([decimate(stretch, RATE_HZ, 1_000) for stretch in stretches])
    np.testing.assert_array_equal(joined(found), heard)


def test_duty_closes_a_microphone_while_it_rests(
    live_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = [noise(0.5), noise(0.5)]
    source = live_source([*second, *second], [*second, *second], rate_hz=RATE_HZ)
    waited: list[float] = []

    def wait(_self: Switch, seconds: float) -> None:
        waited.append(seconds)
        source.clock.now_s += seconds

    monkeypatch.setattr(Switch, "wait", wait)
    found = items(source, duty=Duty(1.0, 4.0))
    assert marks(found) == [Restart(4.0)]
    assert waited[:1] == [pytest.approx(3.0)]
    assert len(joined(found)) == 2_000


@pytest.mark.parametrize(("listen_s", "every_s"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_duty_that_is_none_is_refused(listen_s: float, every_s: float) -> None:
    with pytest.raises(ConfigError, match="duty: listen_s"):
        Duty(listen_s, every_s)


def part(start_s: float) -> Part:
    return Part(start_s, 1.0, {1_000: np.zeros(1_000, np.float32)})


def test_a_backlog_drops_what_nobody_fetches_and_says_so() -> None:
    read = threading.Event()

    def endless() -> Iterator[Item]:
        yield from (part(float(i)) for i in range(100))
        read.set()

    backlog = iter(Backlog(endless(), Switch(), limit_s=5.0))
    found = [next(backlog)]
    assert read.wait(5)
    found += list(backlog)
    kept = [item for item in found if isinstance(item, Part)]
    assert 5 <= len(kept) < 100
    gap, restart = marks(found)
    assert isinstance(gap, Gap)
    assert gap.cause == "student"
    assert gap.start_s + gap.lost_s == 100.0
    assert restart == Restart(100.0)
    assert len(kept) + gap.lost_s == pytest.approx(100.0)


def test_a_backlog_that_is_fetched_loses_nothing() -> None:
    def lockstep() -> Iterator[Item]:
        for i in range(100):
            fetched.acquire()
            yield part(float(i))

    fetched = threading.Semaphore(5)
    found = []
    for item in Backlog(lockstep(), Switch(), limit_s=10.0):
        found.append(item)
        fetched.release()
    assert [item.start_s for item in found if isinstance(item, Part)] == list(range(100))


def test_a_backlog_passes_errors_on_and_stops_when_closed() -> None:
    def failing() -> Iterator[Item]:
        yield part(0.0)
        raise AudioError("no more")

    with pytest.raises(AudioError, match="no more"):
        list(Backlog(failing(), Switch()))
    switch = Switch()

    def until_stopped() -> Iterator[Item]:
        while not switch.is_stopped:
            yield part(0.0)

    generator = iter(Backlog(until_stopped(), switch))
    next(generator)
    generator.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert switch.is_stopped
    assert "kilohear capture" not in {thread.name for thread in threading.enumerate()}
