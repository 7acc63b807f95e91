"""The operators of the federated language, as functions on values."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import (
    errors,
    intrinsic_calls,
    placements,
    tracing,
    type_predicates,
)
from tensorflow_federated.core.tracing import Value, to_value
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    TensorType,
    Type,
)


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
    uri = "federated_aggregate"
    clients = intrinsic_calls.federated(value, uri, "value", placements.CLIENTS)
    member = intrinsic_calls.member(clients)
    start = to_value(zero)
    if isinstance(start.type_signature, FunctionType) and start.type_signature.parameter is None:
        start = start()
    zero_type = start.type_signature
    accumulator = intrinsic_calls.function(
        accumulate, StructType([zero_type, member]), uri, "accumulate"
    )
    state_type = intrinsic_calls.first_element(accumulator.type_signature)
    merger = intrinsic_calls.function(merge, StructType([state_type, state_type]), uri, "merge")
    reporter = intrinsic_calls.function(report, state_type, uri, "report")
    problems: list[str] = []
    if state_type is None or not state_type.is_assignable_from(zero_type):
        problems.append(f"zero: expected {state_type}, got {zero_type}")
        state_type = zero_type
    expected: list[tuple[str, Value, Type, Type | None]] = [
        ("accumulate", accumulator, StructType([state_type, member]), state_type),
        ("merge", merger, StructType([state_type, state_type]), state_type),
        ("report", reporter, state_type, None),
    ]
    for name, function, argument, result in expected:
        problems.extend(intrinsic_calls.misfits(name, function, argument, result))
    if problems:
        raise intrinsic_calls.error(errors.TypeMismatchError, uri, problems)
    report_type = reporter.type_signature
    assert isinstance(report_type, FunctionType)
    return intrinsic_calls.call(
        uri,
        [clients, start, accumulator, merger, reporter],
        FederatedType(report_type.result, placements.SERVER),
    )


@errors.boundary
def federated_apply(fn: Any, arg: Any) -> Value:
    """Applies a function to a value at the server; the older name of `federated_map` there.

    Type: ``(<(T -> U),T@SERVER> -> U@SERVER)``

    Args:
      fn: a computation of the type ``(T -> U)``.
      arg: a value of the type T at the server.

    Returns:
      The value of the type U at the server.

    Raises:
      PlacementError: if `arg` is not at the server.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32)
      ... def half(x):
      ...     return x / 2
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.SERVER))
      ... def halve(value):
      ...     return tff.federated_apply(half, value)
      >>> halve(3.0)
      np.float32(1.5)
    """
    value = intrinsic_calls.federated(arg, "federated_apply", "arg", placements.SERVER)
    return intrinsic_calls.map_value(fn, value, "federated_apply")


@errors.boundary
def federated_broadcast(value: Any) -> Value:
    """Sends a value from the server to all clients.

    Type: ``(T@SERVER -> T@CLIENTS)``

    Args:
      value: a value at the server.

    Returns:
      The value at the clients, the same for all.

    Raises:
      PlacementError: if `value` is not at the server.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.SERVER))
      ... def send(value):
      ...     return tff.federated_broadcast(value)
      >>> print(send.type_signature)
      (float32@SERVER -> float32@CLIENTS)
    """
    server = intrinsic_calls.federated(value, "federated_broadcast", "value", placements.SERVER)
    return intrinsic_calls.call(
        "federated_broadcast",
        server,
        FederatedType(intrinsic_calls.member(server), placements.CLIENTS, True),
    )


@errors.boundary
def federated_eval(fn: Any, placement: Any) -> Value:
    """Evaluates a function without parameters at a placement: once at the server, or per client.

    Type: ``(( -> T) -> {T}@CLIENTS)`` or ``(( -> T) -> T@SERVER)``

    Args:
      fn: a computation without parameters, of the result type T.
      placement: `tff.CLIENTS` or `tff.SERVER`.

    Returns:
      The value of the type T at the placement.

    Raises:
      TypeMismatchError: if `fn` takes an argument or is no computation.

    Examples:
      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation
      ... def origin():
      ...     return jnp.zeros([2])
      >>> @tff.federated_computation
      ... def start():
      ...     return tff.federated_eval(origin, tff.SERVER)
      >>> start()
      array([0., 0.], dtype=float32)
    """
    tracing.current_tracing_context("tff.federated_eval")
    uri = intrinsic_calls.uri_at("federated_eval", placement)
    function = intrinsic_calls.function(fn, None, uri, "fn")
    function_type = function.type_signature
    if not isinstance(function_type, FunctionType) or function_type.parameter is not None:
        raise intrinsic_calls.error(
            errors.TypeMismatchError, uri, [f"fn: expected ( -> T), got {function_type}"]
        )
    return intrinsic_calls.call(uri, function, FederatedType(function_type.result, placement))


@errors.boundary
def federated_map(fn: Any, arg: Any) -> Value:
    """Applies a function to each client's value, or to the value at the server.

    Type: ``(<(T -> U),{T}@CLIENTS> -> {U}@CLIENTS)`` or ``(<(T -> U),T@SERVER> -> U@SERVER)``

    A structure of values at one placement is zipped first, so a function of several parameters
    is mapped over a tuple of values.

    Args:
      fn: a computation of the type ``(T -> U)``, polymorphic ones included.
      arg: a value of the type T at the clients or at the server, or a structure of such.

    Returns:
      The value of the type U at the same placement.

    Raises:
      PlacementError: if `arg` has no placement, or several.
      TypeMismatchError: if `fn` does not take T.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32, np.float32)
      ... def times(x, y):
      ...     return x * y
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.float32, tff.SERVER)
      ... )
      ... def scale(values, factor):
      ...     return tff.federated_map(times, (values, tff.federated_broadcast(factor)))
      >>> scale([1.0, 2.0], 10.0)
      [np.float32(10.0), np.float32(20.0)]
    """
    return intrinsic_calls.map_value(
        fn, intrinsic_calls.federated(arg, "federated_map", "arg", None), "federated_map"
    )


@errors.boundary
def federated_mean(value: Any, weight: Any = None) -> Value:
    """Averages the clients' values, at the server.

    Type: ``({T}@CLIENTS -> T@SERVER)`` or ``(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)``, T of float
    or complex tensors, U one number.

    Computes ``sum_i w_i v_i / sum_i w_i``, with ``w_i = 1`` without `weight`; ``nan`` if the
    weights sum to 0, as they do without clients.

    Args:
      value: a value at the clients, of float or complex tensors.
      weight: one number per client, at the clients; None for equal weights.

    Returns:
      The mean at the server, of the type of one client's value.

    Raises:
      PlacementError: if a value is not at the clients.
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
    """
    uri = "federated_mean"
    clients = intrinsic_calls.federated(value, uri, "value", placements.CLIENTS)
    member = intrinsic_calls.member(clients)
    if not type_predicates.is_average_compatible(member):
        raise intrinsic_calls.error(
            errors.MeanIncompatibleError,
            uri,
            [f"value: expected float or complex tensors, got {clients.type_signature}"],
        )
    result = FederatedType(member, placements.SERVER)
    if weight is None:
        return intrinsic_calls.call(uri, clients, result)
    uri = "federated_weighted_mean"
    weights = intrinsic_calls.federated(weight, uri, "weight", placements.CLIENTS)
    weight_type = intrinsic_calls.member(weights)
    is_number = isinstance(weight_type, TensorType) and weight_type.shape == ()
    if not is_number or not type_predicates.is_sum_compatible(weight_type):
        raise intrinsic_calls.error(
            errors.TypeMismatchError,
            uri,
            [f"weight: expected one number per client, got {weights.type_signature}"],
        )
    return intrinsic_calls.call(uri, [clients, weights], result)


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
    clients = intrinsic_calls.federated(value, "federated_sum", "value", placements.CLIENTS)
    member = intrinsic_calls.member(clients)
    if not type_predicates.is_sum_compatible(member):
        raise intrinsic_calls.error(
            errors.SumIncompatibleError,
            "federated_sum",
            [f"value: expected numeric tensors, got {clients.type_signature}"],
        )
    return intrinsic_calls.call("federated_sum", clients, FederatedType(member, placements.SERVER))


@errors.boundary
def federated_value(value: Any, placement: Any) -> Value:
    """Places a value, the same for all at the placement.

    Type: ``(T -> T@CLIENTS)`` or ``(T -> T@SERVER)``

    Args:
      value: a constant or a value without placement.
      placement: `tff.CLIENTS` or `tff.SERVER`.

    Returns:
      The value at the placement.

    Raises:
      PlacementError: if the value has a placement already.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def seven():
      ...     return tff.federated_value(7, tff.SERVER)
      >>> print(seven.type_signature)
      ( -> int32@SERVER)
    """
    uri = intrinsic_calls.uri_at("federated_value", placement)
    local = to_value(value, used="tff.federated_value")
    unplaceable = type_predicates.contains(
        local.type_signature, lambda t: isinstance(t, (FederatedType, FunctionType))
    )
    if unplaceable:
        raise intrinsic_calls.error(
            errors.PlacementError,
            uri,
            [f"value: expected no placement and no function, got {local.type_signature}"],
        )
    return intrinsic_calls.call(uri, local, FederatedType(local.type_signature, placement, True))


@errors.boundary
def federated_zip(value: Any) -> Value:
    """Turns a structure of federated values at one placement into one value of structures.

    Type: ``(<{T}@CLIENTS,{U}@CLIENTS> -> {<T,U>}@CLIENTS)``, and so on for any structure.

    Args:
      value: a structure of values, nested or not, all at the clients or all at the server.

    Returns:
      One value at that placement, whose members have the structure.

    Raises:
      PlacementError: if the placements differ or one is missing.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def pair(x, y):
      ...     return tff.federated_zip((x, y))
      >>> print(pair.type_signature)
      (<x={float32}@CLIENTS,y={int32}@CLIENTS> -> {<float32,int32>}@CLIENTS)
      >>> pair([0.5, 1.5], [1, 2])
      [(np.float32(0.5), np.int32(1)), (np.float32(1.5), np.int32(2))]
    """
    given = to_value(value, used="tff.federated_zip")
    zipped = tracing.to_federated(given)
    if zipped is None:
        raise intrinsic_calls.error(
            errors.PlacementError,
            "federated_zip_at_clients",
            [f"value: expected one placement, got {given.type_signature}"],
            name="federated_zip",
            fix="bring the values to one placement first, as with `tff.federated_broadcast`.",
        )
    return zipped
