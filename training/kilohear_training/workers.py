"""Tasks that need one another, run side by side in processes here or on a Ray cluster."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, Protocol

from kilohear.errors import KilohearError

RESTARTS = 3
"""How often a task whose process died is begun again."""

POLITE_AND_FAST = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "THP_MEM_ALLOC_ENABLE": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""Environment of a process that trains, to be set before it imports torch.

Spinning threads slow a step several times over when another process is busy. A training step
allocates and frees the same large tensors again and again: in huge pages, and on a heap that glibc
keeps instead of giving back, they cost no page faults, which are up to half of a step otherwise.
"""


def set_environment() -> None:
    """Set `POLITE_AND_FAST` where the user has set nothing; glibc's part counts for children."""
    for name, value in POLITE_AND_FAST.items():
        os.environ.setdefault(name, value)


@dataclasses.dataclass(frozen=True)
class Task:
    """A function and its arguments, to be called once all tasks named in `needs` are done.

    Attributes
    ----------
    cost_s
        How long it is thought to take; what takes longest starts first.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    needs: frozenset[str] = frozenset()
    cost_s: float = 0.0


class Workers(Protocol):
    """Where tasks are called: elsewhere, several at a time."""

    width: int

    def submit(self, task: Task) -> Future[Any]:
        """Begin the task and return what will hold its result."""
        ...

    def restart(self) -> None:
        """Replace processes that died."""
        ...


def run_tasks(
    tasks: Sequence[Task], workers: Workers, done: Callable[[Task], None]
) -> dict[str, str]:
    """Call every task after those it needs; return what went wrong, by the task's name.

    A task that fails doesn't stop those that don't need it. A task whose process died is begun
    again, `RESTARTS` times at most.

    Parameters
    ----------
    tasks
        Each after those it needs. A need that isn't among them counts as done.
    done
        Told of each task that ended well.
    """
    names = {task.name for task in tasks}
    waiting = {task.name: task for task in tasks}
    ended: set[str] = set()
    failed: dict[str, str] = {}
    deaths: Counter[str] = Counter()
    running: dict[Future[Any], Task] = {}
    while waiting:
        for task in list(waiting.values()):
            lost = sorted(task.needs & failed.keys())
            if lost:
                failed[task.name] = f"needs {lost[0]}, which failed"
                del waiting[task.name]
        ready = [task for task in waiting.values() if task.needs & names <= ended]
        for task in sorted(ready, key=lambda task: -task.cost_s)[: workers.width - len(running)]:
            running[workers.submit(waiting.pop(task.name))] = task
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = any(isinstance(f.exception(), BrokenProcessPool) for f in finished)
            if broken:  # then all its tasks are lost
                finished, _ = wait(running)
                workers.restart()
            for future in finished:
                task, error = running.pop(future), future.exception()
                if error is None:
                    ended.add(task.name)
                    done(task)
                elif isinstance(error, BrokenProcessPool) and deaths[task.name] < RESTARTS:
                    deaths[task.name] += 1
                    waiting[task.name] = task
                else:
                    failed[task.name] = _reason(error)
            if waiting:
                break
    return failed


@contextmanager
def local_workers(jobs: int) -> Iterator[Workers]:
    """Yield `jobs` processes on this machine, one thread each."""
    workers = _LocalWorkers(jobs)
    try:
        yield workers
    finally:
        workers.stop()


@contextmanager
def ray_workers(address: str) -> Iterator[Workers]:
    """Yield the cores of a Ray cluster; its machines need this package and the same folders.

    Parameters
    ----------
    address
        As `ray.init` takes it: `auto`, `HOST:PORT`, `ray://HOST:PORT`, or `local` to start one.

    Raises
    ------
    KilohearError
        Where Ray isn't installed or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise KilohearError("a cluster needs Ray: pip install 'kilohear[cluster]'") from None
    try:
        _knock(address)
        ray.init(
            address=address,
            log_to_driver=True,
            include_dashboard=False,
            runtime_env={"env_vars": POLITE_AND_FAST},
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise KilohearError(
            f"no Ray cluster answers at {address!r} ({error}); start one with `ray start --head`"
        ) from None
    try:
        yield _RayWorkers(int(ray.cluster_resources()["CPU"]))
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT; Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _LocalWorkers:
    def __init__(self, jobs: int) -> None:
        self.width = jobs
        self._pool = self._fresh()

    def submit(self, task: Task) -> Future[Any]:
        try:
            return self._pool.submit(_call, task.function, task.arguments)
        except BrokenProcessPool as error:
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    def restart(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._fresh()

    def stop(self) -> None:
        # A worker in the middle of an epoch isn't waited for: its checkpoint is on disk.
        for process in list(self._pool._processes.values()):
            process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fresh(self) -> ProcessPoolExecutor:
        set_environment()
        # Forked processes would inherit torch's locks.
        context = get_context("spawn")
        return ProcessPoolExecutor(self.width, mp_context=context, initializer=_follow_parent)


class _RayWorkers:
    def __init__(self, cores: int) -> None:
        self.width = cores

    def submit(self, task: Task) -> Future[Any]:
        import ray

        remote = ray.remote(num_cpus=1, max_retries=RESTARTS)(_call)
        return remote.remote(task.function, task.arguments).future()

    def restart(self) -> None:
        """Ray does so itself."""


def _reason(error: BaseException) -> str:
    if isinstance(error, KilohearError):
        return str(error)
    if isinstance(error, BrokenProcessPool):
        return f"its process died {RESTARTS + 1} times; is memory short?"
    return f"{type(error).__name__}: {error}"


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    import torch

    torch.set_num_threads(1)
    return function(*arguments)


def _follow_parent() -> None:
    """Leave interrupts to the parent, and end when it is gone, killed included."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
