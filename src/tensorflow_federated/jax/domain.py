"""Local programs inside a JAX trace: the values of a program are tracers, its sequences too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import random_keys
from tensorflow_federated.jax import application, masked_forms

Step = Callable[[Any, Any], Any]

ANYWHERE = -1
"""In place of the first row of a batch, where its rows are not one after the other."""


@dataclasses.dataclass(frozen=True)
class PaddedBatch:
    """A batch of which only the first rows count; a computation with a masked form takes it.

    Attributes:
      value: the batch, canonical.
      count: how many of its rows count, int32.
    """

    value: Any
    count: Any


class TracedSequence(Protocol):
    """A sequence in a trace."""

    def reduce(self, step: Step, zero: Any, zero_type: Type) -> Any:
        """Folds `step(state, element)` over the elements."""
        ...


@dataclasses.dataclass(frozen=True)
class ColumnSequence:
    """The elements of one client, as rows of columns.

    Attributes:
      columns: one array for each leaf of the element type.
      rows: int32[n,b], the rows of each batch; int32[n], the row of each element, where elements
        are no batches.
      starts: int32[n], the first row of each batch whose rows, those that count, are one after the
        other, `ANYWHERE` for others; None if that is not known of any.
      counts: int32[n], how many rows of each batch count; None if all do.
      first: the first of the elements, an int32 scalar.
      last: one more than the last element.
      element_type: the type of every element.
    """

    columns: tuple[Any, ...]
    rows: Any
    starts: Any
    counts: Any
    first: Any
    last: Any
    element_type: Type

    def reduce(self, step: Step, zero: Any, zero_type: Type) -> Any:
        """Folds over the elements in one loop."""

        def turn(index: Any, state: list[Any]) -> list[Any]:
            stepped = step(tensor_leaves.unflatten(state, zero_type), self.element(index))
            return as_declared(stepped, zero_type)

        state = lax.fori_loop(self.first, self.last, turn, as_declared(zero, zero_type))
        return tensor_leaves.unflatten(state, zero_type)

    def element(self, index: Any, size: int | None = None) -> Any:
        """An element; a batch has just so many rows, if `size` is not None."""
        value = tensor_leaves.unflatten(self._leaves(index, size), self.element_type)
        return value if self.counts is None else PaddedBatch(value, self.counts[index])

    def _leaves(self, index: Any, size: int | None) -> Sequence[Any]:
        rows = lax.dynamic_index_in_dim(self.rows, index, keepdims=False)
        width = len(rows) if rows.ndim else None
        if size is not None:
            rows = rows[:size]
        if not rows.ndim:
            return [lax.dynamic_index_in_dim(each, rows, keepdims=False) for each in self.columns]

        def gathered() -> list[Any]:
            return [each.at[rows].get(mode="promise_in_bounds") for each in self.columns]

        def sliced() -> list[Any]:
            return [lax.dynamic_slice_in_dim(each, start, len(rows)) for each in self.columns]

        # A smaller size is that of few batches.
        is_full = len(rows) == width
        if not is_full or self.starts is None or any(len(x) < len(rows) for x in self.columns):
            return gathered()
        start = self.starts[index]
        return lax.cond(start == ANYWHERE, gathered, sliced)


@dataclasses.dataclass(frozen=True)
class MappedSequence:
    """A function applied to each element of another sequence, when it is read."""

    source: TracedSequence
    fn: Callable[[Any], Any]

    def reduce(self, step: Step, zero: Any, zero_type: Type) -> Any:
        """Folds over the mapped elements; none of them is kept."""
        return self.source.reduce(
            lambda state, element: step(state, self.fn(element)), zero, zero_type
        )


class TracedDomain:
    """Carries a local program out on tracers; see `execution.local_programs.Domain`."""

    def __init__(self, keys: Any) -> None:
        """Makes a domain.

        Args:
          keys: the client's random keys, int64[draws, 2]; None where there is no client.
        """
        self._keys = keys
        self.are_keys_offered: Any = np.True_
        """Whether all keys that were made sequences are below their `max_key`."""

    def literal(self, value: Any, type_signature: Type) -> Any:
        """A constant array."""
        return jnp.asarray(value, getattr(type_signature, "dtype", None))

    def call(self, computation: LocalComputation, argument: Any) -> Any:
        """Makes a computation part of the trace."""
        match argument:
            case (state, PaddedBatch(value=batch, count=count)):
                return masked_forms.apply(computation, state, batch, count)
            case _:
                return application.apply(computation, argument)

    def random_key(self, number: int) -> Any:
        """The client's key at one draw."""
        if self._keys is None:
            raise random_keys.no_client()
        return self._keys[number]

    def sequence_map(
        self, fn: Callable[[Any], Any], sequence: TracedSequence, sequence_type: Type
    ) -> TracedSequence:
        """Maps when the elements are read."""
        del sequence_type
        return MappedSequence(sequence, fn)

    def sequence_of_keys(self, keys: Any, max_key: Any) -> TracedSequence:
        """The keys as a column; that they are offered is to be checked after the trace has run."""
        self.are_keys_offered &= jnp.all((keys >= 0) & (keys < max_key))
        size = keys.shape[0]
        return ColumnSequence(
            columns=(keys,),
            rows=np.arange(size, dtype=np.int32),
            starts=None,
            counts=None,
            first=np.int32(0),
            last=np.int32(size),
            element_type=TensorType(np.int32),
        )

    def sequence_reduce(
        self, step: Step, zero: Any, sequence: TracedSequence, zero_type: Type
    ) -> Any:
        """Folds in a loop."""
        return sequence.reduce(step, zero, zero_type)

    def sequence_sum(self, sequence: TracedSequence, element_type: Type) -> Any:
        """Adds up in a loop."""
        return sequence.reduce(
            lambda state, element: add(state, element, element_type),
            zeros(element_type),
            element_type,
        )


def as_declared(value: Any, type_signature: Type) -> list[Any]:
    """The leaves of a value as arrays of just the dtypes of its type, as loops carry them."""
    leaves = tensor_leaves.flatten(value, type_signature)
    types = tensor_leaves.leaf_types(type_signature)
    return [
        lax.convert_element_type(jnp.asarray(leaf), leaf_type.dtype)
        for leaf, leaf_type in zip(leaves, types, strict=True)
        if isinstance(leaf_type, TensorType)
    ]


def add(left: Any, right: Any, type_signature: Type) -> Any:
    """Adds two values leaf by leaf."""
    pairs = zip(as_declared(left, type_signature), as_declared(right, type_signature), strict=True)
    return tensor_leaves.unflatten([x + y for x, y in pairs], type_signature)


def zeros(type_signature: Type) -> Any:
    """A value of zeros of a type whose shapes are known."""
    return tensor_leaves.unflatten(
        [
            jnp.zeros([size or 0 for size in leaf.shape or ()], leaf.dtype)
            for leaf in tensor_leaves.leaf_types(type_signature)
            if isinstance(leaf, TensorType)
        ],
        type_signature,
    )
