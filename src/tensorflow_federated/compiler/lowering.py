"""Rewrites intrinsics of a program in call-dominant form as others, one call after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tensorflow_federated.compiler import call_dominant, simplify
from tensorflow_federated.core import dtypes, ir, local_computations, placements, traversal
from tensorflow_federated.core import portable as array_namespaces
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    Type,
)


class Rewriter:
    """What a rule adds to the program: calls, each bound to a name of its own."""

    def __init__(self, names: traversal.FreshNames) -> None:
        """Starts without calls.

        Args:
          names: makes names that the program does not have.
        """
        self._names = names
        self.bindings: list[tuple[str, ir.Node]] = []

    def bind(self, node: ir.Node) -> ir.Reference:
        """Adds a call, and returns its result."""
        name = self._names.fresh("v")
        self.bindings.append((name, node))
        return ir.Reference(name, node.type_signature)

    def parameter(self, type_signature: Type) -> ir.Reference:
        """The parameter of a new function."""
        return ir.Reference(self._names.fresh("arg"), type_signature)

    def zip_at_clients(self, *values: ir.Node) -> ir.Reference:
        """Adds the zip of values at the clients."""
        member = StructType([member_of(value) for value in values])
        return self.bind(
            ir.call_intrinsic("federated_zip_at_clients", pack(values), clients(member))
        )

    def apply(self, function: ir.Node, argument: ir.Node) -> ir.Node:
        """Adds the calls of a function that is used nowhere else, and returns its result."""
        return simplify.append_call(function, argument, self.bindings, self._names)

    def function(
        self, parameter_type: Type, body: Callable[[Rewriter, ir.Reference], ir.Node]
    ) -> ir.Lambda:
        """A function, whose body adds its own calls and returns the result."""
        inner = Rewriter(self._names)
        parameter = inner.parameter(parameter_type)
        result = body(inner, parameter)
        return call_dominant.close_lambda(parameter, inner.bindings, result)


Rule: TypeAlias = Callable[[Rewriter, ir.Node, Type], ir.Node]
"""What takes the place of a call, from its argument and the type of its result: the last call."""


def rewrite(program: ir.Lambda, rules: Mapping[str, Rule]) -> ir.Lambda:
    """Replaces the calls of some intrinsics.

    Args:
      program: a lambda in call-dominant form.
      rules: for the uri of each intrinsic, what its calls become.

    Returns:
      The lambda in call-dominant form, in which every value has the name that it had.
    """
    bindings, result = call_dominant.open_lambda(program)
    if not any(_rule_for(bound, rules) for _, bound in bindings):
        return program
    rewriter = Rewriter(traversal.FreshNames(traversal.bound_names(program)))
    for name, bound in bindings:
        rule = _rule_for(bound, rules)
        if rule is not None and isinstance(bound, ir.Call) and bound.argument is not None:
            bound = rule(rewriter, bound.argument, bound.type_signature)
        rewriter.bindings.append((name, bound))
    return call_dominant.with_body(program, rewriter.bindings, result)


def _rule_for(bound: ir.Node, rules: Mapping[str, Rule]) -> Rule | None:
    intrinsic = ir.called_intrinsic(bound)
    return None if intrinsic is None else rules.get(intrinsic.uri)


def portable(
    function: Callable[..., Any], name: str, parameter_type: Type | None, result_type: Type
) -> ir.Local:
    """A portable computation, as a function of the program."""
    return ir.Local(
        LocalComputation(
            backend=local_computations.PORTABLE,
            function=function,
            type_signature=FunctionType(parameter_type, result_type),
            name=name,
        )
    )


def computing_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which every framework can compare and add the numbers of a dtype.

    Examples:
      >>> computing_dtype(dtypes.dtype_from_name("int4"))
      dtype('int32')
    """
    if dtypes.is_integer(dtype) and dtype.kind not in "iu":
        return np.dtype(np.int32)
    if dtypes.is_floating(dtype) and dtype.kind != "f":
        return np.dtype(np.float32)
    return dtype


def widened(x: Any) -> Any:
    """The same numbers in a dtype that every framework can compute with."""
    xp = array_namespaces.namespace_of(x)
    return xp.cast(x, computing_dtype(xp.dtype_of(x)))


def pack(nodes: Sequence[ir.Node]) -> ir.Struct:
    """A structure without names."""
    return ir.Struct([(None, node) for node in nodes])


def clients(member: Type) -> FederatedType:
    """The type of values at the clients."""
    return FederatedType(member, placements.CLIENTS)


def server(member: Type) -> FederatedType:
    """The type of a value at the server."""
    return FederatedType(member, placements.SERVER)


def member_of(node: ir.Node) -> Type:
    """The type of the members of a federated value."""
    federated_type = node.type_signature
    assert isinstance(federated_type, FederatedType)
    return federated_type.member


def leaves(node: ir.Node) -> ir.Struct:
    """A structure without names of what lies below all structures of a value."""
    return pack(list(_leaves(node)))


def _leaves(node: ir.Node) -> Iterator[ir.Node]:
    struct_type = node.type_signature
    if isinstance(struct_type, StructType):
        for index in range(len(struct_type)):
            yield from _leaves(ir.select(node, index))
    else:
        yield node


def unflatten(type_signature: Type, leaves_node: ir.Node) -> ir.Node:
    """The value of a type from a structure of its leaves; the inverse of `leaves`."""
    struct_type = leaves_node.type_signature
    assert isinstance(struct_type, StructType)
    remaining = iter([ir.select(leaves_node, index) for index in range(len(struct_type))])
    return _take(type_signature, remaining)


def _take(type_signature: Type, remaining: Iterator[ir.Node]) -> ir.Node:
    if not isinstance(type_signature, StructType):
        return next(remaining)
    elements = [(name, _take(each, remaining)) for name, each in type_signature.items()]
    return ir.Struct(elements, type_signature.python_container)
