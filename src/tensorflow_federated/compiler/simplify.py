"""Makes programs in call-dominant form smaller without changing what they compute.

Calls of local computations are never merged or copied: they may draw random numbers.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import FederatedType, FunctionType

MAPS = ("federated_apply", "federated_map", "federated_map_all_equal")
"""The intrinsics that apply a function where a value is."""

ZIPS = ("federated_zip_at_clients", "federated_zip_at_server")
"""The intrinsics that make one federated value of several."""


def remove_unused_bindings(program: ir.Lambda) -> ir.Lambda:
    """Drops the calls whose results nothing needs, inside functional arguments too.

    Kept are those that do something beside giving a result, as long as the function is that makes
    them.

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
            if name in needed or _has_effect(bound):
                kept.append((name, bound))
                needed |= traversal.free_names(bound)
        return ir.Block(tuple(reversed(kept)), node.result) if kept else node.result

    cleaned = traversal.transform_postorder(program, clean)
    assert isinstance(cleaned, ir.Lambda)
    return cleaned


def _has_effect(bound: ir.Node) -> bool:
    intrinsic = ir.called_intrinsic(bound)
    return intrinsic is not None and intrinsic.definition.has_effect


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
    intrinsic = ir.called_intrinsic(call)
    if intrinsic is None or not isinstance(call, ir.Call) or call.argument is None:
        return None
    argument = call.argument
    if intrinsic.uri in ZIPS:
        return argument if isinstance(argument.type_signature, FederatedType) else None
    if intrinsic.uri in MAPS:
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
    kept: dict[str, _Maps | ir.Node] = {}
    for name, bound in bindings:
        maps = _as_maps(bound)
        inner_name = None if maps is None else _name_of_inner_maps(maps, uses, kept)
        if maps is not None and inner_name is not None:
            inner = kept.pop(inner_name)
            assert isinstance(inner, _Maps)
            inner.calls.extend(maps.calls)
            maps = inner
        kept[name] = bound if maps is None else maps
    names = traversal.FreshNames(traversal.bound_names(program))
    merged = [
        (name, each.merged(names) if isinstance(each, _Maps) else each)
        for name, each in kept.items()
    ]
    return call_dominant.with_body(program, merged, result)


@dataclasses.dataclass
class _Maps:
    """Maps of one kind, each over the result of the one before."""

    uri: str
    calls: list[ir.Call]
    value: ir.Node

    def merged(self, names: traversal.FreshNames) -> ir.Node:
        """One map that does the same."""
        if len(self.calls) == 1:
            return self.calls[0]
        functions = [ir.select(ir.argument_of(call), 0) for call in self.calls]
        function_type = functions[0].type_signature
        assert isinstance(function_type, FunctionType)
        assert function_type.parameter is not None
        parameter = ir.Reference(names.fresh("arg"), function_type.parameter)
        bindings: list[tuple[str, ir.Node]] = []
        result: ir.Node = parameter
        for function in functions:
            result = append_call(function, result, bindings, names)
        composed = call_dominant.close_lambda(parameter, bindings, result)
        argument = ir.Struct(((None, composed), (None, self.value)))
        return ir.call_intrinsic(self.uri, argument, self.calls[-1].type_signature)


def _as_maps(node: ir.Node) -> _Maps | None:
    intrinsic = ir.called_intrinsic(node)
    if intrinsic is None or intrinsic.uri not in MAPS:
        return None
    assert isinstance(node, ir.Call)
    return _Maps(intrinsic.uri, [node], ir.select(ir.argument_of(node), 1))


def _name_of_inner_maps(
    outer: _Maps, uses: Counter[str], bindings: Mapping[str, _Maps | ir.Node]
) -> str | None:
    """The name of the maps whose result another map, and nothing else, takes."""
    if not isinstance(outer.value, ir.Reference) or uses[outer.value.name] != 1:
        return None
    inner = bindings.get(outer.value.name)
    return outer.value.name if isinstance(inner, _Maps) and inner.uri == outer.uri else None


def _count_uses(nodes: Iterable[ir.Node]) -> Counter[str]:
    uses: Counter[str] = Counter()
    for node in nodes:
        for each in traversal.iterate(node):
            if isinstance(each, ir.Reference):
                # References can be shared: one that is found in two bindings is two uses.
                uses[each.name] += 1
    return uses


def append_call(
    function: ir.Node,
    argument: ir.Node,
    bindings: list[tuple[str, ir.Node]],
    names: traversal.FreshNames,
) -> ir.Node:
    """Adds the calls of a function applied to an argument.

    Args:
      function: a local computation, or a lambda in call-dominant form that is used here only.
      argument: what it is applied to.
      bindings: where to add the calls.
      names: makes the names of new calls.

    Returns:
      The result.
    """
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
