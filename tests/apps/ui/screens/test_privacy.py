"""The privacy screen: the picture lives only while it is open, and its numbers name their kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.apps.ui.stand_ins import StandInEars, StandInPlatform

from kilohear.config import read_json
from kilohear_ui.app import KilohearApp
from kilohear_ui.ears import Wish
from kilohear_ui.ears.local import LocalEars
from kilohear_ui.screens.privacy import MISSED, colours

RESULTS = Path(__file__).parents[4] / "bench/results/privacy/run.json"


def listeners() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "kilohear ears"]


@pytest.fixture
def put(stage: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def put(ears: Any = None, **kwargs: Any) -> Any:
        app = KilohearApp(StandInPlatform(**kwargs), tmp_path, "demo-synthetic", ears)
        ready = stage(app)
        app.shell.go("privacy")
        ready.frames()
        return ready

    return put


def test_who_listens_here_is_watched_while_the_screen_is_open(
    put: Callable[..., Any], tmp_path: Path
) -> None:
    ears = LocalEars(tmp_path, runtime="onnx")
    ears.start(Wish(source="demo-synthetic"))
    ready = put(ears)
    screen = ready.app.shell.current
    ready.until(lambda: screen.ids.after.texture is not None)
    assert screen.ids.before.share == 1.0
    assert screen.ids.after.share == pytest.approx(500 / 8_000)
    ready.app.shell.go("listen")
    assert screen.ids.before.texture is screen.ids.after.texture is None
    assert ears.spectrum() is None
    assert ears.is_listening


def test_a_service_rests_while_the_screen_listens_in_its_place(put: Callable[..., Any]) -> None:
    ears = StandInEars()
    ears.is_listening = True
    ready = put(ears)
    assert ears.asked == ["pause"]
    screen = ready.app.shell.current
    ready.until(lambda: screen.ids.before.texture is not None)
    ready.app.on_pause()  # to the background: the service must hear again
    assert ears.asked == ["pause", "resume"]
    assert listeners() == []
    assert screen.ids.before.texture is None


def test_where_nobody_listens_a_button_does(put: Callable[..., Any], tmp_path: Path) -> None:
    ready = put(StandInEars())
    screen = ready.app.shell.current
    assert listeners() == []
    ready.press(screen.ids.listen)
    ready.until(lambda: screen.ids.before.texture is not None)
    ready.press(screen.ids.listen)
    ready.until(lambda: not listeners())
    ready.until(lambda: screen.ids.before.texture is None)
    assert not (tmp_path / "events.jsonl").exists()


@pytest.mark.parametrize(
    ("bundle", "missed"), [("esc10-1khz", ("96.5", "97.6")), ("esc10-2khz", ("55.6", "83.2"))]
)
def test_numbers_are_of_the_rate_and_name_their_kind(
    put: Callable[..., Any], bundle: str, missed: tuple[str, str]
) -> None:
    ready = put(StandInEars())
    ready.app.change(bundle=bundle)
    ready.until(lambda: any(missed[0] in text for text in ready.texts()))
    shown = "\n".join(ready.texts())
    assert missed[1] in shown
    assert "published" in shown
    assert "measured" in shown


def test_louder_is_lighter() -> None:
    levels = np.linspace(-110, -10, 50, dtype=np.float32)[:, None]
    lightness = colours(levels).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert lightness.shape == (1, 50)
    assert np.all(np.diff(lightness[0]) >= -1)
    assert lightness[0, -1] - lightness[0, 0] > 200


@pytest.mark.parametrize("rate_hz", MISSED)
def test_what_a_recogniser_missed_is_what_was_measured(rate_hz: int) -> None:
    (found,) = (
        each
        for each in read_json(RESULTS)["measurements"]
        if each["name"] == "word_error_rate"
        and each["conditions"]["who"] == "recogniser"
        and each["conditions"]["rate_hz"] == rate_hz
        and each["conditions"]["treatment"] == "decimator"
    )
    capped = np.minimum(found["samples"], 1.0)  # nobody misses more words than were said
    missed = np.average(capped, weights=found["conditions"]["words"])
    assert MISSED[rate_hz].recogniser == pytest.approx(100 * missed, abs=0.05)
