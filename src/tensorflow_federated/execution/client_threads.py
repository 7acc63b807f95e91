"""Runs the chunks of client steps on threads of this process, and reads data ahead."""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.execution import thread_states
from tensorflow_federated.execution.chunk_runs import Chunk, StepCall
from tensorflow_federated.execution.chunk_worker import Prepared, Shared

# So many partial results at most wait for the others if the largest chunks go first.
_MOST_SORTED_CHUNKS = 16
# A chunk that is read and laid out in less time does not pay for another thread.
_SECONDS_WORTH_A_READER = 0.005


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadRunner:
    """Runs chunks in the thread of the caller and in others beside it.

    The caller takes chunks as the others do. So a call inside the work of a client, which finds all
    threads busy, is done by its own thread. The others are started when a call first has use for
    them, and end when nothing refers to the runner any more.

    Where reading data takes long, one more thread reads that of the next chunk ahead. So at most as
    many chunks are in memory as there are threads, and one.
    """

    sends_steps = False

    def __init__(self, threads: int | None = None) -> None:
        """Makes a runner, which has no threads yet.

        Args:
          threads: how many chunks are worked on at the same time; one for each core that this
            process may use if None.
        """
        self._threads = available_cores() if threads is None else threads
        self._lock = threading.Lock()
        self._pool: futures.ThreadPoolExecutor | None = None

    def run(self, call: StepCall) -> None:
        """Runs all chunks of a call that are needed; see `chunk_runs.ChunkRunner`."""
        shared = call.worker.share(call.broadcast, call.zeros)
        helpers: list[futures.Future[None]] = []

        def start(function: Callable[[], None]) -> None:
            helpers.append(self._start(function))

        work = _Work(call, shared, order(call.chunk_count, call.known_sizes), start)
        try:
            for _ in range(min(self._threads, call.chunk_count) - 1):
                start(work.run_chunks)
            work.run_chunks()
        finally:
            # After an interrupt, too, no thread works for this call any more.
            work.stop()
            _finish(helpers)
        work.raise_error()

    def _start(self, function: Callable[[], None]) -> futures.Future[None]:
        with self._lock:
            if self._pool is None:
                # Beside the caller: the other threads, and the one that reads ahead.
                self._pool = futures.ThreadPoolExecutor(self._threads, "tff-clients")
        return self._pool.submit(thread_states.carried(function))


def order(chunk_count: int, known_sizes: Callable[[], Sequence[int] | None]) -> Iterable[int]:
    """The order in which chunks are begun: few of them from the largest on, so that none is late.

    Of many, as many results would have to wait for the results of their neighbours.
    """
    sizes = known_sizes() if chunk_count <= _MOST_SORTED_CHUNKS else None
    if sizes is None:
        return range(chunk_count)
    return sorted(range(chunk_count), key=lambda index: -sizes[index])


def _finish(helpers: Sequence[futures.Future[None]]) -> None:
    """Waits for the helpers that have begun; the others are not begun."""
    begun = [helper for helper in helpers if not helper.cancel()]
    try:
        futures.wait(begun)
    except KeyboardInterrupt:
        futures.wait(begun)
        raise


class _Work:
    """The chunks of a call that wait to be run, and those that were read ahead."""

    def __init__(
        self,
        call: StepCall,
        shared: Shared,
        order: Iterable[int],
        start: Callable[[Callable[[], None]], None],
    ) -> None:
        self._call = call
        self._shared = shared
        self._start = start
        self._waiting = collections.deque(order)
        self._ready: collections.deque[tuple[int, Chunk, Prepared]] = collections.deque()
        self._has_reader = False
        self._is_reading_ahead = False
        self._is_stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def run_chunks(self) -> None:
        """Runs one chunk after the other, until none is left."""
        try:
            while (taken := self._take()) is not None:
                index, chunk, prepared = taken
                prepared = prepared or self._prepare(chunk)
                self._call.done(index, self._call.worker.run(self._shared, chunk, prepared))
                del taken, chunk, prepared
        except BaseException as error:
            self.stop(error)

    def read_ahead(self) -> None:
        """Reads the data of one chunk after the other, one chunk ahead of those that run."""
        try:
            while (index := self._take_to_read()) is not None:
                chunk = self._call.chunk(index)
                prepared = self._call.worker.prepare(chunk)
                with self._changed:
                    self._ready.append((index, chunk, prepared))
                    self._is_reading_ahead = False
                    self._changed.notify_all()
                del chunk, prepared
        except BaseException as error:
            self.stop(error)

    def stop(self, error: BaseException | None = None) -> None:
        """Hands out nothing more; an error is raised by the caller, the first of several."""
        with self._changed:
            self._is_stopped = True
            self._error = self._error or error
            self._ready.clear()
            self._changed.notify_all()

    def raise_error(self) -> None:
        """Raises the error that stopped the work, if there was one."""
        error, self._error = self._error, None
        if error is None:
            return
        if isinstance(error, errors.FederatedError):
            # The stack of another thread does not hold the line that made the call.
            error.where = error.where or callsites.find_user_line()
        raise error

    def _prepare(self, chunk: Chunk) -> Prepared:
        """Prepares a chunk that nobody has read ahead; if it takes long, the next ones will be."""
        begin = time.perf_counter()
        prepared = self._call.worker.prepare(chunk)
        if time.perf_counter() - begin > _SECONDS_WORTH_A_READER:
            with self._changed:
                is_first = not self._has_reader and bool(self._waiting)
                self._has_reader = self._has_reader or is_first
            if is_first:
                self._start(self.read_ahead)
        return prepared

    def _take(self) -> tuple[int, Chunk, Prepared | None] | None:
        with self._changed:
            while not self._is_stopped:
                if self._ready:
                    taken = self._ready.popleft()
                    self._changed.notify_all()
                    if self._call.is_needed(taken[0]):
                        return taken
                elif (index := self._next_index()) is not None:
                    return index, self._call.chunk(index), None
                elif self._is_reading_ahead:
                    self._changed.wait()
                else:
                    break
        return None

    def _take_to_read(self) -> int | None:
        with self._changed:
            while self._ready and not self._is_stopped:
                self._changed.wait()
            index = None if self._is_stopped else self._next_index()
            self._is_reading_ahead = index is not None
            return index

    def _next_index(self) -> int | None:
        while self._waiting:
            index = self._waiting.popleft()
            if self._call.is_needed(index):
                return index
        return None
