"""The operators of the federated language, as functions on values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import (
    computations,
    errors,
    intrinsic_defs,
    ir,
    placements,
    tracing,
    type_predicates,
)
from tensorflow_federated.core.tracing import Value, to_value
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)

_CLIENTS = placements.CLIENTS
_SERVER = placements.SERVER


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
    clients = _federated(value, uri, "value", _CLIENTS)
    member = _member(clients)
    start = to_value(zero)
    if isinstance(start.type_signature, FunctionType) and start.type_signature.parameter is None:
        start = start()
    zero_type = start.type_signature
    accumulator = _function(accumulate, StructType([zero_type, member]), uri, "accumulate")
    state_type = _first_element(accumulator.type_signature)
    merger = _function(merge, StructType([state_type, state_type]), uri, "merge")
    reporter = _function(report, state_type, uri, "report")
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
        problems.extend(_misfits(name, function, argument, result))
    if problems:
        raise _error(errors.TypeMismatchError, uri, problems)
    report_type = reporter.type_signature
    assert isinstance(report_type, FunctionType)
    return _call(
        uri,
        [clients, start, accumulator, merger, reporter],
        FederatedType(report_type.result, _SERVER),
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
    value = _federated(arg, "federated_apply", "arg", _SERVER)
    return _map(fn, value, "federated_apply")


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
    server = _federated(value, "federated_broadcast", "value", _SERVER)
    return _call("federated_broadcast", server, FederatedType(_member(server), _CLIENTS, True))


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
    uri = _uri_at("federated_eval", placement)
    function = _function(fn, None, uri, "fn")
    function_type = function.type_signature
    if not isinstance(function_type, FunctionType) or function_type.parameter is not None:
        raise _error(errors.TypeMismatchError, uri, [f"fn: expected ( -> T), got {function_type}"])
    return _call(uri, function, FederatedType(function_type.result, placement))


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
    return _map(fn, _federated(arg, "federated_map", "arg", None), "federated_map")


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
    clients = _federated(value, uri, "value", _CLIENTS)
    member = _member(clients)
    if not type_predicates.is_average_compatible(member):
        raise _error(
            errors.MeanIncompatibleError,
            uri,
            [f"value: expected float or complex tensors, got {clients.type_signature}"],
        )
    result = FederatedType(member, _SERVER)
    if weight is None:
        return _call(uri, clients, result)
    uri = "federated_weighted_mean"
    weights = _federated(weight, uri, "weight", _CLIENTS)
    weight_type = _member(weights)
    is_number = isinstance(weight_type, TensorType) and weight_type.shape == ()
    if not is_number or not type_predicates.is_sum_compatible(weight_type):
        raise _error(
            errors.TypeMismatchError,
            uri,
            [f"weight: expected one number per client, got {weights.type_signature}"],
        )
    return _call(uri, [clients, weights], result)


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
    clients = _federated(value, "federated_sum", "value", _CLIENTS)
    member = _member(clients)
    if not type_predicates.is_sum_compatible(member):
        raise _error(
            errors.SumIncompatibleError,
            "federated_sum",
            [f"value: expected numeric tensors, got {clients.type_signature}"],
        )
    return _call("federated_sum", clients, FederatedType(member, _SERVER))


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
    uri = _uri_at("federated_value", placement)
    local = to_value(value, used="tff.federated_value")
    unplaceable = type_predicates.contains(
        local.type_signature, lambda t: isinstance(t, (FederatedType, FunctionType))
    )
    if unplaceable:
        raise _error(
            errors.PlacementError,
            uri,
            [f"value: expected no placement and no function, got {local.type_signature}"],
        )
    return _call(uri, local, FederatedType(local.type_signature, placement, True))


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
        raise _error(
            errors.PlacementError,
            "federated_zip_at_clients",
            [f"value: expected one placement, got {given.type_signature}"],
            name="federated_zip",
            fix="bring the values to one placement first, as with `tff.federated_broadcast`.",
        )
    return zipped


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
    function = _function(fn, element, "sequence_map", "fn")
    _check_function("sequence_map", "fn", function, element, None)
    result = SequenceType(_result_type(function))
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
    operator = _function(op, StructType([zero_type, element]), uri, "op")
    state_type = _first_element(operator.type_signature) or zero_type
    if not state_type.is_assignable_from(zero_type):
        raise _error(
            errors.TypeMismatchError, uri, [f"zero: expected {state_type}, got {zero_type}"]
        )
    _check_function(uri, "op", operator, StructType([state_type, element]), state_type)
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
        raise _error(
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


def _error(
    cls: type[errors.FederatedError],
    uri: str,
    problems: list[str],
    *,
    name: str | None = None,
    fix: str | None = None,
) -> errors.FederatedError:
    definition = intrinsic_defs.get(uri)
    shown = name or uri.removesuffix("_at_clients").removesuffix("_at_server")
    return cls(
        f"`{shown}` cannot be applied to this argument.",
        problems=problems,
        signature=definition.signature,
        fix=fix or definition.hint,
    )


def _uri_at(stem: str, placement: Any) -> str:
    if placement is _CLIENTS:
        return f"{stem}_at_clients"
    if placement is _SERVER:
        return f"{stem}_at_server"
    raise errors.PlacementError(
        f"`{stem}` needs a placement.",
        problems=[f"placement: got {placement!r:.200}"],
        fix="give `tff.CLIENTS` or `tff.SERVER`.",
    )


def _federated(
    arg: Any, uri: str, name: str, placement: placements.PlacementLiteral | None
) -> Value:
    """The argument as one federated value at a placement (any, if None)."""
    value = to_value(arg, used=f"tff.{uri}")
    federated = tracing.to_federated(value)
    if federated is None:
        where = "CLIENTS or SERVER" if placement is None else str(placement)
        raise _error(
            errors.PlacementError,
            uri,
            [f"{name}: expected a value at {where}, got {value.type_signature}"],
            fix=_fix_for_unplaced(value),
        )
    federated_type = federated.type_signature
    assert isinstance(federated_type, FederatedType)
    if placement is not None and federated_type.placement is not placement:
        raise _error(
            errors.PlacementError,
            uri,
            [f"{name}: expected a value at {placement}, got {federated_type}"],
            fix=_fix_for_placement(uri, placement),
        )
    return federated


def _fix_for_unplaced(value: Value) -> str | None:
    """What to write where a parameter has no placement, as in a function without types."""
    is_placed = type_predicates.contains(
        value.type_signature, lambda part: isinstance(part, (FederatedType, FunctionType))
    )
    if is_placed or not isinstance(value.node, (ir.Reference, ir.Selection)):
        return None
    return (
        "give the type of the parameter in the decorator, with its placement: "
        "`@tff.federated_computation(tff.FederatedType(..., tff.CLIENTS))`."
    )


def _fix_for_placement(uri: str, placement: placements.PlacementLiteral) -> str | None:
    if placement is _SERVER:
        return None
    if uri == "federated_weighted_mean":
        return None
    return "a value at the server is one already: only values at the clients are aggregated."


def _member(value: Value) -> Type:
    federated_type = value.type_signature
    assert isinstance(federated_type, FederatedType)
    return federated_type.member


def _map(fn: Any, value: Value, uri: str) -> Value:
    member = _member(value)
    function = _function(fn, member, uri, "fn")
    _check_function(uri, "fn", function, member, None)
    return tracing.apply_at_placement(value.context, function.node, value.node)


def _function(fn: Any, parameter: Type | None, uri: str, name: str) -> Value:
    """A function argument as a value; one without types is traced for the parameter's type."""
    is_python = callable(fn) and not isinstance(fn, (Value, computations.ConcreteComputation))
    if is_python:
        if isinstance(fn, computations.PolymorphicComputation):
            if parameter is None:
                raise _error(
                    errors.TypeMismatchError, uri, [f"{name}: expected ( -> T), got {fn!r}"]
                )
            return to_value(fn.fn_for_argument_type(parameter))
        specs = [] if parameter is None else [parameter]
        return to_value(tracing.federated_computation(fn, *specs))
    value = to_value(fn)
    if not isinstance(value.type_signature, FunctionType):
        raise _error(
            errors.TypeMismatchError,
            uri,
            [f"{name}: expected a function, got {value.type_signature}"],
        )
    return value


def _result_type(function: Value) -> Type:
    function_type = function.type_signature
    assert isinstance(function_type, FunctionType)
    return function_type.result


def _first_element(function_type: Type) -> Type | None:
    assert isinstance(function_type, FunctionType)
    parameter = function_type.parameter
    if isinstance(parameter, StructType) and len(parameter):
        return parameter[0]
    return None


def _misfits(name: str, function: Value, argument: Type, result: Type | None) -> list[str]:
    """What is wrong with a function that has to take one type and give another."""
    function_type = function.type_signature
    assert isinstance(function_type, FunctionType)
    shown = "U" if result is None else result
    expected = FunctionType(argument, result or function_type.result)
    fits_argument = function_type.parameter is not None and (
        function_type.parameter.is_assignable_from(argument)
    )
    fits_result = result is None or result.is_assignable_from(function_type.result)
    if fits_argument and fits_result:
        return []
    wanted = f"({expected.parameter} -> {shown})"
    return [f"{name}: expected {wanted}, got {function_type}"]


def _check_function(
    uri: str, name: str, function: Value, argument: Type, result: Type | None
) -> None:
    problems = _misfits(name, function, argument, result)
    if problems:
        raise _error(errors.TypeMismatchError, uri, problems)


def _element_type(sequence: Value, uri: str) -> Type:
    sequence_type = ir.unplaced(sequence.type_signature)
    if not isinstance(sequence_type, SequenceType):
        raise _error(
            errors.TypeMismatchError,
            uri,
            [f"value: expected a sequence, got {sequence.type_signature}"],
        )
    return sequence_type.element


def _call(uri: str, arguments: Value | list[Value], result_type: Type) -> Value:
    if isinstance(arguments, list):
        node: ir.Node = ir.Struct(tuple((None, argument.node) for argument in arguments))
        context = arguments[0].context
    else:
        node, context = arguments.node, arguments.context
    return context.bind(ir.call_intrinsic(uri, node, result_type))


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
    member = _member(sequence)
    mapped = ir.Lambda(name, member, call(ir.Reference(name, member)))
    return tracing.apply_at_placement(context, mapped, sequence.node)


def _reduce_with_placed_zero(sequence: Value, zero: Value, op: Any) -> Value:
    """Reduces each placed sequence from its own placed zero."""
    pair = federated_zip((sequence, zero))

    def reduce(value: Value, start: Value) -> Value:
        return sequence_reduce(value, start, op)

    return federated_map(
        tracing.federated_computation(reduce, _member(pair)),
        pair,
    )
