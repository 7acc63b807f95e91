"""The operators that place values, send them, and compute where they are."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors, intrinsic_calls, placements, tracing
from tensorflow_federated.core.tracing import Value, as_value
from tensorflow_federated.core.types import FederatedType, preorder


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
    return intrinsic_calls.call("federated_apply", fn, arg)


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
    return intrinsic_calls.call("federated_broadcast", value)


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
    return intrinsic_calls.call(intrinsic_calls.uri_at("federated_eval", placement), fn)


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
    value = intrinsic_calls.federated(arg, "tff.federated_map")
    value_type = value.type_signature
    if not isinstance(value_type, FederatedType):
        raise intrinsic_calls.placement_error("federated_map", "federated_map", "arg", value)
    at_server = value_type.placement is placements.SERVER
    uri = "federated_apply" if at_server else "federated_map"
    return intrinsic_calls.call(uri, fn, value, name="federated_map")


@errors.boundary
def federated_map_all_equal(fn: Any, arg: Any) -> Value:
    """Applies a function to a value that all clients have; they all have its result, too.

    Type: ``(<(T -> U),T@CLIENTS> -> U@CLIENTS)``

    `federated_map` of such a value lets every client compute a result of its own. Here the result
    is computed once, so `fn` cannot draw random keys of a client.

    Args:
      fn: a computation of the type ``(T -> U)``, polymorphic ones included.
      arg: a value of the type T that all clients have.

    Returns:
      The value of the type U that all clients have.

    Raises:
      PlacementError: if `arg` is not a value that all clients have.
      TypeMismatchError: if `fn` does not take T.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32)
      ... def half(x):
      ...     return x / 2
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.SERVER))
      ... def send_half(value):
      ...     return tff.federated_map_all_equal(half, tff.federated_broadcast(value))
      >>> print(send_half.type_signature)
      (float32@SERVER -> float32@CLIENTS)
      >>> send_half(3.0)
      np.float32(1.5)

    Differs from TFF: there, only the compiler writes this intrinsic.
    """
    return intrinsic_calls.call("federated_map_all_equal", fn, arg)


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
    return intrinsic_calls.call(intrinsic_calls.uri_at("federated_value", placement), value)


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
    given = as_value(value, used="tff.federated_zip")
    if isinstance(given.type_signature, FederatedType):
        return given
    placed = (
        part.placement for part in preorder(given.type_signature) if isinstance(part, FederatedType)
    )
    placement = next(placed, placements.CLIENTS)
    return intrinsic_calls.call(intrinsic_calls.uri_at("federated_zip", placement), given)
