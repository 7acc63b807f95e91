"""Writes means as sums of weighted values and of weights, and a division at the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import ir, local_computations, placements, portable, traversal
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
)

_COUNT_TYPE = TensorType(np.int32)


def lower_means(program: ir.Lambda) -> ir.Lambda:
    """Replaces `federated_mean` and `federated_weighted_mean`.

    At the clients each leaf of the value is multiplied by the weight, cast to the leaf's dtype;
    the products and the weights are summed, and at the server the sums are divided. Without
    weights the clients are counted. A total weight of 0, as without clients, gives `nan`.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda in call-dominant form, without means.
    """
    lowering = _Lowering(traversal.FreshNames(traversal.bound_names(program)))
    bindings, result = call_dominant.open_lambda(program)
    for name, bound in bindings:
        lowering.add(name, bound)
    return call_dominant.with_body(program, lowering.bindings, result)


class _Lowering:
    def __init__(self, names: traversal.FreshNames) -> None:
        self._names = names
        self.bindings: list[tuple[str, ir.Node]] = []

    def add(self, name: str, bound: ir.Node) -> None:
        """Adds a binding, or those that take its place; the last one keeps the name."""
        if isinstance(bound, ir.Call) and isinstance(bound.function, ir.Intrinsic):
            argument = bound.argument
            if bound.function.uri == "federated_mean":
                assert argument is not None
                ones = self._bind(
                    "federated_value_at_clients",
                    ir.Literal(np.int32(1), _COUNT_TYPE),
                    _at_clients(_COUNT_TYPE, all_equal=True),
                )
                self._add_quotient(name, self._zipped(argument, ones))
                return
            if bound.function.uri == "federated_weighted_mean":
                assert argument is not None
                pair = self._zipped(ir.select(argument, 0), ir.select(argument, 1))
                self._add_quotient(name, self._weighted(pair))
                return
        self.bindings.append((name, bound))

    def _bind(self, uri: str, argument: ir.Node, result: Type) -> ir.Reference:
        name = self._names.fresh("v")
        self.bindings.append((name, ir.call_intrinsic(uri, argument, result)))
        return ir.Reference(name, result)

    def _zipped(self, value: ir.Node, weight: ir.Node) -> ir.Node:
        member = StructType([_member(value), _member(weight)])
        pair = ir.Struct(((None, value), (None, weight)))
        return self._bind("federated_zip_at_clients", pair, _at_clients(member))

    def _weighted(self, pair: ir.Node) -> ir.Node:
        """Multiplies the value of each pair by its weight."""
        member = _member(pair)
        parameter = ir.Reference(self._names.fresh("arg"), member)
        weight = ir.select(parameter, 1)
        weighted = self._call_on_leaves(_multiply, ir.select(parameter, 0), weight)
        function = weighted.function_of(parameter, weighted.value, weight)
        argument = ir.Struct(((None, function), (None, pair)))
        return self._bind("federated_map", argument, _at_clients(function.type_signature.result))

    def _add_quotient(self, name: str, pair: ir.Node) -> None:
        """Sums the pairs, and divides the value by the weight."""
        member = _member(pair)
        total = self._bind("federated_sum", pair, FederatedType(member, placements.SERVER))
        parameter = ir.Reference(self._names.fresh("arg"), member)
        divided = self._call_on_leaves(_divide, ir.select(parameter, 0), ir.select(parameter, 1))
        function = divided.function_of(parameter, divided.value)
        argument = ir.Struct(((None, function), (None, total)))
        result = FederatedType(function.type_signature.result, placements.SERVER)
        self.bindings.append((name, ir.call_intrinsic("federated_apply", argument, result)))

    def _call_on_leaves(self, function: Any, value: ir.Node, weight: ir.Node) -> _LeafCall:
        """Calls a portable function of (leaves, weight) that gives new leaves."""
        leaves = list(_leaves(value))
        leaf_types = StructType([leaf.type_signature for leaf in leaves])
        parameter_type = StructType([leaf_types, weight.type_signature])
        computation = LocalComputation(
            backend=local_computations.PORTABLE,
            function=function,
            type_signature=FunctionType(parameter_type, leaf_types),
            name=function.__name__.removeprefix("_"),
        )
        argument = ir.Struct(
            ((None, ir.Struct(tuple((None, leaf) for leaf in leaves))), (None, weight))
        )
        name = self._names.fresh("v")
        packed = ir.Reference(name, leaf_types)
        results = iter([ir.Selection(packed, index) for index in range(len(leaves))])
        return _LeafCall(
            name, ir.Call(ir.Local(computation), argument), _rebuild(value.type_signature, results)
        )


class _LeafCall:
    def __init__(self, name: str, call: ir.Node, value: ir.Node) -> None:
        self._name = name
        self._call = call
        self.value = value

    def function_of(self, parameter: ir.Reference, *results: ir.Node) -> ir.Lambda:
        """The function that makes the call; several results become a structure."""
        result = results[0]
        if len(results) > 1:
            result = ir.Struct(tuple((None, each) for each in results))
        block = ir.Block(((self._name, self._call),), result)
        return ir.Lambda(parameter.name, parameter.type, block)


def _multiply(argument: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    values, weight = argument
    xp = portable.namespace_of(values, weight)
    return tuple(value * xp.cast(weight, xp.dtype_of(value)) for value in values)


def _divide(argument: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    values, weight = argument
    xp = portable.namespace_of(values, weight)
    return tuple(value / xp.cast(weight, xp.dtype_of(value)) for value in values)


def _at_clients(member: Type, *, all_equal: bool = False) -> FederatedType:
    return FederatedType(member, placements.CLIENTS, all_equal)


def _member(node: ir.Node) -> Type:
    federated_type = node.type_signature
    assert isinstance(federated_type, FederatedType)
    return federated_type.member


def _leaves(node: ir.Node) -> Iterator[ir.Node]:
    struct_type = node.type_signature
    if isinstance(struct_type, StructType):
        for index in range(len(struct_type)):
            yield from _leaves(ir.select(node, index))
    else:
        yield node


def _rebuild(type_signature: Type, leaves: Iterator[ir.Node]) -> ir.Node:
    if not isinstance(type_signature, StructType):
        return next(leaves)
    elements = tuple((name, _rebuild(each, leaves)) for name, each in type_signature.items())
    container = (
        type_signature.python_container
        if isinstance(type_signature, StructWithPythonType)
        else None
    )
    return ir.Struct(elements, container)
