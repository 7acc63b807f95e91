"""How the operators read their arguments, check functions, and explain what does not fit."""

from __future__ import annotations

from typing import Any

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
    StructType,
    Type,
)


def error(
    cls: type[errors.FederatedError],
    uri: str,
    problems: list[str],
    *,
    name: str | None = None,
    fix: str | None = None,
) -> errors.FederatedError:
    """The error for an operator that cannot be applied, with its signature and its hint."""
    definition = intrinsic_defs.get(uri)
    shown = name or uri.removesuffix("_at_clients").removesuffix("_at_server")
    return cls(
        f"`{shown}` cannot be applied to this argument.",
        problems=problems,
        signature=definition.signature,
        fix=fix or definition.hint,
    )


def uri_at(stem: str, placement: Any) -> str:
    """The uri of an operator at a placement."""
    if placement is placements.CLIENTS:
        return f"{stem}_at_clients"
    if placement is placements.SERVER:
        return f"{stem}_at_server"
    raise errors.PlacementError(
        f"`{stem}` needs a placement.",
        problems=[f"placement: got {placement!r:.200}"],
        fix="give `tff.CLIENTS` or `tff.SERVER`.",
    )


def federated(
    arg: Any, uri: str, name: str, placement: placements.PlacementLiteral | None
) -> Value:
    """The argument as one federated value at a placement (any, if None)."""
    value = to_value(arg, used=f"tff.{uri}")
    federated = tracing.to_federated(value)
    if federated is None:
        where = "CLIENTS or SERVER" if placement is None else str(placement)
        raise error(
            errors.PlacementError,
            uri,
            [f"{name}: expected a value at {where}, got {value.type_signature}"],
            fix=_fix_for_unplaced(value),
        )
    federated_type = federated.type_signature
    assert isinstance(federated_type, FederatedType)
    if placement is not None and federated_type.placement is not placement:
        raise error(
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
    if placement is placements.SERVER:
        return None
    if uri == "federated_weighted_mean":
        return None
    return "a value at the server is one already: only values at the clients are aggregated."


def member(value: Value) -> Type:
    """The type of the members of a federated value."""
    federated_type = value.type_signature
    assert isinstance(federated_type, FederatedType)
    return federated_type.member


def map_value(fn: Any, value: Value, uri: str) -> Value:
    """Applies a function to a federated value, where the value is."""
    member_type = member(value)
    mapped = function(fn, member_type, uri, "fn")
    check_function(uri, "fn", mapped, member_type, None)
    return tracing.apply_at_placement(value.context, mapped.node, value.node)


def function(fn: Any, parameter: Type | None, uri: str, name: str) -> Value:
    """A function argument as a value; one without types is traced for the parameter's type."""
    is_python = callable(fn) and not isinstance(fn, (Value, computations.ConcreteComputation))
    if is_python:
        if isinstance(fn, computations.PolymorphicComputation):
            if parameter is None:
                raise error(
                    errors.TypeMismatchError, uri, [f"{name}: expected ( -> T), got {fn!r}"]
                )
            return to_value(fn.fn_for_argument_type(parameter))
        specs = [] if parameter is None else [parameter]
        return to_value(tracing.federated_computation(fn, *specs))
    value = to_value(fn)
    if not isinstance(value.type_signature, FunctionType):
        raise error(
            errors.TypeMismatchError,
            uri,
            [f"{name}: expected a function, got {value.type_signature}"],
        )
    return value


def result_type(function: Value) -> Type:
    """The type of the result of a function."""
    function_type = function.type_signature
    assert isinstance(function_type, FunctionType)
    return function_type.result


def first_element(function_type: Type) -> Type | None:
    """The type of the first of several parameters; None where there are not several."""
    assert isinstance(function_type, FunctionType)
    parameter = function_type.parameter
    if isinstance(parameter, StructType) and len(parameter):
        return parameter[0]
    return None


def misfits(name: str, function: Value, argument: Type, result: Type | None) -> list[str]:
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


def check_function(
    uri: str, name: str, function: Value, argument: Type, result: Type | None
) -> None:
    """Raises an error if a function does not take one type and give another."""
    problems = misfits(name, function, argument, result)
    if problems:
        raise error(errors.TypeMismatchError, uri, problems)


def call(uri: str, arguments: Value | list[Value], result_type: Type) -> Value:
    """Binds the call of an intrinsic."""
    if isinstance(arguments, list):
        node: ir.Node = ir.Struct(tuple((None, argument.node) for argument in arguments))
        context = arguments[0].context
    else:
        node, context = arguments.node, arguments.context
    return context.bind(ir.call_intrinsic(uri, node, result_type))
