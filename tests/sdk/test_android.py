"""The app around Python, on stand-ins for Android's classes; run by test_on_java.py."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kilohear import android
from kilohear.errors import AudioError


def test_the_app_is_the_activity_or_the_service(phone: Any) -> None:
    assert "PythonActivity" in android.app().getClass().getName()
    phone.startService()
    assert "PythonService" in android.app().getClass().getName()
    android.java("org.kivy.android.PythonService").mService = None
    with pytest.raises(AudioError, match=r"mActivity is null.*mService is null.*main thread"):
        android.app()


def test_permissions_are_asked_for_each_time(phone: Any) -> None:
    app = android.app()
    assert android.is_granted(app, "RECORD_AUDIO")
    phone.revoke("RECORD_AUDIO")
    assert not android.is_granted(app, "RECORD_AUDIO")


def test_a_java_error_is_told_on_one_line(phone: Any) -> None:
    with pytest.raises(android.java_error()) as caught:
        android.java("java.lang.Integer").parseInt("one\ntwo")
    assert android.why(caught.value) == 'NumberFormatException: For input string: "one'
    with pytest.raises(android.java_error()) as caught:
        android.java("org.nowhere.Nothing")
    assert android.why(caught.value) == "NoClassDefFoundError: org/nowhere/Nothing"


def test_work_in_the_app_has_a_java_caller_in_any_thread(phone: Any) -> None:
    thread_class = android.java("java.lang.Thread")

    def callers() -> str:
        stack = thread_class.currentThread().getStackTrace()
        return " ".join(frame.getClassName() for frame in stack)

    wrapped = android.in_app(callers)
    seen: list[str] = []
    for work in (callers, wrapped):
        thread = threading.Thread(target=lambda work=work: seen.append(work()))
        thread.start()
        thread.join()
    assert ["org.jnius" in stack for stack in seen] == [False, True]


def test_what_work_in_the_app_raises_arrives(phone: Any, capfd: Any) -> None:
    def fail() -> None:
        raise ValueError("this one")

    with pytest.raises(ValueError, match="this one"):
        android.in_app(fail)()
    assert capfd.readouterr().err == ""
