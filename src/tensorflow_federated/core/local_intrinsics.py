"""The operators of local work: on sequences, and the random key of a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import (
    errors,
    intrinsic_calls,
    intrinsics,
    ir,
    tracing,
    type_predicates,
)
from tensorflow_federated.core.tracing import Value, to_value
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)


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
    sequence = to_value(arg, used="tff.sequence_map")
    element = _element_type(sequence, "sequence_map")
    function = intrinsic_calls.function(fn, element, "sequence_map", "fn")
    intrinsic_calls.check_function("sequence_map", "fn", function, element, None)
    result = SequenceType(intrinsic_calls.result_type(function))
    return _on_sequence("sequence_map", sequence, lambda s: [function.node, s], result)


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
    uri = "sequence_reduce"
    sequence = to_value(value, used="tff.sequence_reduce")
    element = _element_type(sequence, uri)
    start = to_value(zero)
    zero_type = start.type_signature
    if isinstance(sequence.type_signature, FederatedType):
        federated_zero = tracing.to_federated(start)
        if federated_zero is not None:
            return _reduce_with_placed_zero(sequence, federated_zero, op)
    operator = intrinsic_calls.function(op, StructType([zero_type, element]), uri, "op")
    state_type = intrinsic_calls.first_element(operator.type_signature) or zero_type
    if not state_type.is_assignable_from(zero_type):
        raise intrinsic_calls.error(
            errors.TypeMismatchError, uri, [f"zero: expected {state_type}, got {zero_type}"]
        )
    intrinsic_calls.check_function(
        uri, "op", operator, StructType([state_type, element]), state_type
    )
    return _on_sequence(uri, sequence, lambda s: [s, start.node, operator.node], state_type)


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
    sequence = to_value(value, used="tff.sequence_sum")
    element = _element_type(sequence, "sequence_sum")
    if not type_predicates.is_sum_compatible(element):
        raise intrinsic_calls.error(
            errors.SumIncompatibleError,
            "sequence_sum",
            [f"value: expected numeric tensors, got {sequence.type_signature}"],
        )
    return _on_sequence("sequence_sum", sequence, lambda s: [s], element)


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


def _element_type(sequence: Value, uri: str) -> Type:
    sequence_type = ir.unplaced(sequence.type_signature)
    if not isinstance(sequence_type, SequenceType):
        raise intrinsic_calls.error(
            errors.TypeMismatchError,
            uri,
            [f"value: expected a sequence, got {sequence.type_signature}"],
        )
    return sequence_type.element


def _on_sequence(
    uri: str, sequence: Value, arguments: Callable[[ir.Node], list[ir.Node]], result: Type
) -> Value:
    """Calls a sequence intrinsic on a sequence, or at the placement of a federated one."""
    context = sequence.context

    def call(node: ir.Node) -> ir.Call:
        nodes = arguments(node)
        argument = nodes[0] if len(nodes) == 1 else ir.Struct(tuple((None, node) for node in nodes))
        return ir.call_intrinsic(uri, argument, result)

    if not isinstance(sequence.type_signature, FederatedType):
        return context.bind(call(sequence.node))
    name = context.fresh_name("s")
    member = intrinsic_calls.member(sequence)
    mapped = ir.Lambda(name, member, call(ir.Reference(name, member)))
    return tracing.apply_at_placement(context, mapped, sequence.node)


def _reduce_with_placed_zero(sequence: Value, zero: Value, op: Any) -> Value:
    """Reduces each placed sequence from its own placed zero."""
    pair = intrinsics.federated_zip((sequence, zero))

    def reduce(value: Value, start: Value) -> Value:
        return sequence_reduce(value, start, op)

    return intrinsics.federated_map(
        tracing.federated_computation(reduce, intrinsic_calls.member(pair)),
        pair,
    )
