"""The History screen: days, filter, export and clearing, as a person finds them."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kivy.uix.label import Label
from tests.apps.ui.conftest import Stage
from tests.apps.ui.stand_ins import StandInPlatform

from kilohear.event_log import EventLog, log_files
from kilohear.events import Event, Fault, Gap
from kilohear_ui.app import KilohearApp
from kilohear_ui.screens.history import HistoryScreen, OneLine, in_words
from kilohear_ui.settings import Settings, save_settings
from kilohear_ui.widgets import Banner, Choice, Press, text_width


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """Two days: a dog and rain, then a dog, a gap and a fault."""
    at = [datetime.now().astimezone().replace(hour=12) - timedelta(days=1)]
    log = EventLog(tmp_path / "events.jsonl", now=lambda: at[0])
    log.write(Event("dog", 0.9, 1.0, 3.0))
    log.write(Event("rain", 0.8, 2.0, 4.0))
    at[0] += timedelta(days=1)
    log.write(Event("dog", 0.7, 5.0, None))
    log.write(Gap(6.0, 3.5, "outage"))
    log.write(Fault(7.0, "a call", "busy"))
    return log


class Screen:
    """The screen on its stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.app = stage, stage.app
        stage.app.shell.go("history")
        screen = stage.app.shell.current
        assert isinstance(screen, HistoryScreen)
        self.screen = screen
        reading = stage.app.texts("history.reading")
        stage.until(lambda: screen.summary != reading)

    @property
    def rows(self) -> list[str]:
        return [
            in_words(row["entry"], self.app.texts)[0] if "entry" in row else row["title"]
            for row in self.screen.ids.entries.data
        ]

    def press(self, text: str) -> None:
        [press] = [w for w in self.stage.widgets() if isinstance(w, Press) and w.text == text]
        self.stage.press(press)

    def banners(self) -> list[Banner]:
        return [w for w in self.screen.walk() if isinstance(w, Banner)]


@pytest.fixture
def opened(stage: Callable[..., Any], tmp_path: Path) -> Callable[..., Screen]:
    def open_screen(**settings: Any) -> Screen:
        save_settings(Settings(**settings), tmp_path / "settings.json")
        return Screen(stage(KilohearApp(StandInPlatform(), tmp_path)))

    return open_screen


def test_days_come_newest_first(opened: Callable[..., Screen], log: EventLog) -> None:
    screen = opened()
    assert screen.rows == [
        "Today",
        "Another app had the microphone",
        "Not heard for 3.5 s",
        "dog",
        "Yesterday",
        "rain",
        "dog",
    ]
    texts = screen.stage.texts()
    assert all(row in texts for row in screen.rows)
    assert "rain 1 · dog 1" in texts or "dog 1 · rain 1" in texts


@pytest.mark.parametrize("size", [(320, 640), (1280, 800)])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_clipped(
    opened: Callable[..., Screen], log: EventLog, size: tuple[int, int], language: str
) -> None:
    screen = opened(text_scale=2.0, language=language)
    screen.stage.resize(*size)
    shown = _words(screen)
    ids = screen.screen.ids
    assert any(isinstance(each, OneLine) for each in shown)
    screen.screen.offer_clearing()
    screen.stage.frames(8)
    top = ids.panel.to_window(0, ids.panel.top)[1]
    assert top <= ids.head.to_window(0, ids.head.top)[1] + 1  # the question's beginning is seen
    assert top > ids.head.to_window(0, ids.head.y)[1]
    for each in (*shown, *_words(screen)):
        if isinstance(each, OneLine):
            needed = text_width(each.text, each.font_size), 1.2 * each.font_size
        else:
            needed = each.texture_size
        assert needed[0] <= each.width + 1, each.text
        assert needed[1] <= each.height + 1, each.text


def _words(screen: Screen) -> list[Label]:
    return [w for w in screen.screen.walk() if isinstance(w, Label) and w.text and w.opacity]


def test_a_label_is_picked_and_hidden_ones_are_left_out(
    opened: Callable[..., Screen], log: EventLog
) -> None:
    screen = opened(hidden=("rain",))
    assert "rain" not in screen.rows
    screen.press("Show: everything")
    [choice] = [w for w in screen.screen.walk() if isinstance(w, Choice)]
    assert [text for _, text in choice.options] == ["everything", "dog (2)"]
    choice.choose("dog")
    screen.stage.frames()
    assert screen.rows == ["Today", "dog", "Yesterday", "dog"]


def test_what_is_heard_meanwhile_is_added(opened: Callable[..., Screen], log: EventLog) -> None:
    screen = opened()
    log.write(Event("rooster", 0.9, 8.0, None))
    screen.stage.until(lambda: "rooster" in screen.rows)


def test_clearing_is_asked_for_twice(
    opened: Callable[..., Screen], log: EventLog, tmp_path: Path
) -> None:
    screen = opened()
    screen.press("Clear all")
    [banner] = screen.banners()
    assert "All 5 entries" in banner.text
    screen.press("Cancel")
    assert screen.banners() == []
    assert log_files(log.path) == [log.path]
    screen.press("Clear all")
    banner = screen.banners()[0]
    banner.actions[0][1]()
    screen.stage.frames()
    assert log_files(log.path) == []
    assert screen.screen.summary == "Nothing here yet"
    assert screen.rows == []


@pytest.mark.parametrize(
    ("button", "suffix"), [("Spreadsheet (CSV)", ".csv"), ("JSON Lines", ".jsonl")]
)
def test_an_export_is_shared(
    opened: Callable[..., Screen], log: EventLog, button: str, suffix: str
) -> None:
    screen = opened()
    screen.press("Export")
    screen.press(button)
    platform = screen.app.platform
    assert isinstance(platform, StandInPlatform)
    [shared] = platform.shared
    assert shared.suffix == suffix
    with shared.open(newline="") as file:
        rows = list(csv.DictReader(file)) if suffix == ".csv" else file.readlines()
    assert len(rows) == 5
    assert [banner.title for banner in screen.banners()] == ["The file is ready"]


def test_the_list_is_scrolled_by_the_keyboard(opened: Callable[..., Screen], log: EventLog) -> None:
    for i in range(60):
        log.write(Event("dog", 0.9, 10.0 + i, None))
    screen = opened()
    entries = screen.screen.ids.entries
    assert entries in screen.app.shell.focus_ring.all()
    assert entries.keyed("end")
    assert entries.scroll_y == 0
    assert entries.keyed("home")
    assert entries.scroll_y == 1


def test_an_empty_history_says_what_will_be_here(opened: Callable[..., Screen]) -> None:
    screen = opened()
    assert screen.screen.summary == "Nothing here yet"
    assert "never sound" in screen.screen.note
    assert not any(
        isinstance(w, Press) and w in screen.app.shell.focus_ring.all()
        for w in screen.screen.walk()
    )


def test_leaving_leaves_no_thread(opened: Callable[..., Screen], log: EventLog) -> None:
    screen = opened()
    screen.screen.entered()
    screen.app.shell.go("listen")
    assert "history" not in {thread.name for thread in threading.enumerate()}
