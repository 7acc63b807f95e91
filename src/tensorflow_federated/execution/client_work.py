"""Carries out one client step: compiled where a back end can, and else client by client."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import errors, ir
from tensorflow_federated.execution import (
    backends,
    local_programs,
    numpy_domain,
    reduction,
    sequences,
    sums,
)
from tensorflow_federated.execution.problems import describe_error
from tensorflow_federated.execution.settings import Settings


class ClientWork:
    """A client step, ready to be run any number of times."""

    def __init__(self, step: plan.ClientStep, number: int, settings: Settings) -> None:
        """Prepares a step.

        Args:
          step: the step.
          number: its position among the client steps of the plan, from 0.
          settings: how the engine works.
        """
        self.step = step
        self._settings = settings
        self._stage = f"client step {number + 1}"
        self._backend = local_programs.only_backend([step.body])
        accumulates = [a.accumulate for a in step.aggregates if a.accumulate is not None]
        self._chunk_backend = local_programs.only_backend([step.body, *accumulates])
        self._folds = [_FOLDS[aggregate.kind](aggregate) for aggregate in step.aggregates]
        self._compiled: backends.CompiledStep | backends.NotCompiled | None = None
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
          starts: for each aggregate, the zero of a fold by functions; None for others.
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
        compiled = self._compiled_step(zeros)
        placed = None if compiled is None else compiled.place(broadcast)
        chunks = reduction.chunks(len(keys))
        consumed = list(itertools.compress(clients, released))
        kept: list[list[Any]] = [[] for _ in self.step.kept]
        tree = reduction.Tree[list[Any]](len(chunks), self._merge)
        for index, chunk in enumerate(chunks):
            tree.add(index, self._run_chunk(cohort, chunk, zeros, kept, compiled, placed))
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
        self,
        cohort: _Cohort,
        chunk: range,
        zeros: Sequence[Any],
        kept: list[list[Any]],
        compiled: backends.CompiledStep | None,
        placed: Any,
    ) -> list[Any]:
        if compiled is not None:
            clients = [column[chunk.start : chunk.stop] for column in cohort.clients]
            try:
                prepared = compiled.prepare(clients)
                if prepared is not None:
                    keys = cohort.keys[chunk.start : chunk.stop]
                    return list(compiled.run(placed, zeros, prepared, keys))
            except Exception as error:
                # The same clients one by one tell which of them it was.
                self._run_each_client(cohort, chunk, zeros, kept)
                raise self._failure(error, None, cohort) from error
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

    def _compiled_step(self, zeros: Sequence[Any]) -> backends.CompiledStep | None:
        if self._chunk_backend is None or self.step.kept or any(zero is None for zero in zeros):
            return None
        with self._lock:
            if self._compiled is None:
                backend = backends.get(self._chunk_backend)
                self._compiled = backend.compile_client_step(self.step, self._settings)
        return None if isinstance(self._compiled, backends.NotCompiled) else self._compiled

    def _failure(
        self, error: Exception, client_index: int | None, cohort: _Cohort
    ) -> errors.ClientError:
        which = "a client" if client_index is None else f"client {client_index}"
        return errors.ClientError(
            f"the work of {which} failed.",
            client_index=client_index,
            stage=self._stage,
            problems=[
                f"call:        number {cohort.invocation + 1} in this context",
                describe_error(error),
            ],
            fix="look at what this client has, or leave it out of the cohort.",
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


class _Fold(Protocol):
    """How the results of the clients come together."""

    def zero(self, start: Any) -> Any:
        """What a chunk starts from; None if it starts from the first client's value."""
        ...

    def empty(self, zero: Any) -> Any:
        """The total without clients."""
        ...

    def accumulate(self, total: Any, value: Any) -> Any:
        """The total with one client more."""
        ...

    def merge(self, first: Any, second: Any) -> Any:
        """The total of two neighbouring parts of the cohort."""
        ...

    def report(self, total: Any) -> Any:
        """The result."""
        ...


class _Sum:
    """The sum of the values, leaf by leaf."""

    def __init__(self, aggregate: plan.Aggregate) -> None:
        self._type = aggregate.value_type
        self._has_zeros = sums.has_zeros(aggregate.value_type)

    def zero(self, start: Any) -> Any:
        del start
        return sums.zeros(self._type) if self._has_zeros else None

    def empty(self, zero: Any) -> Any:
        # Raises where the shapes are not known.
        return zero if self._has_zeros else sums.zeros(self._type)

    def accumulate(self, total: Any, value: Any) -> Any:
        return value if total is None else sums.add(total, value)

    def merge(self, first: Any, second: Any) -> Any:
        return sums.add(first, second)

    def report(self, total: Any) -> Any:
        return total


class _FunctionFold:
    """What the functions of an aggregate make of the values."""

    def __init__(self, aggregate: plan.Aggregate) -> None:
        self._aggregate = aggregate

    def zero(self, start: Any) -> Any:
        return start

    def empty(self, zero: Any) -> Any:
        return zero

    def accumulate(self, total: Any, value: Any) -> Any:
        return _call(self._aggregate.accumulate, (total, value))

    def merge(self, first: Any, second: Any) -> Any:
        return _call(self._aggregate.merge, (first, second))

    def report(self, total: Any) -> Any:
        return _call(self._aggregate.report, total)


class _Collection:
    """The values one after the other, as a sequence."""

    def __init__(self, aggregate: plan.Aggregate) -> None:
        self._type = aggregate.value_type

    def zero(self, start: Any) -> tuple[Any, ...]:
        del start
        return ()

    def empty(self, zero: Any) -> Any:
        return zero

    def accumulate(self, total: Any, value: Any) -> tuple[Any, ...]:
        return (*total, value)

    def merge(self, first: Any, second: Any) -> tuple[Any, ...]:
        return (*first, *second)

    def report(self, total: Any) -> sequences.Sequence:
        return sequences.Sequence.from_elements(total, self._type)


_FOLDS: dict[plan.AggregateKind, Callable[[plan.Aggregate], _Fold]] = {
    "collection": _Collection,
    "fold": _FunctionFold,
    "sum": _Sum,
}


def _call(function: ir.Lambda | None, argument: Any) -> Any:
    assert function is not None
    return local_programs.run(function, argument, numpy_domain.NumpyDomain())
