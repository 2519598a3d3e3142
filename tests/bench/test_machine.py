"""The computer: no name in its description, a thread kept on a core and let go again."""

from __future__ import annotations

import json
import os
import platform

import pytest

from kilohear.errors import ConfigError
from kilohear_bench.machine import choose_core, describe, pinned

pins = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system can't keep a thread on a core"
)


def test_its_description_names_no_host() -> None:
    described = describe()
    assert described["cpu"]
    assert described["logical_cores"] >= 1
    node = platform.node()
    assert not node or node not in json.dumps(described)


@pins
def test_the_last_core_unless_one_is_asked_for() -> None:
    allowed = os.sched_getaffinity(0)
    assert choose_core() == max(allowed)
    assert choose_core(min(allowed)) == min(allowed)
    with pytest.raises(ConfigError, match=rf"core 4096 .*{max(allowed)}\)"):
        choose_core(4096)


@pins
def test_a_thread_is_kept_on_its_core_and_let_go_whatever_happens() -> None:
    before = os.sched_getaffinity(0)
    with pinned(max(before)):
        assert os.sched_getaffinity(0) == {max(before)}
    assert os.sched_getaffinity(0) == before
    with pytest.raises(RuntimeError, match="lost"), pinned(min(before)):
        raise RuntimeError("lost")
    assert os.sched_getaffinity(0) == before


def test_a_system_that_cant_pin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert choose_core() is None
    with pinned(None):
        pass
    with pytest.raises(ConfigError, match="can't pin"):
        choose_core(0)
