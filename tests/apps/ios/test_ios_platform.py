"""The iOS platform on objects that follow pyobjus, and on a runtime in C that checks blocks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sdk.apple import Array, Phone, String

from kilohear_ui.platform.ios import IosPlatform


@pytest.fixture
def screen() -> SimpleNamespace:
    """What UIKit and Foundation say, to be changed by a test."""
    return SimpleNamespace(
        style=1, category="UICTContentSizeCategoryL", languages=["de-DE", "en-GB"], idle=None
    )


@pytest.fixture
def platform(iphone: Phone, screen: SimpleNamespace) -> IosPlatform:
    application = SimpleNamespace(
        preferredContentSizeCategory=lambda: String(screen.category),
        setIdleTimerDisabled_=lambda wanted: setattr(screen, "idle", wanted),
    )
    traits = SimpleNamespace(
        traitCollection=lambda: SimpleNamespace(userInterfaceStyle=screen.style)
    )
    device = SimpleNamespace(systemName=String("iOS"), systemVersion=String("17.5", False))
    iphone.pyobjus.classes |= {
        "UIApplication": SimpleNamespace(sharedApplication=lambda: application),
        "UIScreen": SimpleNamespace(mainScreen=lambda: traits),
        "UIDevice": SimpleNamespace(currentDevice=lambda: device),
        "NSLocale": SimpleNamespace(
            preferredLanguages=lambda: Array(*map(String, screen.languages))
        ),
        "NSNumber": SimpleNamespace(numberWithBool_=lambda value: value),
    }
    return IosPlatform(iphone.objc)


def test_what_the_system_says(
    platform: IosPlatform, screen: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="iPhone14,5"))
    assert platform.model() == "iPhone14,5"
    assert platform.version() == "iOS 17.5"
    assert (platform.language(), platform.prefers_dark()) == ("de", False)
    screen.languages, screen.style = [], 2
    assert (platform.language(), platform.prefers_dark()) == ("en", True)


@pytest.mark.parametrize(
    ("category", "scale"),
    [
        ("L", 1.0),
        ("XS", 14 / 17),
        ("XXXL", 23 / 17),
        ("AccessibilityM", 28 / 17),
        ("AccessibilityXXXL", 2.0),
        ("one of a later iOS", 1.0),
    ],
)
def test_text_is_as_large_as_elsewhere(
    platform: IosPlatform, screen: SimpleNamespace, category: str, scale: float
) -> None:
    screen.category = f"UICTContentSizeCategory{category}"
    assert platform.text_scale() == pytest.approx(scale)


def test_the_safe_area_is_in_pixels(platform: IosPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"top": 47.0, "bottom": 34.0, "right": 0.0, "left": 1.0}
    ios = SimpleNamespace(get_scale=lambda: 3.0, get_safe_area=lambda: points)
    monkeypatch.setitem(sys.modules, "ios", ios)  # pyright: ignore[reportArgumentType]
    assert platform.safe_area() == (3.0, 141.0, 0.0, 102.0)


@pytest.mark.parametrize(("permission", "may"), [("undt", None), ("deny", False), ("grnt", True)])
def test_whether_it_may_record(
    iphone: Phone, platform: IosPlatform, permission: str, may: bool | None
) -> None:
    iphone.session.permit(permission)
    assert platform.may_record() is may


@pytest.mark.parametrize("granted", [True, False])
def test_the_answer_comes_in_the_screens_thread(
    iphone: Phone, platform: IosPlatform, monkeypatch: pytest.MonkeyPatch, granted: bool
) -> None:
    from kivy.clock import Clock

    scheduled: list[Callable[[float], None]] = []
    came = threading.Event()

    def schedule(callback: Callable[[float], None]) -> None:
        scheduled.append(callback)
        came.set()

    monkeypatch.setattr(Clock, "schedule_once", schedule)
    iphone.answer(blocks=granted)
    answers: list[bool] = []
    platform.ask_to_record(answers.append)
    assert came.wait(5)
    assert answers == []
    scheduled[0](0.0)
    assert answers == [granted]
    assert iphone.messages()[-1] == (
        "[[AVAudioSession sharedInstance] requestRecordPermission: block]"
    )


def test_the_apps_settings_are_opened(iphone: Phone, platform: IosPlatform) -> None:
    platform.open_settings()
    assert iphone.messages()[-1] == (
        "[[UIApplication sharedApplication] openURL:options:completionHandler: "
        '[NSURL URLWithString: [NSString stringWithUTF8String: "app-settings:"]] '
        "[NSDictionary dictionary] nil]"
    )


def test_a_file_is_offered_and_an_ipad_knows_beside_what(
    iphone: Phone, platform: IosPlatform
) -> None:
    assert platform.share(Path("/app/Documents/kilohear/Über.csv"), "text/csv") is None
    *_, popover, shown = iphone.messages()
    root = "[[[UIApplication sharedApplication] keyWindow] rootViewController]"
    sheet = (
        "[[UIActivityViewController alloc] initWithActivityItems:applicationActivities: "
        "[NSArray arrayWithObject: [NSURL fileURLWithPath: [NSString stringWithUTF8String: "
        '"/app/Documents/kilohear/Über.csv"]]] nil]'
    )
    assert popover == f"[[{sheet} popoverPresentationController] setSourceView: [{root} view]]"
    assert shown == f"[{root} presentViewController:animated:completion: {sheet} YES nil]"


def test_an_iphone_has_no_popover(iphone: Phone, platform: IosPlatform) -> None:
    iphone.answer(nil="popoverPresentationController")
    assert platform.share(Path("/a.csv"), "text/csv") is None
    messages = iphone.messages()
    assert not [message for message in messages if "setSourceView" in message]
    assert "presentViewController" in messages[-1]


def test_without_a_window_it_says_where_the_file_lies(iphone: Phone, platform: IosPlatform) -> None:
    iphone.answer(nil="keyWindow")
    assert platform.share(Path("/a.csv"), "text/csv") == "/a.csv"


def test_the_screen_stays_on_while_wanted(platform: IosPlatform, screen: SimpleNamespace) -> None:
    platform.keep_awake(True)
    assert screen.idle is True
    platform.keep_awake(False)
    assert screen.idle is False


def test_what_was_heard_is_in_no_backup(
    iphone: Phone, platform: IosPlatform, tmp_path: Path
) -> None:
    kept: list[Any] = []

    def url(path: str) -> Any:
        return SimpleNamespace(
            setResourceValue_forKey_error_=lambda *given: kept.append((path, *given))
        )

    iphone.pyobjus.classes["NSURL"] = SimpleNamespace(fileURLWithPath_=url)
    ears = platform.make_ears(tmp_path / "kilohear")
    ears.close()
    assert kept == [(str(tmp_path / "kilohear"), True, "NSURLIsExcludedFromBackupKey", None)]
    assert (tmp_path / "kilohear").is_dir()
