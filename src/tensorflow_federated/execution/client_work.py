"""Carries out one client step: compiled where a back end can, and else client by client."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import errors, ir, traversal
from tensorflow_federated.core.local_computations import PORTABLE
from tensorflow_federated.execution import backends, local_programs, numpy_domain, reduction, sums
from tensorflow_federated.execution.problems import describe_error


class ClientWork:
    """A client step, ready to be run any number of times."""

    def __init__(self, step: plan.ClientStep, number: int) -> None:
        """Prepares a step.

        Args:
          step: the step.
          number: its position among the client steps of the plan, from 0.
        """
        self.step = step
        self._stage = f"client step {number + 1}"
        self._backend = _only_backend([step.body])
        accumulates = [a.accumulate for a in step.aggregates if a.accumulate is not None]
        self._chunk_backend = _only_backend([step.body, *accumulates])
        self._folds = [_Fold(aggregate) for aggregate in step.aggregates]
        self._compiled: backends.CompiledChunk | None = None
        self._is_compiled = False
        self._lock = threading.Lock()

    def run(
        self,
        broadcast: Sequence[Any],
        clients: Sequence[list[Any]],
        starts: Sequence[Any],
        keys: np.ndarray,
        invocation: int,
        released: Sequence[bool] = (),
    ) -> tuple[list[list[Any]], list[Any]]:
        """Runs the step for all clients.

        Args:
          broadcast: the broadcast values, in the order of the step.
          clients: for each client input, the value of each client.
          starts: for each aggregate, the zero of a fold; None for a sum.
          keys: int64[clients, draws, 2], the random keys.
          invocation: the number of the call, for messages.
          released: for each client input, whether nothing needs it after this step: it is emptied
            chunk by chunk, so that the data that was read for a chunk does not outlive it.

        Returns:
          For each value that is kept, the value of each client; and the result of each aggregate.

        Raises:
          ClientError: if the work of a client fails.
        """
        cohort = _Cohort(broadcast, clients, keys, invocation)
        zeros = [fold.zero(start) for fold, start in zip(self._folds, starts, strict=True)]
        chunks = reduction.chunks(len(keys))
        consumed = list(itertools.compress(clients, released))
        kept: list[list[Any]] = [[] for _ in self.step.kept]
        tree = reduction.Tree[list[Any]](len(chunks), self._merge)
        for index, chunk in enumerate(chunks):
            tree.add(index, self._run_chunk(cohort, chunk, zeros, kept))
            for column in consumed:
                column[chunk.start : chunk.stop] = [None] * len(chunk)
        totals = tree.result if chunks else [fold.empty(zero) for fold, zero in self._paired(zeros)]
        return kept, [fold.report(total) for fold, total in self._paired(totals)]

    def _paired(self, values: Sequence[Any]) -> list[tuple[_Fold, Any]]:
        return list(zip(self._folds, values, strict=True))

    def _merge(self, first: list[Any], second: list[Any]) -> list[Any]:
        pairs = zip(first, second, strict=True)
        return [fold.merge(*pair) for fold, pair in zip(self._folds, pairs, strict=True)]

    def _run_chunk(
        self, cohort: _Cohort, chunk: range, zeros: Sequence[Any], kept: list[list[Any]]
    ) -> list[Any]:
        compiled = self._compiled_chunk(zeros)
        if compiled is not None:
            clients = [column[chunk.start : chunk.stop] for column in cohort.clients]
            try:
                totals = compiled(
                    cohort.broadcast, zeros, clients, cohort.keys[chunk.start : chunk.stop]
                )
            except Exception as error:
                # The same clients one by one tell which of them it was.
                self._run_each_client(cohort, chunk, zeros, kept)
                raise self._failure(error, None, cohort) from error
            if totals is not None:
                return list(totals)
        return self._run_each_client(cohort, chunk, zeros, kept)

    def _run_each_client(
        self, cohort: _Cohort, chunk: range, zeros: Sequence[Any], kept: list[list[Any]]
    ) -> list[Any]:
        totals = list(zeros)
        for client_index in chunk:
            try:
                results = self._run_client(cohort, client_index)
                for values, result in zip(kept, results, strict=False):
                    values.append(result)
                contributions = results[len(kept) :]
                totals = [
                    fold.accumulate(total, contribution)
                    for (fold, total), contribution in zip(
                        self._paired(totals), contributions, strict=True
                    )
                ]
            except Exception as error:
                raise self._failure(error, client_index, cohort) from error
        return totals

    def _run_client(self, cohort: _Cohort, client_index: int) -> tuple[Any, ...]:
        body, keys = self.step.body, cohort.keys[client_index]
        argument = None
        if body.parameter_name is not None:
            own = (column[client_index] for column in cohort.clients)
            argument = (*cohort.broadcast, *own)
        if self._backend is not None:
            return backends.get(self._backend).evaluate_program(body, argument, keys)
        return local_programs.run(body, argument, numpy_domain.NumpyDomain(keys))

    def _compiled_chunk(self, zeros: Sequence[Any]) -> backends.CompiledChunk | None:
        if self._chunk_backend is None or self.step.kept or any(zero is None for zero in zeros):
            return None
        with self._lock:
            if not self._is_compiled:
                backend = backends.get(self._chunk_backend)
                self._compiled = backend.compile_client_step(self.step)
                self._is_compiled = True
        return self._compiled

    def _failure(
        self, error: Exception, client_index: int | None, cohort: _Cohort
    ) -> errors.ClientError:
        which = "a client" if client_index is None else f"client {client_index}"
        return errors.ClientError(
            f"the work of {which} failed.",
            client_index=client_index,
            stage=self._stage,
            problems=[
                f"call: number {cohort.invocation + 1} in this context",
                describe_error(error),
            ],
        )


class _Cohort:
    """What the clients of one call start from."""

    def __init__(
        self,
        broadcast: Sequence[Any],
        clients: Sequence[Sequence[Any]],
        keys: np.ndarray,
        invocation: int,
    ) -> None:
        self.broadcast = tuple(broadcast)
        self.clients = clients
        self.keys = keys
        self.invocation = invocation


class _Fold:
    """How the results of the clients come together: the sum of values, or a fold."""

    def __init__(self, aggregate: plan.Aggregate) -> None:
        self._aggregate = aggregate
        self._is_sum = aggregate.kind == "sum"
        self._has_zeros = not self._is_sum or sums.has_zeros(aggregate.value_type)

    def zero(self, start: Any) -> Any:
        """What a chunk starts from; None for a sum that starts from the first client's value."""
        if not self._is_sum:
            return start
        return sums.zeros(self._aggregate.value_type) if self._has_zeros else None

    def empty(self, zero: Any) -> Any:
        """The total without clients; raises for a sum whose shapes are not known."""
        return zero if self._has_zeros else sums.zeros(self._aggregate.value_type)

    def accumulate(self, total: Any, value: Any) -> Any:
        if not self._is_sum:
            return _call(self._aggregate.accumulate, (total, value))
        return value if total is None else sums.add(total, value)

    def merge(self, first: Any, second: Any) -> Any:
        if not self._is_sum:
            return _call(self._aggregate.merge, (first, second))
        return sums.add(first, second)

    def report(self, total: Any) -> Any:
        return total if self._is_sum else _call(self._aggregate.report, total)


def _call(function: ir.Lambda | None, argument: Any) -> Any:
    assert function is not None
    return local_programs.run(function, argument, numpy_domain.NumpyDomain())


def _only_backend(programs: Sequence[ir.Node]) -> str | None:
    """The one back end of all local computations that are not portable, if there is just one."""
    names = {
        node.computation.backend
        for program in programs
        for node in traversal.iterate(program)
        if isinstance(node, ir.Local) and node.computation.backend != PORTABLE
    }
    return names.pop() if len(names) == 1 else None
