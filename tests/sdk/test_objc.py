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


def test_messages_are_sent_without_pyobjus(iphone: Phone) -> None:
    name = iphone.objc.send("NSString", "stringWithUTF8String:", "Küche")
    shown = iphone.objc.send("App", "presentViewController:animated:completion:", name, True, None)
    assert isinstance(shown, int)
    assert iphone.messages() == [
        '[NSString stringWithUTF8String: "Küche"]',
        "[App presentViewController:animated:completion: "
        '[NSString stringWithUTF8String: "Küche"] YES nil]',
    ]
    iphone.answer(nil="keyWindow")
    assert iphone.objc.send("App", "keyWindow") is None


@pytest.mark.parametrize("value", [True, False])
def test_a_block_is_called_in_a_thread_of_the_systems(iphone: Phone, value: bool) -> None:
    iphone.answer(blocks=value)
    called, given = threading.Event(), []

    def take(granted: bool) -> None:
        given.append((granted, threading.current_thread() is threading.main_thread()))
        called.set()

    block = iphone.objc.block(take)
    iphone.objc.send("Session", "requestRecordPermission:", block)
    assert called.wait(5)
    assert given == [(value, False)]
    assert iphone.messages() == ["[Session requestRecordPermission: block]"]


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
