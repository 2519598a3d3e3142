"""The foreground service on stand-ins for Android's classes; run by test_on_java.py."""

from __future__ import annotations

from typing import Any

import pytest

from kilohear import android
from kilohear.capture.android_service import start_in_foreground
from kilohear.errors import AudioError


def _set_level(level: int) -> None:
    android.java("android.os.Build$VERSION").SDK_INT = level


def test_the_service_listens_with_a_notification(phone: Any) -> None:
    phone.startService()
    start_in_foreground("Listening", "for the rooster", channel="farm", notification=3)
    assert (phone.foregroundId, phone.foregroundType) == (3, 128)
    shown = phone.notification
    assert (shown.title, shown.text, shown.channel) == ("Listening", "for the rooster", "farm")
    assert (shown.icon, shown.isOngoing) == (7, True)
    assert shown.tapped.intent.action == "android.intent.action.MAIN"
    assert (phone.channel.getId(), phone.channel.getImportance()) == ("farm", 2)


@pytest.mark.parametrize(("level", "has_channel"), [(29, True), (25, False)])
def test_older_phones_get_what_they_know(phone: Any, level: int, has_channel: bool) -> None:
    phone.startService()
    _set_level(level)
    phone.revoke("FOREGROUND_SERVICE_MICROPHONE")
    start_in_foreground("Listening", "for the rooster")
    assert (phone.foregroundId, phone.foregroundType) == (1, 0)
    assert phone.notification.channel == ("kilohear" if has_channel else "")
    assert (phone.channel is not None) == has_channel


@pytest.mark.parametrize(
    "permission", ["RECORD_AUDIO", "FOREGROUND_SERVICE", "FOREGROUND_SERVICE_MICROPHONE"]
)
def test_a_missing_permission_is_named_before_anything_starts(phone: Any, permission: str) -> None:
    phone.startService()
    phone.revoke(permission)
    with pytest.raises(AudioError, match=rf"{permission} isn't granted; name it in"):
        start_in_foreground("Listening", "for the rooster")
    assert phone.notification is None
    assert phone.channel is None


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ("background", "ForegroundServiceStartNotAllowedException.*while the app is on the screen"),
        ("permission", "SecurityException.*while the app is on the screen"),
        ("manifest", "not a subset.*foregroundServiceType=microphone"),
    ],
)
def test_what_android_refuses_comes_with_the_next_step(
    phone: Any, refusal: str, message: str
) -> None:
    phone.startService()
    phone.refusal = refusal
    with pytest.raises(AudioError, match=message):
        start_in_foreground("Listening", "for the rooster")


def test_outside_a_service_nothing_is_started(phone: Any) -> None:
    with pytest.raises(AudioError, match=r"no service.*mService is null.*buildozer\.spec"):
        start_in_foreground("Listening", "for the rooster")
