"""Makes local programs of federated ones that stay at one place."""

from __future__ import annotations

from tensorflow_federated.compiler import call_dominant, normal_forms, result_types, simplify
from tensorflow_federated.core import errors, ir, placements, traversal, types
from tensorflow_federated.core.types import FederatedType, FunctionType, Type

_EVALUATIONS = ("federated_eval_at_clients", "federated_eval_at_server")
_SAME_VALUE = (
    "federated_value_at_clients",
    "federated_value_at_server",
    *simplify.ZIPS,
)


def to_local(program: ir.Node) -> ir.Lambda:
    """Takes the placement out of a program that works at one place.

    Args:
      program: a function that neither sends anything to the clients nor brings anything from them,
        and whose parameter and result are at one place; an unplaced part is there as well.

    Returns:
      The lambda that does the same with the values at that place: calls of local computations, one
      after the other, those that its result needs.

    Raises:
      PlacementError: if the parameter and the result are at two places.
      CommunicationError: if the program sends or aggregates.
    """
    normal = normal_forms.to_simple(program)
    check_one_placement(normal)
    bindings, result = call_dominant.open_lambda(normal)
    parameter, values = None, dict[str, ir.Node]()
    if normal.parameter_name is not None and normal.parameter_type is not None:
        parameter_type = result_types.without_placement(normal.parameter_type)
        parameter = ir.Reference(normal.parameter_name, parameter_type)
        values[parameter.name] = parameter
    local: list[tuple[str, ir.Node]] = []
    for name, bound in bindings:
        node = _at_its_place(bound, values)
        if isinstance(node, ir.Call):
            local.append((name, node))
            values[name] = ir.Reference(name, node.type_signature)
        else:
            values[name] = node
    closed = call_dominant.close_lambda(parameter, local, traversal.substitute(result, values))
    result_type = result_types.without_placement(_result_type(program))
    return result_types.with_result_type(normal_forms.to_simple(closed), result_type)


def _result_type(function: ir.Node) -> Type:
    function_type = function.type_signature
    assert isinstance(function_type, FunctionType)
    return function_type.result


def _at_its_place(bound: ir.Node, values: dict[str, ir.Node]) -> ir.Node:
    """What a call of the program is at the place where it is made."""
    assert isinstance(bound, ir.Call)
    function = bound.function
    if not isinstance(function, ir.Intrinsic) or function.definition.kind == "local":
        return traversal.substitute(bound, values)
    assert bound.argument is not None
    argument = traversal.substitute(bound.argument, values)
    if function.uri in simplify.MAPS:
        return ir.Call(ir.select(argument, 0), ir.select(argument, 1))
    if function.uri in _EVALUATIONS:
        return ir.Call(argument)
    if function.uri in _SAME_VALUE:
        return argument
    raise errors.CommunicationError(
        "a program that works at one place cannot be made of this one.",
        problems=[f"{function.uri}: {_what_it_does(function)}"],
        signature=function.definition.signature,
        fix="leave the communication out: it is what the parts of a round are cut at.",
    )


def _what_it_does(function: ir.Intrinsic) -> str:
    if function.definition.kind == "aggregation":
        return "brings the clients' values to the server"
    return "sends a value from the server to the clients"


def check_one_placement(program: ir.Lambda) -> None:
    """Raises `PlacementError` if the parameter and the result of a program are at two places."""
    parts = {"parameter": program.parameter_type, "result": program.type_signature.result}
    found = {
        each.placement: f"{label}: has {each}"
        for label, type_signature in parts.items()
        if type_signature is not None
        for each in types.preorder(type_signature)
        if isinstance(each, FederatedType)
    }
    if len(found) > 1:
        raise errors.PlacementError(
            "a program that works at one place cannot be made of this one.",
            problems=list(found.values()),
            signature=program.type_signature,
            fix=f"use values at {placements.SERVER} alone, or at {placements.CLIENTS} alone.",
        )
