"""Makes programs in call-dominant form smaller without changing what they compute.

Calls of local computations are never merged or copied: they may draw random numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import FederatedType, FunctionType

_MAPS = ("federated_map", "federated_apply")
_ZIPS = ("federated_zip_at_clients", "federated_zip_at_server")


def remove_unused_bindings(program: ir.Lambda) -> ir.Lambda:
    """Drops the calls whose results nothing needs, inside functional arguments too.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda without them.
    """

    def clean(node: ir.Node) -> ir.Node:
        if not isinstance(node, ir.Block):
            return node
        needed = set(traversal.free_names(node.result))
        kept: list[tuple[str, ir.Node]] = []
        for name, bound in reversed(node.locals):
            if name in needed:
                kept.append((name, bound))
                needed |= traversal.free_names(bound)
        return ir.Block(tuple(reversed(kept)), node.result) if kept else node.result

    cleaned = traversal.transform_postorder(program, clean)
    assert isinstance(cleaned, ir.Lambda)
    return cleaned


def drop_identities(program: ir.Lambda) -> ir.Lambda:
    """Drops maps of the identity, and zips of what is one federated value already.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda without them.
    """
    bindings, result = call_dominant.open_lambda(program)
    replaced: dict[str, ir.Node] = {}
    kept: list[tuple[str, ir.Node]] = []
    for name, bound in bindings:
        call = traversal.substitute(bound, replaced)
        same = _identity_argument(call)
        if same is None:
            kept.append((name, call))
            # Without the identities above it, a type may say more than before.
            replaced[name] = ir.Reference(name, call.type_signature)
        else:
            replaced[name] = same
    return call_dominant.with_body(program, kept, traversal.substitute(result, replaced))


def _identity_argument(call: ir.Node) -> ir.Node | None:
    if not (isinstance(call, ir.Call) and isinstance(call.function, ir.Intrinsic)):
        return None
    uri, argument = call.function.uri, call.argument
    if uri in _ZIPS and argument is not None:
        return argument if isinstance(argument.type_signature, FederatedType) else None
    if uri in _MAPS and argument is not None:
        function = ir.select(argument, 0)
        if isinstance(function, ir.Lambda) and _is_identity(function):
            return ir.select(argument, 1)
    return None


def _is_identity(function: ir.Lambda) -> bool:
    bindings, result = call_dominant.open_lambda(function)
    is_parameter = isinstance(result, ir.Reference) and result.name == function.parameter_name
    return not bindings and is_parameter


def merge_maps(program: ir.Lambda) -> ir.Lambda:
    """Makes one map of a map over a map, where nothing else uses the inner one's result.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda with fewer maps.
    """
    bindings, result = call_dominant.open_lambda(program)
    uses = _count_uses([*(bound for _, bound in bindings), result])
    names = traversal.FreshNames(traversal.bound_names(program))
    kept: dict[str, ir.Node] = {}
    for name, bound in bindings:
        current = bound
        inner_name = _name_of_inner_map(current, uses, kept)
        if inner_name is not None:
            current = _merged(kept.pop(inner_name), current, names)
        kept[name] = current
    return call_dominant.with_body(program, list(kept.items()), result)


def _count_uses(nodes: Iterable[ir.Node]) -> Counter[str]:
    uses: Counter[str] = Counter()
    for node in nodes:
        for each in traversal.iterate(node):
            if isinstance(each, ir.Reference):
                # References can be shared: one that is found in two bindings is two uses.
                uses[each.name] += 1
    return uses


def _map_parts(node: ir.Node) -> tuple[str, ir.Node, ir.Node] | None:
    if not (isinstance(node, ir.Call) and isinstance(node.function, ir.Intrinsic)):
        return None
    if node.function.uri not in _MAPS or node.argument is None:
        return None
    return node.function.uri, ir.select(node.argument, 0), ir.select(node.argument, 1)


def _name_of_inner_map(
    node: ir.Node, uses: Counter[str], bindings: dict[str, ir.Node]
) -> str | None:
    outer = _map_parts(node)
    if outer is None or not isinstance(outer[2], ir.Reference):
        return None
    name = outer[2].name
    if uses[name] != 1 or name not in bindings:
        return None
    inner = _map_parts(bindings[name])
    return name if inner is not None and inner[0] == outer[0] else None


def _merged(inner: ir.Node, outer: ir.Node, names: traversal.FreshNames) -> ir.Node:
    inner_parts, outer_parts = _map_parts(inner), _map_parts(outer)
    assert inner_parts is not None
    assert outer_parts is not None
    _, first, value = inner_parts
    uri, second, _ = outer_parts
    function_type = first.type_signature
    assert isinstance(function_type, FunctionType)
    assert function_type.parameter is not None
    parameter = ir.Reference(names.fresh("arg"), function_type.parameter)
    bindings: list[tuple[str, ir.Node]] = []
    between = _append_call(first, parameter, bindings, names)
    result = _append_call(second, between, bindings, names)
    composed = call_dominant.close_lambda(parameter, bindings, result)
    return ir.call_intrinsic(
        uri, ir.Struct(((None, composed), (None, value))), outer.type_signature
    )


def _append_call(
    function: ir.Node,
    argument: ir.Node,
    bindings: list[tuple[str, ir.Node]],
    names: traversal.FreshNames,
) -> ir.Node:
    """Adds the calls of a function applied to an argument, and returns its result."""
    if isinstance(function, ir.Lambda):
        inner, result = call_dominant.open_lambda(function)
        replaced = {str(function.parameter_name): argument}
        for name, bound in inner:
            call = traversal.substitute(bound, replaced)
            bindings.append((name, call))
            replaced[name] = ir.Reference(name, call.type_signature)
        return traversal.substitute(result, replaced)
    name = names.fresh("v")
    call = ir.Call(function, argument)
    bindings.append((name, call))
    return ir.Reference(name, call.type_signature)
