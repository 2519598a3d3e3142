"""Tasks are called in order of need; a process that dies costs nothing but time."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import DataError, KilohearError
from kilohear_training.workers import RESTARTS, Task, local_workers, ray_workers, run_tasks


class Here:
    """Workers that call at once, in this process."""

    width = 2

    def submit(self, task: Task) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(task.function(*task.arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def restart(self) -> None:
        raise AssertionError("nothing died")


def nothing(_task: Task) -> None:
    """Take no note."""


@given(st.lists(st.sets(st.integers(0, 8), max_size=3), min_size=1, max_size=9))
def test_every_task_follows_those_it_needs(needs: list[set[int]]) -> None:
    called: list[str] = []
    tasks = [
        Task(str(i), called.append, (str(i),), frozenset(str(n) for n in wanted if n < i), i % 3)
        for i, wanted in enumerate(needs)
    ]
    assert run_tasks(tasks, Here(), nothing) == {}
    assert sorted(called) == sorted(task.name for task in tasks)
    for task in tasks:
        assert all(called.index(need) < called.index(task.name) for need in task.needs)


def refuse() -> None:
    raise DataError("no such clip")


def test_a_failure_stops_only_what_needs_it() -> None:
    called: list[str] = []
    tasks = [
        Task("broken", refuse, ()),
        Task("after", called.append, ("after",), frozenset({"broken"})),
        Task("last", called.append, ("last",), frozenset({"after"})),
        Task("apart", called.append, ("apart",)),
    ]
    failed = run_tasks(tasks, Here(), nothing)
    assert failed == {
        "broken": "no such clip",
        "after": "needs broken, which failed",
        "last": "needs after, which failed",
    }
    assert called == ["apart"]


def die_once(note: Path) -> str:
    """Kill this very process the first time."""
    if not note.exists():
        note.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def write(note: Path) -> None:
    note.write_text("written")


def die_always() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_replaced_and_its_task_begun_again(tmp_path: Path) -> None:
    tasks = [
        Task("dies", die_once, (tmp_path / "died",)),
        Task("beside", write, (tmp_path / "beside",)),
        Task("after", write, (tmp_path / "after",), frozenset({"dies"})),
    ]
    ended: list[str] = []
    with local_workers(2) as workers:
        assert run_tasks(tasks, workers, lambda task: ended.append(task.name)) == {}
    assert sorted(ended) == ["after", "beside", "dies"]
    assert (tmp_path / "after").exists()


def test_a_task_that_kills_every_process_is_given_up() -> None:
    with local_workers(1) as workers:
        failed = run_tasks([Task("deadly", die_always, ())], workers, nothing)
    assert f"died {RESTARTS + 1} times" in failed["deadly"]


def test_no_cluster_is_said() -> None:
    pytest.importorskip("ray")
    with pytest.raises(KilohearError, match="no Ray cluster answers"), ray_workers("127.0.0.1:1"):
        raise AssertionError("connected")
