"""What workers do: they run tasks, of bytes, and reply in bytes.

A worker is a process, here or elsewhere, in which some executor calls `run_task`. It keeps what it
read and compiled of the steps that it ran last.
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from tensorflow_federated.core.byte_format import Bytes
from tensorflow_federated.execution import backends, profiling, step_encoding, tasks
from tensorflow_federated.execution.chunk_worker import ChunkWorker, Shared

# Of programs that a driver runs by turns.
_MOST_STEPS = 16
# Each holds the weights of a model. Calls of several threads may go on at the same time.
_MOST_RUNS = 4

_KeyT = TypeVar("_KeyT", bound=Hashable)
_ValueT = TypeVar("_ValueT")


class _Recent(Generic[_KeyT, _ValueT]):
    """The values that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: collections.OrderedDict[_KeyT, _ValueT] = collections.OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: _KeyT, make: Callable[[], _ValueT] | None) -> _ValueT | None:
        """The value of a key, made if it is not there; None if it is not and cannot be made."""
        with self._lock:
            value = self._values.get(key)
            if value is None and make is not None:
                value = self._values[key] = make()
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
            if value is not None:
                self._values.move_to_end(key)
            return value


_workers: _Recent[bytes, ChunkWorker] = _Recent(_MOST_STEPS)
_runs: _Recent[bytes, Shared] = _Recent(_MOST_RUNS)


def run_task(task: Bytes) -> bytearray:
    """Runs a task.

    Args:
      task: what `tasks.write_task` wrote.

    Returns:
      The reply, for `tasks.read_reply`. What goes wrong is told in it; this raises nothing.
    """
    try:
        return _run(tasks.Task(task))
    except Exception as error:
        return tasks.write_failed(error)


def _run(task: tasks.Task) -> bytearray:
    setup = task.step_setup
    worker = _workers.get(task.step_key, None if setup is None else lambda: _worker(setup))
    if worker is None:
        return tasks.write_missing()
    run_setup, chunks = task.read_rest(worker.step)
    shared = _runs.get(
        task.run_key,
        None
        if run_setup is None
        else lambda: worker.share(run_setup.broadcast, list(run_setup.zeros)),
    )
    if shared is None:
        return tasks.write_missing()
    measuring = profiling.collect() if task.is_measured else contextlib.nullcontext()
    with measuring as measured:
        results = [(index, worker.run(shared, chunk)) for index, chunk in chunks]
    return tasks.write_done(worker.step, results, measured)


def _worker(setup: tasks.StepSetup) -> ChunkWorker:
    if setup.process != tasks.THIS_PROCESS:
        for name, options in setup.frameworks.items():
            backends.set_up(name, options)
    step = step_encoding.decode_step(setup.encoded)
    return ChunkWorker(step, setup.settings, setup.number)
