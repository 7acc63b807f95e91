"""How the operators read their arguments, are checked by their signature, and explain misfits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_federated.core import (
    computations,
    errors,
    intrinsic_defs,
    ir,
    placements,
    tracing,
    type_predicates,
    type_source,
)
from tensorflow_federated.core.signatures import Problem
from tensorflow_federated.core.tracing import Value, as_value
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    Type,
)


def call(uri: str, *arguments: Any, name: str | None = None) -> Value:
    """Calls an intrinsic: reads the arguments, checks them by its signature, binds the call.

    A structure of federated values is zipped where one federated value is expected. A Python
    function is traced for what the other arguments say that it takes. A sequence at a placement is
    worked on there.

    Args:
      uri: the name of the intrinsic.
      *arguments: its arguments, values or what `tff.to_value` makes values of.
      name: what the user called, if that is not the intrinsic.

    Returns:
      The result.

    Raises:
      FederatedError: if the arguments do not fit; the declaration says of which class.
    """
    definition = intrinsic_defs.get(uri)
    name = name or uri.removesuffix("_at_clients").removesuffix("_at_server")
    values = _read(definition, arguments, f"tff.{name}")
    unread: list[Problem] = []
    placed = _placed_sequence(definition, values)
    types: list[Type | None] = [None if each is None else each.type_signature for each in values]
    if placed is not None:
        types[placed] = member(_known(values[placed]))
    for position, argument in enumerate(arguments):
        if isinstance(definition.signature.parameters[position], FunctionType):
            parameter = definition.signature.parameter_of_function(position, types)
            values[position] = read = _function(argument, parameter)
            if read is None:
                expected = definition.signature.parameters[position]
                label = definition.parameters[position]
                unread.append(Problem(f"{label}: expected {expected}, got {argument!r:.80}"))
            else:
                types[position] = read.type_signature
    matched = definition.signature.match(types)
    if matched.result is None:
        raise _error(definition, name, matched.problems or unread, values)
    return _bind(uri, [_known(value) for value in values], matched.result, placed)


def _read(
    definition: intrinsic_defs.IntrinsicDef, arguments: Sequence[Any], used: str
) -> list[Value | None]:
    """The arguments as values, but functions, which can be read when the others are known."""
    values: list[Value | None] = []
    for pattern, argument in zip(definition.signature.parameters, arguments, strict=True):
        if isinstance(pattern, FunctionType):
            values.append(None)
        elif isinstance(pattern, FederatedType):
            values.append(federated(argument, used))
        else:
            values.append(as_value(argument, used=used))
    return values


def federated(argument: Any, used: str) -> Value:
    """The argument as one federated value, where it is one or a structure of them."""
    value = as_value(argument, used=used)
    placed = tracing.to_federated(value)
    return value if placed is None else placed


def _placed_sequence(
    definition: intrinsic_defs.IntrinsicDef, values: Sequence[Value | None]
) -> int | None:
    """The position of an argument that is a federated sequence, where a sequence is expected."""
    for position, pattern in enumerate(definition.signature.parameters):
        value = values[position]
        given = None if value is None else value.type_signature
        if isinstance(pattern, SequenceType) and isinstance(given, FederatedType):
            return position if isinstance(given.member, SequenceType) else None
    return None


def _function(fn: Any, parameter: Type | None) -> Value | None:
    """A function argument as a value; None if it can only be traced for what is not known."""
    is_python = callable(fn) and not isinstance(fn, (Value, computations.ConcreteComputation))
    if not is_python:
        return as_value(fn)
    if isinstance(fn, computations.PolymorphicComputation):
        return None if parameter is None else as_value(fn.fn_for_argument_type(parameter))
    specs = [] if parameter is None else [parameter]
    computation = tracing.federated_computation(fn, *specs)
    if isinstance(computation, computations.PolymorphicComputation):
        return None
    return as_value(computation)


def _bind(uri: str, values: Sequence[Value], result: Type, placed: int | None) -> Value:
    """Binds the call; one with a placed sequence is mapped over the members."""
    context = values[0].context
    nodes = [value.node for value in values]
    if placed is None:
        return context.bind(_call_node(uri, nodes, result))
    member_type = member(values[placed])
    parameter = ir.Reference(context.fresh_name("s"), member_type)
    nodes[placed] = parameter
    mapped = ir.Lambda(parameter.name, member_type, _call_node(uri, nodes, result))
    return tracing.apply_at_placement(context, mapped, values[placed].node)


def _call_node(uri: str, nodes: Sequence[ir.Node], result: Type) -> ir.Call:
    argument = nodes[0] if len(nodes) == 1 else ir.Struct([(None, node) for node in nodes])
    return ir.call_intrinsic(uri, argument, result)


def _known(value: Value | None) -> Value:
    assert value is not None
    return value


def member(value: Value) -> Type:
    """The type of the members of a federated value."""
    federated_type = value.type_signature
    assert isinstance(federated_type, FederatedType)
    return federated_type.member


def _error(
    definition: intrinsic_defs.IntrinsicDef,
    name: str,
    problems: Sequence[Problem],
    values: Sequence[Value | None],
) -> errors.FederatedError:
    """One error for all problems, of the class of the gravest; it tells how to mend that."""
    placement_problems = [each for each in problems if each.error is errors.PlacementError]
    first = placement_problems[0] if placement_problems else problems[0]
    fix = None
    if placement_problems:
        pairs = zip(definition.signature.parameters, values, strict=True)
        unplaced = (_fix_for_unplaced(pattern, value) for pattern, value in pairs)
        fix = next(filter(None, unplaced), definition.placement_hint)
    return first.error(
        f"`{name}` cannot be applied to this argument.",
        problems=[problem.text for problem in problems],
        signature=definition.signature,
        fix=fix or definition.hint,
    )


def placement_error(uri: str, name: str, parameter: str, value: Value) -> errors.FederatedError:
    """The error for a value that is placed nowhere, where any placement would do."""
    text = f"{parameter}: expected a value at CLIENTS or SERVER, got {value.type_signature}"
    definition = intrinsic_defs.get(uri)
    values = [value if each == parameter else None for each in definition.parameters]
    return _error(definition, name, [Problem(text, errors.PlacementError)], values)


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


def _fix_for_unplaced(pattern: Type, value: Value | None) -> str | None:
    """What to write where a parameter has no placement, as in a function without types."""
    if not isinstance(pattern, FederatedType) or value is None:
        return None
    is_placed = type_predicates.contains(
        value.type_signature, lambda part: isinstance(part, (FederatedType, FunctionType))
    )
    if is_placed or not isinstance(value.node, (ir.Reference, ir.Selection)):
        return None
    placed = FederatedType(_likely_member(value.type_signature, pattern), pattern.placement)
    return (
        "give the type of the parameter in the decorator, with its placement: "
        f"`@tff.federated_computation({type_source.to_source(placed)})`."
    )


def _likely_member(given: Type, pattern: FederatedType) -> Type:
    """What one client has, if an argument without a type stands for all clients."""
    if pattern.placement is placements.CLIENTS:
        if isinstance(given, SequenceType):
            return given.element
        is_list = isinstance(given, StructType) and given.python_container is list
        elements = list(given.children()) if is_list else []
        if elements and all(element == elements[0] for element in elements):
            return elements[0]
    return given
