"""The operators that bring the clients' values together at the server."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import computations, errors, intrinsic_calls, placements
from tensorflow_federated.core import placement_intrinsics as placing
from tensorflow_federated.core.tracing import Value, as_value
from tensorflow_federated.core.types import FunctionType, TensorType


@errors.boundary
def federated_aggregate(value: Any, zero: Any, accumulate: Any, merge: Any, report: Any) -> Value:
    """Folds the clients' values into one value at the server.

    Type: ``(<{T}@CLIENTS,U,(<U,T> -> U),(<U,U> -> U),(U -> R)> -> R@SERVER)``

    Every part of the cohort starts from `zero` and takes in its clients with `accumulate`; the
    parts are brought together with `merge`, in an order that depends on the cohort alone, and
    `report` makes the result of the last one.

    Args:
      value: a value at the clients, of the type T.
      zero: the start, of the type U.
      accumulate: a computation of the type ``(<U,T> -> U)``.
      merge: a computation of the type ``(<U,U> -> U)``.
      report: a computation of the type ``(U -> R)``.

    Returns:
      The value of the type R at the server.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if the types do not fit together.

    Examples:
      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def larger(x, y):
      ...     return jnp.maximum(x, y)
      >>> @tff.jax.computation(np.int32)
      ... def same(x):
      ...     return x
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def largest(values):
      ...     return tff.federated_aggregate(values, np.int32(0), larger, larger, same)
      >>> largest([3, 7, 5])
      np.int32(7)
    """
    return intrinsic_calls.call(
        "federated_aggregate", value, _start(zero), accumulate, merge, report
    )


@errors.boundary
def federated_collect(value: Any) -> Value:
    """Collects the clients' values at the server, as a sequence in the order of the cohort.

    Type: ``({T}@CLIENTS -> T*@SERVER)``, T of tensors.

    The server gets to see every client's value, and holds all of them at once.

    Args:
      value: a value at the clients.

    Returns:
      The sequence at the server.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if the value is, or holds, a sequence.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def everything(values):
      ...     return tff.federated_collect(values)
      >>> print(everything.type_signature)
      ({int32}@CLIENTS -> int32*@SERVER)
      >>> everything([3, 1, 2])
      [np.int32(3), np.int32(1), np.int32(2)]

    Differs from TFF: the last versions of TFF have it no more.
    """
    return intrinsic_calls.call("federated_collect", value)


@errors.boundary
def federated_max(value: Any) -> Value:
    """Finds the largest of the clients' values, element by element, at the server.

    Type: ``({T}@CLIENTS -> T@SERVER)``, T of integer or float tensors.

    Computes ``max_i v_i``. If one is ``nan``, so is the result.

    Args:
      value: a value at the clients, of tensors of known shapes.

    Returns:
      The maximum at the server, of the same type; without clients, the smallest finite number of
      the dtype.

    Raises:
      PlacementError: if `value` is not at the clients.
      OrderIncompatibleError: if a part of it is neither integer nor float.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType((np.int32, [2]), tff.CLIENTS))
      ... def largest(values):
      ...     return tff.federated_max(values)
      >>> largest([[1, 5], [3, 2]])
      array([3, 5], dtype=int32)

    Differs from TFF: the largest of values that are all ``-inf`` is ``-inf``.
    """
    return intrinsic_calls.call("federated_max", value)


@errors.boundary
def federated_mean(value: Any, weight: Any = None) -> Value:
    """Averages the clients' values, at the server.

    Type: ``({T}@CLIENTS -> T@SERVER)`` or ``(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)``, T of float
    or complex tensors, U one integer or float.

    Computes ``sum_i w_i v_i / sum_i w_i``, with ``w_i = 1`` without `weight`; ``nan`` if the
    weights sum to 0, as they do without clients.

    Args:
      value: a value at the clients, of float or complex tensors.
      weight: one number per client, at the clients, or one number for all of them: a constant, or a
        value without placement. None for equal weights.

    Returns:
      The mean at the server, of the type of one client's value.

    Raises:
      PlacementError: if a value is not at the clients.
      TypeMismatchError: if the weight is no number.
      MeanIncompatibleError: if the dtypes cannot be averaged.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.float32, tff.CLIENTS)
      ... )
      ... def mean(values, weights):
      ...     return tff.federated_mean(values, weights)
      >>> print(mean.type_signature)
      (<values={float32}@CLIENTS,weights={float32}@CLIENTS> -> float32@SERVER)
      >>> mean([10.0, 20.0], [3.0, 1.0])
      np.float32(12.5)

    Differs from TFF: one number for all clients is taken as their weight.
    """
    if weight is None:
        return intrinsic_calls.call("federated_mean", value)
    return intrinsic_calls.call("federated_weighted_mean", value, _weight_at_clients(weight))


@errors.boundary
def federated_min(value: Any) -> Value:
    """Finds the smallest of the clients' values, element by element, at the server.

    Type: ``({T}@CLIENTS -> T@SERVER)``, T of integer or float tensors.

    Computes ``min_i v_i``. If one is ``nan``, so is the result.

    Args:
      value: a value at the clients, of tensors of known shapes.

    Returns:
      The minimum at the server, of the same type; without clients, the largest finite number of
      the dtype.

    Raises:
      PlacementError: if `value` is not at the clients.
      OrderIncompatibleError: if a part of it is neither integer nor float.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def smallest(values):
      ...     return tff.federated_min(values)
      >>> smallest([3, -2, 5])
      np.int32(-2)

    Differs from TFF: the smallest of values that are all ``inf`` is ``inf``.
    """
    return intrinsic_calls.call("federated_min", value)


@errors.boundary
def federated_reduce(value: Any, zero: Any, op: Any) -> Value:
    """Folds the clients' values at the server, one after the other in the order of the cohort.

    Type: ``(<{T}@CLIENTS,U,(<U,T> -> U)> -> U@SERVER)``, T of tensors.

    The server gets to see every client's value, and holds all of them at once; with
    `federated_aggregate` it does not.

    Args:
      value: a value at the clients, of the type T.
      zero: the start, of the type U.
      op: a computation of the type ``(<U,T> -> U)``.

    Returns:
      The last state, at the server; `zero` without clients.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if the types do not fit together.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def append_digit(number, digit):
      ...     return 10 * number + digit
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def number(digits):
      ...     return tff.federated_reduce(digits, np.int32(0), append_digit)
      >>> print(number.type_signature)
      ({int32}@CLIENTS -> int32@SERVER)
      >>> number([1, 2, 3])
      np.int32(123)

    Differs from TFF: the last versions of TFF have it no more.
    """
    return intrinsic_calls.call("federated_reduce", value, _start(zero), op)


@errors.boundary
def federated_sum(value: Any) -> Value:
    """Adds up the clients' values, at the server.

    Type: ``({T}@CLIENTS -> T@SERVER)``, T of numeric tensors.

    Computes ``sum_i v_i``, leaf by leaf; integers wrap around. The clients are added up in an order
    that depends on the cohort alone.

    Args:
      value: a value at the clients. Where a dimension is not known, it must be the same for all.

    Returns:
      The sum at the server, of the same type; zeros without clients, which needs known dimensions.

    Raises:
      PlacementError: if `value` is not at the clients.
      SumIncompatibleError: if a part of it cannot be added, as a string or a bool.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(values)
      >>> print(total.type_signature)
      ({int32}@CLIENTS -> int32@SERVER)
      >>> total([1, 2, 3])
      np.int32(6)
    """
    return intrinsic_calls.call("federated_sum", value)


def _start(zero: Any) -> Any:
    """The zero of a fold; a computation without parameters stands for its result."""
    if isinstance(zero, (computations.ConcreteComputation, Value)):
        zero_type = zero.type_signature
        if isinstance(zero_type, FunctionType) and zero_type.parameter is None:
            return zero()
    return zero


def _weight_at_clients(weight: Any) -> Value:
    """One number that has no placement is the weight of every client."""
    value = as_value(weight, used="tff.federated_mean")
    weight_type = value.type_signature
    if isinstance(weight_type, TensorType) and weight_type.shape == ():
        return placing.federated_value(value, placements.CLIENTS)
    return value
