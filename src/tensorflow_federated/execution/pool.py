"""Runs the chunks of client steps on the workers of an executor: processes here, or a cluster.

Each chunk is a task of its own, which whichever worker is free takes, and only the results of
chunks come back: in what order does not matter, for they are merged in the canonical tree. What all
chunks share, the step and the weights, goes to each worker once. Only a window of tasks is under
way, so that the data of few chunks is encoded at a time.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import time
import weakref
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.execution import (
    backends,
    client_threads,
    failures,
    local_programs,
    profiling,
    step_encoding,
    tasks,
)
from tensorflow_federated.execution.chunk_runs import ChunkResult, StepCall
from tensorflow_federated.execution.chunk_worker import ChunkWorker
from tensorflow_federated.execution.pool_executors import Pool
from tensorflow_federated.execution.problems import describe_error

# One that is worked on, and one that waits, so that no worker does.
_TASKS_PER_WORKER = 2


class PoolRunner:
    """Runs chunks on the workers of a pool; see `chunk_runs.ChunkRunner`."""

    sends_steps = True

    def __init__(self, pool: Pool, retries: int = 2, timeout_seconds: float | None = None) -> None:
        """Makes a runner.

        Args:
          pool: the workers.
          retries: how often a chunk is done again whose worker died.
          timeout_seconds: how long a task may take before its worker counts as dead; for ever if
            None.
        """
        self._pool = pool
        self._retries = retries
        self._timeout_seconds = timeout_seconds
        self._steps: weakref.WeakKeyDictionary[ChunkWorker, _EncodedStep] = (
            weakref.WeakKeyDictionary()
        )

    def run(self, call: StepCall) -> None:
        """Runs all chunks of a call that are needed; see `chunk_runs.ChunkRunner`."""
        if call.worker.settings.client_form == "compiled":
            # Where it cannot be compiled this says so, as in one process.
            call.worker.form()
        step = self._steps.get(call.worker)
        if step is None:
            step = self._steps[call.worker] = _encoded(call.worker)
        run = _Run(call, step, self._pool, self._retries, self._timeout_seconds)
        try:
            run.finish()
        finally:
            run.stop()


@dataclasses.dataclass
class _EncodedStep:
    """A step, as workers need it, and how many tasks it went with."""

    setup: tasks.StepSetup
    key: bytes
    times_sent: int = 0


def _encoded(worker: ChunkWorker) -> _EncodedStep:
    step = worker.step
    try:
        encoded = step_encoding.encode_step(step)
    except errors.WireError as error:
        raise errors.WireError(
            "the work of clients cannot be sent to other processes.",
            problems=[error.summary, *error.problems],
            signature=error.signature,
            fix=f"{error.fix or ''}\nOr run it in this process, as it is: "
            "`tff.backends.native.set_sync_local_cpp_execution_context()`.".strip(),
        ) from error
    names = local_programs.framework_backends(step.programs)
    setup = tasks.StepSetup(
        encoded,
        worker.number,
        worker.settings,
        {name: backends.get(name).process_options() for name in sorted(names)},
    )
    how = json.dumps([worker.number, dataclasses.asdict(worker.settings), setup.frameworks])
    return _EncodedStep(setup, hashlib.sha256(encoded + how.encode()).digest())


@dataclasses.dataclass
class _Work:
    """A chunk that waits for a worker, or is with one.

    Attributes:
      index: its position.
      attempts: how many workers have died that it was with.
      takes_all: whether the step and the broadcast go with it in any case.
      goes_alone: whether nothing else may be under way with it.
    """

    index: int
    attempts: int = 0
    takes_all: bool = False
    goes_alone: bool = False


@dataclasses.dataclass(frozen=True)
class _Flight:
    """A chunk that is with a worker."""

    work: _Work
    executor: Executor
    deadline: float | None


class _Run:
    """One run of a step."""

    def __init__(
        self,
        call: StepCall,
        step: _EncodedStep,
        pool: Pool,
        retries: int,
        timeout_seconds: float | None,
    ) -> None:
        self._call = call
        self._step = step
        self._pool = pool
        self._retries = retries
        self._timeout_seconds = timeout_seconds
        self._key = os.urandom(16)
        self._setup = tasks.RunSetup(call.broadcast, call.zeros)
        self._times_sent = 0
        order = client_threads.order(call.chunk_count, call.known_sizes)
        self._waiting = collections.deque(_Work(index) for index in order)
        self._flights: dict[Future[Any], _Flight] = {}
        # A task that waits for a worker would be late for no fault of its own.
        per_worker = _TASKS_PER_WORKER if timeout_seconds is None else 1
        self._window = per_worker * pool.worker_count

    def finish(self) -> None:
        """Runs all chunks."""
        while self._waiting or self._flights:
            while self._waiting and self._has_room():
                self._send(self._waiting.popleft())
            if not self._flights:
                continue
            self._receive_some()
            self._abandon_late()

    def _receive_some(self) -> None:
        """Waits for results, and takes those that have come."""
        arrived, _ = concurrent.futures.wait(
            self._flights, self._seconds_left(), concurrent.futures.FIRST_COMPLETED
        )
        for future in sorted(arrived, key=lambda future: self._flights[future].work.index):
            # One that came before it may have made it needless.
            flight = self._flights.pop(future, None)
            if flight is not None:
                self._receive(future, flight)

    def stop(self) -> None:
        """Waits for nothing more; what is not begun is not."""
        for future in self._flights:
            future.cancel()
        self._flights.clear()

    def _has_room(self) -> bool:
        if self._waiting[0].goes_alone or any(
            flight.work.goes_alone for flight in self._flights.values()
        ):
            return not self._flights
        return len(self._flights) < self._window

    def _send(self, work: _Work) -> None:
        if not self._call.is_needed(work.index):
            return
        sends_step = work.takes_all or self._step.times_sent < self._pool.worker_count
        sends_run = work.takes_all or self._times_sent < self._pool.worker_count
        with profiling.span("data"):
            task = tasks.write_task(
                self._call.worker.step,
                self._step.key,
                self._key,
                self._step.setup if sends_step else None,
                self._setup if sends_run else None,
                [(work.index, self._call.chunk(work.index))],
                is_measured=profiling.is_recording(),
            )
        self._step.times_sent += sends_step
        self._times_sent += sends_run
        try:
            future, executor = self._pool.submit(task)
        except BrokenExecutor as error:
            self._lose(work, error)
            return
        except RuntimeError as error:
            raise self._refused(work, error) from error
        seconds = self._timeout_seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        self._flights[future] = _Flight(work, executor, deadline)

    def _receive(self, future: Future[Any], flight: _Flight) -> None:
        work = flight.work
        try:
            data = future.result()
        except concurrent.futures.CancelledError:
            self._lose(work, RuntimeError("the task was cancelled"), flight.executor)
            return
        except Exception as error:
            self._lose(work, error, flight.executor)
            return
        reply = tasks.read_reply(self._call.worker.step, data)
        match reply:
            case tasks.Missing():
                work.takes_all = True
                self._waiting.appendleft(work)
            case tasks.Failed(text=text):
                raise self._cannot_run(work, text)
            case tasks.Done(results=results, measured=measured):
                if measured is not None:
                    profiling.absorb(measured)
                for index, result in results:
                    self._done(index, result)

    def _done(self, index: int, result: ChunkResult) -> None:
        self._call.done(index, result)
        if result.failed and self._call.worker.stops_at_failure:
            for future, flight in list(self._flights.items()):
                if not self._call.is_needed(flight.work.index):
                    future.cancel()
                    del self._flights[future]

    def _lose(self, work: _Work, error: Exception, executor: Executor | None = None) -> None:
        """Sees to it that a chunk whose worker died is done again, or ends the call."""
        work.attempts += 1
        is_broken = isinstance(error, BrokenExecutor)
        can_go_on = not is_broken or executor is None or self._pool.replace(executor)
        if work.attempts > self._retries or not can_go_on:
            raise self._died(work, error) from error
        work.takes_all = True
        # The processes of an executor die together: in the end it is seen whose fault it is.
        work.goes_alone = is_broken and work.attempts == self._retries
        self._waiting.appendleft(work)

    def _abandon_late(self) -> None:
        now = time.monotonic()
        for future, flight in list(self._flights.items()):
            if flight.deadline is not None and flight.deadline <= now and not future.done():
                del self._flights[future]
                self._pool.abandon(future, flight.executor)
                told = f"no result came within {self._timeout_seconds} seconds"
                self._lose(flight.work, TimeoutError(told))

    def _seconds_left(self) -> float | None:
        deadlines = [each.deadline for each in self._flights.values() if each.deadline is not None]
        return max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None

    def _died(self, work: _Work, error: Exception) -> errors.WorkerError:
        return self._error(
            "the workers died that had the clients of one chunk.",
            work,
            [describe_error(error)],
            "look at the log of the worker, and at the memory that these clients need. Processes "
            'that import the script also die if it has no `if __name__ == "__main__":`.',
        )

    def _cannot_run(self, work: _Work, text: str) -> errors.WorkerError:
        return self._error(
            "a worker cannot run the work of clients.",
            work,
            [text],
            "install on the workers what is installed here: the same versions of this package and "
            "of the frameworks.",
        )

    def _refused(self, work: _Work, error: Exception) -> errors.WorkerError:
        return self._error(
            "the executor of this context takes no tasks any more.",
            work,
            [describe_error(error)],
            "leave it open as long as its context is used, or make a new context.",
        )

    def _error(
        self, summary: str, work: _Work, problems: list[str], fix: str
    ) -> errors.WorkerError:
        chunk = self._call.chunk(work.index)
        return errors.WorkerError(
            summary,
            client_indices=self._call.positions(work.index),
            client_ids=[
                failures.client_id([column[i] for column in chunk.clients])
                for i in range(len(chunk))
            ],
            attempts=work.attempts,
            stage=self._call.worker.stage,
            round_number=self._call.round_number,
            problems=problems,
            fix=fix,
        )
