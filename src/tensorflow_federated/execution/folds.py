"""How the results of clients come together: what an aggregate starts from, takes in, and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tensorflow_federated.compiler import non_finite_reports, plan
from tensorflow_federated.core import ir
from tensorflow_federated.execution import local_programs, numpy_domain, sequences, sums


class Fold(Protocol):
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


def fold_of(aggregate: plan.Aggregate) -> Fold:
    """How the results of an aggregate come together."""
    return _FOLDS[aggregate.kind](aggregate)


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


class _Reports:
    """Which clients of a chunk reported: what is done with it is done chunk by chunk."""

    def __init__(self, aggregate: plan.Aggregate) -> None:
        self._aggregate = aggregate

    def zero(self, start: Any) -> Any:
        del start
        return non_finite_reports.zero()

    def empty(self, zero: Any) -> Any:
        return zero

    def accumulate(self, total: Any, value: Any) -> Any:
        return _call(self._aggregate.accumulate, (total, value))

    def merge(self, first: Any, second: Any) -> Any:
        del second
        return first

    def report(self, total: Any) -> Any:
        del total
        return ()


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


_FOLDS: dict[plan.AggregateKind, Callable[[plan.Aggregate], Fold]] = {
    "collection": _Collection,
    "fold": _FunctionFold,
    "sum": _Sum,
    "non_finite": _Reports,
}


def _call(function: ir.Lambda | None, argument: Any) -> Any:
    assert function is not None
    return local_programs.run(function, argument, numpy_domain.NumpyDomain())
