"""Processes of this machine that run tasks: an executor that needs nothing of the author's script.

Each process is a fresh Python that reads tasks from its standard input and writes results to what
was its standard output. Unlike the processes of `multiprocessing` it neither forks this one, with
the threads of its frameworks, nor imports the script that this one runs; it ends when its input
does, so none is left behind; and when one dies, the tasks of the others go on.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import IO, Any, cast

from tensorflow_federated.core.byte_format import Bytes
from tensorflow_federated.execution import backends, workers

_LENGTH = struct.Struct("<Q")
_SECONDS_TO_END = 5.0

# What functions print must not get among the results, nor what they read take tasks away. The path
# is that of this process, so that the same package is found. By its name, no line is a user's.
_PROGRAM = """
__name__ = "tensorflow_federated.worker"
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
tasks, results = os.dup(0), os.dup(1)
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
sys.path[:], names = json.loads(sys.argv[1]), json.loads(sys.argv[2])
from tensorflow_federated.execution import worker_processes
worker_processes.serve(tasks, results, names)
"""


class ProcessDied(Exception):
    """A worker process ended, or was ended, before it gave the result of a task."""


class WorkerProcesses(concurrent.futures.Executor):
    """An executor over processes that it starts at once, and starts again when they die.

    It runs one function, `workers.run_task`.
    """

    def __init__(self, count: int, backends: Sequence[str] = ()) -> None:
        """Starts the processes; they get ready while this one goes on.

        Args:
          count: how many.
          backends: the back ends whose frameworks they import at once.
        """
        self.worker_count = count
        self._state = _State()
        command = [
            sys.executable,
            "-c",
            _PROGRAM,
            json.dumps(sys.path),
            json.dumps(list(backends)),
        ]
        self._workers = [_Worker(command, self._state.tasks) for _ in range(count)]
        self._finalizer = weakref.finalize(self, _end, self._workers, self._state)

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Hands a task to the process that is free next; `fn` is `workers.run_task`."""
        del fn, kwargs
        (task,) = args
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        with self._state.lock:
            if self._state.is_ended:
                raise RuntimeError("these processes have ended")
            self._state.tasks.put((future, task))
        return future

    def kill(self, future: concurrent.futures.Future[Any]) -> None:
        """Ends the process that works on a task, if one does."""
        for worker in self._workers:
            worker.kill(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes; a task that one works on fails with `ProcessDied`."""
        del wait, cancel_futures
        self._finalizer()


class _State:
    """What the executor shares with the threads that serve its processes."""

    def __init__(self) -> None:
        self.tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.is_ended = False


def _end(workers: Sequence[_Worker], state: _State) -> None:
    with state.lock:
        state.is_ended = True
        for _ in workers:
            state.tasks.put(None)
    for worker in workers:
        worker.end()


class _Worker:
    """One process, and the thread that hands it tasks."""

    def __init__(self, command: list[str], tasks: queue.SimpleQueue[Any]) -> None:
        self._command = command
        self._tasks = tasks
        self._lock = threading.Lock()
        self._current: concurrent.futures.Future[Any] | None = None
        self._is_ended = False
        self._process = self._start()
        threading.Thread(target=self._serve, name="tff-worker", daemon=True).start()

    def kill(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            if self._current is future:
                self._process.kill()

    def end(self) -> None:
        """Ends the process, and waits until it has."""
        with self._lock:
            self._is_ended = True
            if self._current is not None:
                self._process.kill()
            # The end of its input is what a process that waits for a task ends at.
            _close(self._process.stdin)
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _close(self._process.stdout)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def _serve(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            with self._lock:
                if self._is_ended:
                    future.set_exception(ProcessDied("the processes were ended"))
                    continue
                if self._process.poll() is not None:
                    self._replace()
                self._current, process = future, self._process
            try:
                result = _exchange(process, task)
            except (OSError, EOFError, ValueError):
                self._finish()
                future.set_exception(ProcessDied(self._obituary(process)))
            else:
                self._finish()
                future.set_result(result)
            # What is held here is held until the next task comes.
            del item, future, task

    def _finish(self) -> None:
        with self._lock:
            self._current = None

    def _replace(self) -> None:
        _close(self._process.stdin)
        _close(self._process.stdout)
        self._process = self._start()

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        try:
            code = process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code < 0:
            return f"a worker process was ended by {signal.Signals(-code).name}"
        return f"a worker process ended with exit code {code}"


def _exchange(process: subprocess.Popen[bytes], task: Bytes) -> bytearray:
    assert process.stdin is not None
    assert process.stdout is not None
    _write(process.stdin, task)
    result = _read(process.stdout)
    if result is None:
        raise EOFError
    return result


def _write(stream: IO[bytes], data: Bytes) -> None:
    for part in (_LENGTH.pack(len(data)), data):
        view = memoryview(part)
        while view.nbytes:
            view = view[stream.write(view) :]


def _read(stream: IO[bytes]) -> bytearray | None:
    """The next message; None at the end of the stream."""
    prefix = _read_exactly(stream, _LENGTH.size)
    if prefix is None:
        return None
    return _read_exactly(stream, _LENGTH.unpack(prefix)[0])


def _read_exactly(stream: IO[bytes], count: int) -> bytearray | None:
    data = bytearray(count)
    view, position = memoryview(data), 0
    while position < count:
        num_read = cast("io.RawIOBase", stream).readinto(view[position:])
        if not num_read:
            return None
        position += num_read
    return data


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def serve(tasks: int, results: int, backend_names: Sequence[str]) -> None:
    """What a worker process does: runs tasks until its input ends.

    Args:
      tasks: the file descriptor that tasks come from.
      results: the one that results go to.
      backend_names: the back ends whose frameworks are imported before the first task is run.
    """
    waiting: queue.SimpleQueue[bytearray] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(tasks, "rb", buffering=0) as source:
            while (task := _read(source)) is not None:
                waiting.put(task)
        # Whoever wanted the results is gone, also of the task that is being run.
        os._exit(0)

    threading.Thread(target=read, name="tff-tasks", daemon=True).start()
    with _missing("matplotlib", *({"jax"} - set(backend_names))):
        for name in backend_names:
            backends.set_up(name)
    with os.fdopen(results, "wb", 0) as sink, contextlib.suppress(BrokenPipeError):
        while True:
            _write(sink, workers.run_task(waiting.get()))


@contextlib.contextmanager
def _missing(*names: str) -> Generator[None]:
    """Where some modules are as if not installed: frameworks import them although they need not.

    It saves a fifth of the time that TensorFlow takes.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
