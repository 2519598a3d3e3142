"""Objective-C through pyobjus: pools are given back, properties are read however they come."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest
from tests.sdk.apple import POOLS, Array, Phone, String

from kilohear.errors import ExtraError
from kilohear.objc import Objc, items, read, text


def test_pools_are_given_back_whatever_happens(iphone: Phone) -> None:
    def divide() -> float:
        with iphone.objc.calls(), iphone.objc.calls():
            return 1 / (iphone.count(POOLS) - 2)

    with pytest.raises(ZeroDivisionError):
        divide()
    assert iphone.count(POOLS) == 0


def test_one_thread_at_a_time_calls(iphone: Phone) -> None:
    another = Objc(iphone.pyobjus, iphone.toolbox)
    entered, inside = threading.Event(), []

    def enter() -> None:
        with another.calls():
            inside.append(len(inside))
            entered.set()

    thread = threading.Thread(target=enter)
    with iphone.objc.calls():
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(5)
    thread.join()


def test_a_framework_is_loaded_before_its_classes(iphone: Phone) -> None:
    (session,) = iphone.objc.load("AVFoundation", "AVAudioSession")
    assert session.sharedInstance() is iphone.session
    assert iphone.pyobjus.frameworks == {"/System/Library/Frameworks/AVFoundation.framework"}


def test_a_property_is_an_attribute_or_a_method() -> None:
    for instance in (SimpleNamespace(path=3), SimpleNamespace(path=lambda: 3)):
        assert read(instance, "path") == 3


@pytest.mark.parametrize("is_bytes", [True, False])
def test_strings_and_arrays_are_read(is_bytes: bool) -> None:
    assert text(String("Küche", is_bytes)) == "Küche"
    assert items(Array(1, 2)) == [1, 2]
    assert items(Array()) == []


def test_pyobjus_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyobjus", None)
    with pytest.raises(ExtraError, match=r"'kilohear\[ios\]'"):
        Objc()
