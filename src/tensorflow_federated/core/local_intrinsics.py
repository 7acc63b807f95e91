"""The operators of local work: on sequences, and the random key of a client."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import (
    errors,
    intrinsic_calls,
    ir,
    tracing,
)
from tensorflow_federated.core import placement_intrinsics as placing
from tensorflow_federated.core.tracing import Value, as_value
from tensorflow_federated.core.types import FederatedType, SequenceType, TensorType


@errors.boundary
def sequence_map(fn: Any, arg: Any) -> Value:
    """Applies a function to each element of a sequence.

    Type: ``(<(T -> U),T*> -> U*)``

    Args:
      fn: a computation of the type ``(T -> U)``.
      arg: a sequence of T, placed or not.

    Returns:
      The sequence of U, at the same placement.

    Raises:
      TypeMismatchError: if `arg` is no sequence, or `fn` does not take its elements.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def square(x):
      ...     return x * x
      >>> @tff.federated_computation(tff.SequenceType(np.int32))
      ... def squares(values):
      ...     return tff.sequence_map(square, values)
      >>> squares([1, 2, 3])
      [np.int32(1), np.int32(4), np.int32(9)]
    """
    return intrinsic_calls.call("sequence_map", fn, arg)


@errors.boundary
def sequence_reduce(value: Any, zero: Any, op: Any) -> Value:
    """Folds the elements of a sequence, in order.

    Type: ``(<T*,U,(<U,T> -> U)> -> U)``

    Args:
      value: a sequence of T, placed or not.
      zero: the start, of the type U.
      op: a computation of the type ``(<U,T> -> U)``.

    Returns:
      The last state; `zero` for an empty sequence.

    Raises:
      TypeMismatchError: if the types do not fit together.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def append_digit(number, digit):
      ...     return 10 * number + digit
      >>> @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS))
      ... def numbers(digits):
      ...     return tff.sequence_reduce(digits, np.int32(0), append_digit)
      >>> numbers([[1, 2, 3], [], [4, 2]])
      [np.int32(123), np.int32(0), np.int32(42)]
    """
    sequence = as_value(value, used="tff.sequence_reduce")
    start = as_value(zero)
    if isinstance(sequence.type_signature, FederatedType) and isinstance(
        sequence.type_signature.member, SequenceType
    ):
        placed_start = tracing.to_federated(start)
        if placed_start is not None:
            return _reduce_from_placed(sequence, placed_start, op)
    return intrinsic_calls.call("sequence_reduce", sequence, start, op)


@errors.boundary
def sequence_sum(value: Any) -> Value:
    """Adds up the elements of a sequence.

    Type: ``(T* -> T)``, T of numeric tensors.

    Args:
      value: a sequence, placed or not.

    Returns:
      The sum, at the same placement; zeros for an empty sequence.

    Raises:
      SumIncompatibleError: if the elements cannot be added.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.SequenceType(np.float32))
      ... def total(values):
      ...     return tff.sequence_sum(values)
      >>> total([0.5, 1.5])
      np.float32(2.0)
    """
    return intrinsic_calls.call("sequence_sum", value)


def random_key() -> Value:
    """A key from which the work of one client draws its random numbers.

    Type: ``( -> int64[2])``. Every call gives another key. It depends on the seed of the execution
    context, on the number of the invocation in that context, on the client's position in the
    cohort, and on how many keys the program draws at a client before; on nothing else. It is
    available inside functions that are mapped over clients, but not inside functions of the
    elements of a sequence: there, make a key a part of the state.
    """
    context = tracing.current_tracing_context("random_key")
    return context.bind(ir.call_intrinsic("random_key", None, TensorType(np.int64, [2])))


def server_random_key() -> Value:
    """A key from which the server draws its random numbers, such as the noise of a private sum.

    Type: ``( -> int64[2])``. Every call gives another key. It depends on the seed of the execution
    context, on the number of the invocation in that context, and on how many of these keys the
    program draws before; on nothing else: not on the clock, the clients, or the engine. It is
    available inside functions that are evaluated or mapped at the server.
    """
    context = tracing.current_tracing_context("server_random_key")
    return context.bind(ir.call_intrinsic("server_random_key", None, TensorType(np.int64, [2])))


def reported_non_finite(is_non_finite: Any) -> Value:
    """Tells the engine whether a client's results were not finite, and others stand for them.

    Type: ``(bool -> bool)``. Gives its argument back. An engine that works for a simulation counts
    these clients, knows which they are, and takes them for clients whose work failed where it is
    asked to: see `execution.settings.Settings.non_finite`. It is no message to the server: in a
    deployment nothing leaves the client. It is available where `random_key` is.

    Args:
      is_non_finite: whether something was NaN or infinite, a bool.

    Returns:
      The same bool.
    """
    return intrinsic_calls.call("reported_non_finite", is_non_finite)


def _reduce_from_placed(sequence: Value, start: Value, op: Any) -> Value:
    """Reduces each placed sequence from its own placed start."""
    pair = placing.federated_zip((sequence, start))

    def reduce(value: Value, zero: Value) -> Value:
        return sequence_reduce(value, zero, op)

    return placing.federated_map(
        tracing.federated_computation(reduce, intrinsic_calls.member(pair)), pair
    )
