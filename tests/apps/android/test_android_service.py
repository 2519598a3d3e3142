"""The service that python-for-android starts, on stand-ins for Android's classes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.apps.android.conftest import APP

from kilohear import android
from kilohear.errors import AudioError
from kilohear_ui.ears.wire import kept_end
from kilohear_ui.platform.android import SERVICE


def test_a_service_that_android_started_anew_listens(phone: Any) -> None:
    service = android.java(SERVICE)()
    assert service.onStartCommand(None, 0, 1) == service.START_STICKY
    assert (phone.foregroundId, phone.stopped) == (1, 0)
    assert phone.notification.tapped.intent.target.getName() == "org.kivy.android.PythonActivity"


@pytest.mark.parametrize(
    ("refusal", "kind"), [("background", "service_gone"), ("permission", "no_permission")]
)
def test_a_service_that_may_not_listen_says_so_and_ends(
    phone: Any, tmp_path: Path, refusal: str, kind: str
) -> None:
    phone.refusal, phone.folder = refusal, str(tmp_path)
    (tmp_path / "files").mkdir()
    if kind == "no_permission":
        phone.revoke("RECORD_AUDIO")
    service = android.java(SERVICE)()
    service.onStartCommand(None, 0, 1)
    assert phone.foregroundId == 0
    assert phone.stopped == 1
    assert phone.notification.title == service.getString(1)
    assert phone.notification.endsWhenTapped
    ended = kept_end(tmp_path / "files")
    assert ended is not None
    assert ended.problem is not None
    assert ended.problem.kind == kind
    assert "Android doesn't let the service listen" in ended.problem.detail
    assert [file.name for file in (tmp_path / "files").iterdir()] == ["ended.json"]
    assert phone.notification.tapped.intent.target.getName() == "org.kivy.android.PythonActivity"


def test_a_mistake_in_the_manifest_is_not_hidden(phone: Any) -> None:
    phone.refusal = "manifest"
    with pytest.raises(android.java_error(), match="not a subset"):
        android.java(SERVICE)().onStartCommand(None, 0, 1)


@pytest.fixture
def heard(phone: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, ...]]:
    """What the service listens with: its folder, and what the phone shows by then."""
    heard: list[tuple[object, ...]] = []

    def run_service(folder: Path) -> None:
        heard.append((folder, phone.foregroundType, phone.notification.title))

    monkeypatch.setitem(
        sys.modules, "kilohear_ui.ears.service", SimpleNamespace(run_service=run_service)
    )
    monkeypatch.setenv("ANDROID_PRIVATE", str(tmp_path))
    phone.startService()
    return heard


@pytest.mark.parametrize(("language", "title"), [("de", "H\u00f6rt zu"), ("fr", "Listening")])
def test_service_py_is_in_the_foreground_before_it_listens(
    heard: list[tuple[object, ...]], tmp_path: Path, language: str, title: str
) -> None:
    locale = android.java("java.util.Locale")
    locale.setDefault(locale(language))
    runpy.run_path(str(APP / "service.py"), run_name="__main__")
    assert heard == [(tmp_path, 128, title)]


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        ("background", "service_gone", "while the app is on the screen"),
        ("", "no_permission", "RECORD_AUDIO isn't granted"),
    ],
)
def test_service_py_hears_nothing_where_it_may_not_and_leaves_word_for_the_app(
    heard: list[tuple[object, ...]],
    phone: Any,
    tmp_path: Path,
    refusal: str,
    kind: str,
    words: str,
) -> None:
    if refusal:
        phone.refusal = refusal
    else:
        phone.revoke("RECORD_AUDIO")
    with pytest.raises(AudioError, match=words):
        runpy.run_path(str(APP / "service.py"), run_name="__main__")
    assert heard == []
    ended = kept_end(tmp_path)
    assert ended is not None
    assert ended.problem is not None
    assert ended.problem.kind == kind


def test_the_app_and_its_service_share_a_folder(
    phone: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kivy's folder of the app is what python-for-android's service gets as ANDROID_PRIVATE."""
    for name in ("KIVY_NO_ARGS", "KIVY_NO_CONSOLELOG", "KIVY_NO_FILELOG"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KIVY_HOME", str(tmp_path))
    monkeypatch.setattr("kivy.app.platform", "android")
    from kivy.app import App

    phone.folder = str(tmp_path)
    of_the_app = App().user_data_dir
    service = android.java("org.kivy.android.PythonActivity").mActivity
    intent = android.java(SERVICE).getDefaultIntent(service, "", "", "", "")
    assert intent.getExtras().getString("androidPrivate") == of_the_app
