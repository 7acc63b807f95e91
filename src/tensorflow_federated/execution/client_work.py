"""Carries out one client step: cuts the cohort into chunks, and brings the results together."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.execution import (
    backends,
    chunk_runs,
    failures,
    folds,
    local_programs,
    profiling,
    progress,
    reduction,
)
from tensorflow_federated.execution import settings as engine_settings
from tensorflow_federated.execution.chunk_runs import Chunk, ChunkResult, ChunkRunner
from tensorflow_federated.execution.chunk_worker import ChunkWorker
from tensorflow_federated.execution.failures import ClientFailure
from tensorflow_federated.execution.settings import Settings

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Cohort:
    """What the clients of one run of a step start from.

    Attributes:
      broadcast: the broadcast values, in the order of the step.
      clients: for each client input, the value of each client.
      keys: int64[clients, draws, 2], the random keys.
      positions: the position of each client in the cohort of the call, of which some may have been
        left out in an earlier step.
      round_number: the number of the call of the program, for messages.
    """

    broadcast: tuple[Any, ...]
    clients: Sequence[list[Any]]
    keys: np.ndarray
    positions: Sequence[int]
    round_number: int


@dataclasses.dataclass(frozen=True)
class StepResult:
    """What a client step gave.

    Attributes:
      kept: for each value that is kept, the value of each client that is left.
      totals: the result of each aggregate.
      failures: the clients whose work failed, in order.
    """

    kept: list[list[Any]]
    totals: list[Any]
    failures: list[ClientFailure]


class ClientWork:
    """A client step, ready to be run any number of times, by several threads at once."""

    def __init__(
        self, step: plan.ClientStep, number: int, settings: Settings, runner: ChunkRunner
    ) -> None:
        """Prepares a step.

        Args:
          step: the step.
          number: its position among the client steps of the plan, from 0.
          settings: how the engine works.
          runner: what runs the chunks.
        """
        self.step = step
        self._settings = settings
        self._number = number
        self._frameworks = sorted(local_programs.framework_backends(step.programs))
        self._workers: dict[int, ChunkWorker] = {}
        self._lock = threading.Lock()
        self._folds = [folds.fold_of(aggregate) for aggregate in step.aggregates]
        self._runner = runner
        self._label = f"client step {number + 1}"
        self._may_warn = bool(settings.for_compiled_jax())

    def run(
        self, cohort: Cohort, starts: Sequence[Any], released: Sequence[bool] = ()
    ) -> StepResult:
        """Runs the step for all clients.

        Args:
          cohort: the clients.
          starts: for each aggregate, the zero of a fold by functions; None for others.
          released: for each client input, whether nothing needs it after this step: it is emptied
            chunk by chunk, so that the data that was read for a chunk does not outlive it.

        Returns:
          The results.

        Raises:
          ClientError: if the work of a client fails, and may not be left out; or that of all.
          ClientFormError: if the settings ask for a compiled step, and it cannot be compiled.
        """
        zeros = [fold.zero(start) for fold, start in zip(self._folds, starts, strict=True)]
        client_count = len(cohort.keys)
        self._warn_once()
        with progress.of_clients(self._label, client_count) as advance:
            run = _Run(self._worker(), self._merge, cohort, zeros, released, advance)
            if client_count:
                self._runner.run(run)
        told = run.failures
        failed = [each for each in told if each.is_left_out]
        if failed and self._settings.on_client_failure == "raise":
            raise failures.client_error(failed[0]) from failed[0].error
        if failed and len(failed) == client_count:
            raise failures.nobody_left(failed) from failed[0].error
        totals = run.totals
        if totals is None:
            totals = [fold.empty(zero) for fold, zero in zip(self._folds, zeros, strict=True)]
        with profiling.span("reduce"):
            reports = [fold.report(total) for fold, total in zip(self._folds, totals, strict=True)]
        return StepResult(run.kept, reports, told)

    def _worker(self) -> ChunkWorker:
        """What runs the chunks, as the frameworks are set up in this thread."""
        step = self.step
        for name in self._frameworks:
            step = backends.get(name).as_sent(step, self._settings, self._runner.sends_steps)
        with self._lock:
            # The worker keeps the step, so that no other one gets its id.
            if id(step) not in self._workers:
                self._workers[id(step)] = ChunkWorker(step, self._settings, self._number)
            return self._workers[id(step)]

    def _warn_once(self) -> None:
        """Writes to the log which settings have no effect on this step."""
        may_warn, self._may_warn = self._may_warn, False
        unused = self._worker().unused_settings() if may_warn else ()
        if unused:
            _LOGGER.warning("%s: %s", self._label, engine_settings.without_effect(unused))

    def _merge(self, first: list[Any] | None, second: list[Any] | None) -> list[Any] | None:
        """The totals of two neighbouring parts of the cohort; None for one with nobody left."""
        if first is None or second is None:
            return second if first is None else first
        with profiling.span("reduce"):
            pairs = zip(self._folds, first, second, strict=True)
            return [fold.merge(*pair) for fold, *pair in pairs]


class _Run(chunk_runs.StepCall):
    """A run of a step for a cohort: what is handed out of it, and what has come back."""

    def __init__(
        self,
        worker: ChunkWorker,
        merge: Callable[[list[Any] | None, list[Any] | None], list[Any] | None],
        cohort: Cohort,
        zeros: list[Any],
        released: Sequence[bool],
        advance: Callable[[int], None],
    ) -> None:
        self.worker = worker
        self.broadcast = cohort.broadcast
        self.zeros = zeros
        self._cohort = cohort
        self._chunks = reduction.chunks(len(cohort.keys), worker.settings.lanes)
        self._sizes: list[int] | None = None
        self.chunk_count = len(self._chunks)
        self.round_number = cohort.round_number
        self._released = list(itertools.compress(cohort.clients, released))
        self._advance = advance
        self._tree = reduction.Tree[list[Any] | None](self.chunk_count, merge)
        self._kept: list[list[list[Any]]] = [[] for _ in self._chunks]
        self._failures: dict[int, list[ClientFailure]] = {}
        self._first_failed_chunk = self.chunk_count
        self._stops_at_failure = worker.stops_at_failure
        self._lock = threading.Lock()

    def positions(self, index: int) -> list[int]:
        return [self._cohort.positions[client] for client in self._chunks[index]]

    def chunk(self, index: int) -> Chunk:
        positions = self._chunks[index]
        part = slice(positions.start, positions.stop)
        columns = [column[part] for column in self._cohort.clients]
        return Chunk(positions.start, columns, self._cohort.keys[part])

    def known_sizes(self) -> list[int] | None:
        sizes: list[int] = []
        for chunk in self._chunks:
            size = self._known_size(chunk)
            if size is None:
                return None
            sizes.append(size)
        self._sizes = sizes
        return sizes

    def is_needed(self, index: int) -> bool:
        return not self._stops_at_failure or index < self._first_failed_chunk

    def done(self, index: int, result: ChunkResult) -> None:
        chunk = self._chunks[index]
        examples = self._known_size(chunk) if self._sizes is None else self._sizes[index]
        failed = [self._failure(chunk, each) for each in result.failed]
        replaced = [
            self._failure(
                chunk,
                chunk_runs.FailedClient(each, self.worker.stage, failures.replaced_error()),
                is_left_out=False,
            )
            for each in result.replaced
        ]
        counted = len(replaced) + (0 if self._stops_at_failure else len(failed))
        profiling.count(clients=len(chunk), examples=examples or 0, failed_clients=counted)
        for column in self._released:
            column[chunk.start : chunk.stop] = [None] * len(chunk)
        if failed or replaced:
            with self._lock:
                self._failures[index] = sorted(
                    [*failed, *replaced], key=lambda each: each.client_index
                )
        if failed:
            with self._lock:
                self._first_failed_chunk = min(self._first_failed_chunk, index)
        self._kept[index] = result.kept
        if not (failed and self._stops_at_failure):
            self._tree.add(index, result.totals)
        self._advance(len(chunk))

    @property
    def failures(self) -> list[ClientFailure]:
        """The clients whose work failed, in the cohort's order."""
        return [each for index in sorted(self._failures) for each in self._failures[index]]

    @property
    def totals(self) -> list[Any] | None:
        """The totals of all clients; None if there are no clients."""
        return self._tree.result if self._chunks else None

    @property
    def kept(self) -> list[list[Any]]:
        """For each value that is kept, that of each client that is left."""
        return [
            list(itertools.chain.from_iterable(columns))
            for columns in zip(*self._kept, strict=True)
        ] or [[] for _ in self.worker.step.kept]

    def _known_size(self, chunk: range) -> int | None:
        """The rows that the clients of a chunk have; None if some of them are yet to be read."""
        size = 0
        for column in self._cohort.clients:
            for value in column[chunk.start : chunk.stop]:
                for sequence in failures.sequences_in(value):
                    rows = sequence.known_row_count
                    if rows is None:
                        return None
                    size += rows
        return size

    def _failure(
        self, chunk: range, failed: chunk_runs.FailedClient, *, is_left_out: bool = True
    ) -> ClientFailure:
        client = chunk.start + failed.position
        return ClientFailure(
            self._cohort.positions[client],
            failures.client_id([column[client] for column in self._cohort.clients]),
            failed.stage,
            self._cohort.round_number,
            failed.error,
            is_left_out,
        )
