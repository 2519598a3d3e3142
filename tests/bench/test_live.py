"""A live run's sounds and sums: marks stand where they should, losses and differences are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kilohear.errors import AudioError, ConfigError
from kilohear_bench import audio_server
from kilohear_bench.hear import Marked
from kilohear_bench.live import (
    MARK_LEVEL,
    RATE_HZ,
    Sounds,
    compare_events,
    unreported_s,
)

RESULTS = Path(__file__).parents[2] / "bench/results/live"


def whole(sounds: Sounds) -> NDArray[np.float32]:
    return np.concatenate(list(sounds.blocks()))


def marks(source: Any) -> list[int]:
    found: list[int] = []
    for _ in Marked(source, MARK_LEVEL, found.append).blocks():
        pass
    return found


@pytest.mark.parametrize("start_s", [-1.25, 0.0, 3.5, 17.0])
def test_sounds_are_the_same_from_wherever_they_begin(start_s: float) -> None:
    clip, later = whole(Sounds(30.0)), whole(Sounds(30.0, start_s=start_s))
    shift = round(start_s * RATE_HZ)
    np.testing.assert_array_equal(later[max(0, -shift) :], clip[max(0, shift) :])
    assert not later[: max(0, -shift)].any()
    pcm = clip * 32_768
    np.testing.assert_array_equal(pcm, np.round(pcm))
    assert np.lib.stride_tricks.sliding_window_view(clip, RATE_HZ).any(axis=1).all()


def test_marks_are_found_where_they_stand_and_nowhere_else() -> None:
    sounds = Sounds(130.0)
    assert list(sounds.marks_s) == [5.0, 65.0]
    found = np.array(marks(sounds)) / RATE_HZ
    np.testing.assert_allclose(found, sounds.marks_s, atol=2e-3)
    assert found[1] - found[0] == 60.0


def test_a_mark_is_told_once_whatever_the_blocks() -> None:
    class Source:
        name, rate_hz, requested_hz, lost_samples = "blips", 100, 100, 0

        def blocks(self) -> Iterator[NDArray[np.float32]]:
            clip = np.zeros(1_000, np.float32)
            clip[95:105] = clip[505:515] = 0.9
            yield from np.split(clip, 100)

    assert marks(Source()) == [95, 505]


@pytest.mark.parametrize("duration_s", [10.0, 31.0])
def test_sounds_that_are_no_slots_are_refused(duration_s: float) -> None:
    with pytest.raises(ConfigError, match="give a multiple of 5"):
        Sounds(duration_s)


def event(label: str, start_s: float, end_s: float) -> dict[str, Any]:
    return {"label": label, "probability": 0.9, "start_s": start_s, "end_s": end_s}


def test_events_are_paired_by_label_and_time() -> None:
    first = [event("dog", 1.0, 4.0), event("rain", 2.0, 9.0), event("dog", 20.0, 24.0)]
    second = [event("dog", 0.5, 4.0), event("rain", 2.0, 10.5), event("dog", 19.0, 24.5)]
    found = compare_events(first, second, 1.0)
    assert (found.first, found.second, found.same) == (3, 3, 2)
    assert (found.only_first, found.only_second) == ((first[1],), (second[1],))
    assert (found.worst_start_s, found.worst_end_s) == (1.0, 0.5)
    twice = compare_events([first[0], first[0]], second, 1.0)
    assert twice.same == 1, "a partner was taken twice"


def test_what_no_gap_says_is_unreported() -> None:
    given = [1_000, 61_000, 120_500, 180_500]  # half a second is missing before the third
    gap = {"start_s": 100.0, "lost_s": 0.5}
    assert unreported_s(given, 1_000, []) == (0.0, 0.5, 0.5)
    assert unreported_s(given, 1_000, [gap]) == (0.0, 0.0, 0.0)
    assert unreported_s(given, 1_000, [gap, {"start_s": 150.0, "lost_s": 0.2}])[-1] == (
        pytest.approx(-0.2)
    )


def test_an_audio_server_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_server.shutil, "which", lambda program: None)
    with (
        pytest.raises(AudioError, match=r"dbus-daemon, pipewire, .* missing; .*system-packages"),
        audio_server.audio_server(),
    ):
        pass


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_what_a_result_says_follows_from_what_was_heard(path: Path) -> None:
    result = json.loads(path.read_text())
    assert result["kind"] == "measured"
    for listener in result["listeners"].values():
        said, heard = listener["summary"], listener["heard"]
        ended = [e for e in heard if e["kind"] == "event" and e["end_s"] is not None]
        gaps = [each for each in heard if each["kind"] == "gap"]
        given = [each["sample"] for each in heard if each["kind"] == "mark"]
        pairs = compare_events(ended, listener["heard_from_file"], listener["tolerance_s"])
        assert pairs.same == said["events_same"]
        assert said["gaps"] == len(gaps)
        assert said["lost_s"] == pytest.approx(sum(gap["lost_s"] for gap in gaps))
        assert unreported_s(given, heard[0]["granted_hz"], gaps) == tuple(listener["unreported_s"])
        settled = [s for s in listener["samples"] if s["at_s"] >= said["settled_from_s"]]
        spent_s = settled[-1]["cpu_s"] - settled[0]["cpu_s"]
        took_s = settled[-1]["at_s"] - settled[0]["at_s"]
        assert said["cpu_share"] == pytest.approx(spent_s / took_s)
        assert said["peak_rss_bytes"] == max(s["rss_bytes"] for s in listener["samples"])
