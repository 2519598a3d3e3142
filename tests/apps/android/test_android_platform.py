"""The platform on stand-ins for Android's classes; run by test_on_java.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kivy.clock import Clock

from android import permissions  # pyright: ignore
from kilohear import android
from kilohear.errors import AudioError
from kilohear_ui.platform.android import AndroidPlatform, launch


def _ask(platform: AndroidPlatform, phone: Any) -> bool:
    """Ask, and let the frame go by that the answer waits for."""
    answers: list[bool] = []
    platform.ask_to_record(answers.append)
    phone.answer()
    assert answers == []  # never from Android's own thread
    Clock.tick()
    [answer] = answers
    return answer


@pytest.fixture
def platform(phone: Any, tmp_path: Path) -> AndroidPlatform:
    phone.folder = str(tmp_path)
    phone.revoke("RECORD_AUDIO")
    permissions._RequestPermissionsManager._java_callback = None  # it is the last activity's
    return AndroidPlatform()


def test_what_was_granted_is_known(platform: AndroidPlatform, phone: Any) -> None:
    assert platform.may_record() is None
    phone.answers = "y"
    assert _ask(platform, phone)
    assert platform.may_record() is True


@pytest.mark.parametrize(("level", "asks_to_notify"), [(34, True), (32, False)])
def test_it_asks_for_notifications_where_there_is_such_a_permission(
    platform: AndroidPlatform, phone: Any, level: int, asks_to_notify: bool
) -> None:
    android.java("android.os.Build$VERSION").SDK_INT = level
    _ask(platform, phone)
    asked = [phone.asked.get(i).rpartition(".")[2] for i in range(phone.asked.size())]
    assert asked == ["RECORD_AUDIO", "POST_NOTIFICATIONS"][: 1 + asks_to_notify]


def test_refused_twice_only_the_settings_help_until_it_is_granted(
    platform: AndroidPlatform, phone: Any
) -> None:
    phone.answers = "nn"
    assert not _ask(platform, phone)
    assert platform.may_record() is None  # it can be asked for once more
    assert not _ask(platform, phone)
    assert platform.may_record() is False
    platform.open_settings()
    assert phone.shown.action == "android.settings.APPLICATION_DETAILS_SETTINGS"
    assert phone.shown.data.toString() == "package:org.kilohear.kilohear"
    phone.grant("RECORD_AUDIO")
    assert platform.may_record() is True


def test_a_question_put_away_can_be_asked_again(platform: AndroidPlatform, phone: Any) -> None:
    phone.answers = "-y"
    assert not _ask(platform, phone)
    assert platform.may_record() is None
    assert _ask(platform, phone)


def test_the_look_is_the_systems(platform: AndroidPlatform, phone: Any) -> None:
    assert not platform.prefers_dark()
    phone.uiMode = 0x21
    assert platform.prefers_dark()
    phone.uiMode = 0x11
    assert not platform.prefers_dark()


def test_the_phone_says_what_it_is(platform: AndroidPlatform) -> None:
    assert (platform.model(), platform.version()) == ("Pixel 8", "Android 14")
    locale = android.java("java.util.Locale")
    locale.setDefault(locale("de", "AT"))
    assert platform.language() == "de"


def test_a_copy_is_shared_with_the_app_that_is_chosen(
    platform: AndroidPlatform, phone: Any, tmp_path: Path
) -> None:
    for name in ("first.csv", "events.csv"):
        (tmp_path / name).write_text("dog\n")
        assert platform.share(tmp_path / name, "text/csv") is None
    assert phone.shown.action == "android.intent.action.CHOOSER"
    offered = phone.shown.offered
    assert (offered.action, offered.type) == ("android.intent.action.SEND", "text/csv")
    address = "content://org.kilohear.kilohear.files/shared/events.csv"
    assert offered.stream.toString() == offered.clip.uri.toString() == address
    assert offered.flags == 1  # may read
    shared = tmp_path / "cache" / "shared"
    assert [(file.name, file.read_text()) for file in shared.iterdir()] == [("events.csv", "dog\n")]


def test_without_an_app_to_take_it_a_file_lies_where_it_is_said(
    platform: AndroidPlatform, phone: Any, tmp_path: Path
) -> None:
    (tmp_path / "events.csv").write_text("dog\n")
    phone.refusal = "no app"
    assert platform.share(tmp_path / "events.csv", "text/csv") == str(tmp_path / "events.csv")


def test_the_screen_is_kept_on_from_the_thread_that_may(
    platform: AndroidPlatform, phone: Any
) -> None:
    platform.keep_awake(True)
    assert phone.windowFlags == 128
    platform.keep_awake(False)
    assert phone.windowFlags == 0


def test_the_service_is_started_from_the_screen(platform: AndroidPlatform, phone: Any) -> None:
    launch()
    assert phone.service.target.getName() == "org.kilohear.kilohear.ServiceEars"
    extras = phone.service.getExtras()
    assert extras.getString("serviceEntrypoint") == "service.py"
    assert extras.getString("androidPrivate") == f"{phone.folder}/files"
    assert extras.getString("serviceStartAsForeground") == "true"


def test_a_start_that_android_refuses_says_what_to_do(
    platform: AndroidPlatform, phone: Any
) -> None:
    phone.refusal = "background"
    with pytest.raises(AudioError, match=r"Not allowed to start service.*open the app"):
        launch()
