"""Executors of every kind, as the engine uses them: how many workers, a new one, an end."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any, cast

from tensorflow_federated.core import errors
from tensorflow_federated.execution import backends, client_threads, workers
from tensorflow_federated.execution.worker_processes import WorkerProcesses

Source = int | Executor | Callable[[], Executor]
"""Where an executor comes from: a number of processes of ours, an executor, or what makes one."""

_FORK_FIX = (
    "let the processes start afresh: `ProcessPoolExecutor({count}, "
    'mp_context=multiprocessing.get_context("spawn"))`, or give the number of processes alone, '
    "`{count}`."
)


class Pool:
    """An executor, and what is done when it breaks; several threads may use it at once.

    Executors that are made here, the first one or one in the place of one that broke, are shut down
    with the pool. One that was given is left to whoever made it.

    Attributes:
      worker_count: how many tasks the executor runs at the same time.
    """

    def __init__(self, source: Source, worker_count: int | None = None) -> None:
        """Makes a pool.

        Args:
          source: the executor, what makes one, or how many processes of ours are to be one.
          worker_count: how many tasks it runs at the same time; asked of it if None.

        Raises:
          ArgumentError: if there is no executor, or it cannot be used.
        """
        self._make = _maker(source)
        self._lock = threading.Lock()
        self._owned: list[Executor] = []
        self._finalizer = weakref.finalize(self, _shut_down, self._owned)
        if self._make is None:
            self._executor = _checked(source)
        else:
            self._executor = _checked(self._make())
            self._owned.append(self._executor)
        self.worker_count = _worker_count(self._executor) if worker_count is None else worker_count

    def submit(self, task: bytearray) -> tuple[Future[Any], Executor]:
        """Hands a task to a worker.

        Args:
          task: the task.

        Returns:
          Its result to be, and the executor that was taken.

        Raises:
          BrokenExecutor: if the executor has broken, and none could take its place.
          RuntimeError: if it takes no more tasks.
        """
        if not self._finalizer.alive:
            raise RuntimeError("this context was closed")
        executor = self._executor
        with _dask_settings(executor):
            return executor.submit(workers.run_task, task), executor

    def replace(self, broken: Executor) -> bool:
        """Puts a new executor in the place of one that broke.

        Args:
          broken: the executor that broke. If another one took its place by now, nothing is done.

        Returns:
          Whether there is an executor that did not break.
        """
        with self._lock:
            if broken is not self._executor:
                return True
            if self._make is not None:
                made = _checked(self._make())
            elif isinstance(broken, ProcessPoolExecutor):
                made = _like(broken)
            else:
                return False
            self._executor = made
            self._owned[:] = [each for each in self._owned if each is not broken]
            self._owned.append(made)
        broken.shutdown(wait=False)
        return True

    def abandon(self, future: Future[Any], executor: Executor) -> None:
        """Ends the work on a task that takes too long, if that can be done."""
        if future.cancel():
            return
        kill: Callable[[Future[Any]], None] | None = getattr(executor, "kill", None)
        if kill is not None:
            kill(future)
        elif isinstance(executor, ProcessPoolExecutor):
            # Which of them works on it is not known; without one the others end too.
            for process in _processes(executor):
                process.kill()

    def close(self) -> None:
        """Shuts down what was made here."""
        self._finalizer()

    def __repr__(self) -> str:
        return f"<{self.worker_count} workers of {type(self._executor).__name__}>"


def _shut_down(owned: Sequence[Executor]) -> None:
    for executor in owned:
        executor.shutdown(wait=True, cancel_futures=True)


def _maker(source: object) -> Callable[[], Executor] | None:
    """What makes the executor; None if the source is one."""
    if isinstance(source, bool):
        return None
    if isinstance(source, int) and source > 0:
        count = source

        def make() -> Executor:
            # Those that are bound to be needed: to load one takes seconds.
            loaded = [name for name in backends.names() if name in sys.modules]
            return WorkerProcesses(count, backends.loaded_names() or loaded[:1])

        return make
    if callable(source) and (isinstance(source, type) or not hasattr(source, "submit")):
        return cast("Callable[[], Executor]", source)
    return None


def _checked(executor: object) -> Executor:
    """The executor, or that of a Dask client, if it can be used."""
    get_executor: Callable[[], Executor] | None = getattr(executor, "get_executor", None)
    if get_executor is not None:
        return get_executor()
    if not callable(getattr(executor, "submit", None)):
        raise errors.ArgumentError(
            "client steps are run by an executor of `concurrent.futures`.",
            problems=[f"executor: got {errors.describe_object(executor)}"],
            fix="give a number of processes, 1 or more, a `ProcessPoolExecutor`, that of a Dask "
            "client (`client.get_executor()`), or a `tff.backends.native.RayExecutor()`.",
        )
    if isinstance(executor, ProcessPoolExecutor):
        _check_start_method(executor)
    return cast("Executor", executor)


def _check_start_method(executor: ProcessPoolExecutor) -> None:
    if vars(executor)["_mp_context"].get_start_method() != "fork":
        return
    count = _worker_count(executor)
    raise errors.ArgumentError(
        "processes that are forked from this one cannot run client steps: they would wait for ever "
        "for threads of the frameworks, which fork leaves behind.",
        problems=['executor: got a `ProcessPoolExecutor` that starts its processes by "fork"'],
        fix=_FORK_FIX.format(count=count),
    )


def _like(executor: ProcessPoolExecutor) -> ProcessPoolExecutor:
    """A new executor of the same parameters."""
    told = vars(executor)
    return ProcessPoolExecutor(
        told["_max_workers"],
        told["_mp_context"],
        told["_initializer"],
        told["_initargs"],
        max_tasks_per_child=told["_max_tasks_per_child"],
    )


def _processes(executor: ProcessPoolExecutor) -> list[Any]:
    processes: dict[int, Any] | None = vars(executor)["_processes"]
    return list((processes or {}).values())


def _worker_count(executor: Executor) -> int:
    """How many tasks an executor runs at the same time, as far as it tells."""
    for name in ("worker_count", "_max_workers", "num_workers"):
        told: object = getattr(executor, name, None)
        if isinstance(told, int) and told > 0:
            return told
    client: Any = getattr(executor, "_client", None)
    if hasattr(client, "ncores"):
        return max(sum(client.ncores().values()), 1)
    return client_threads.available_cores()


def _dask_settings(executor: Executor) -> contextlib.AbstractContextManager[Any]:
    """What Dask would warn of: that a task is as long as the data of some clients."""
    if type(executor).__module__ != "distributed.cfexecutor":
        return contextlib.nullcontext()
    config: Any = sys.modules["dask.config"]
    return config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
