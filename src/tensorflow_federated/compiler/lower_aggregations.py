"""Writes means, extremes and reductions as sums, folds and collections."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tensorflow_federated.compiler import lowering
from tensorflow_federated.core import dtypes, ir, placements, portable
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
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
    return lowering.rewrite(
        program, {"federated_mean": _mean, "federated_weighted_mean": _weighted_mean}
    )


def lower_extremes(program: ir.Lambda) -> ir.Lambda:
    """Replaces `federated_max` and `federated_min` by folds, which count the clients, too.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda in call-dominant form, without them.
    """
    return lowering.rewrite(
        program,
        {
            "federated_max": functools.partial(_extreme, largest=True),
            "federated_min": functools.partial(_extreme, largest=False),
        },
    )


def lower_reductions(program: ir.Lambda) -> ir.Lambda:
    """Replaces `federated_reduce`: the values are collected, and reduced at the server.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda in call-dominant form, without `federated_reduce`.
    """
    return lowering.rewrite(program, {"federated_reduce": _reduction})


def _mean(rewriter: lowering.Rewriter, argument: ir.Node, result: Type) -> ir.Node:
    one_for_all = FederatedType(_COUNT_TYPE, placements.CLIENTS, all_equal=True)
    one = ir.Literal(np.int32(1), _COUNT_TYPE)
    ones = rewriter.bind(ir.call_intrinsic("federated_value_at_clients", one, one_for_all))
    return _quotient(rewriter, rewriter.zip_at_clients(argument, ones), result)


def _weighted_mean(rewriter: lowering.Rewriter, argument: ir.Node, result: Type) -> ir.Node:
    pair = rewriter.zip_at_clients(ir.select(argument, 0), ir.select(argument, 1))

    def multiply(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        value, weight = ir.select(parameter, 0), ir.select(parameter, 1)
        return lowering.pack([_on_leaves(inner, _multiply, value, weight), weight])

    function = rewriter.function(lowering.member_of(pair), multiply)
    weighted = rewriter.bind(
        ir.call_intrinsic(
            "federated_map",
            lowering.pack([function, pair]),
            lowering.clients(function.type_signature.result),
        )
    )
    return _quotient(rewriter, weighted, result)


def _quotient(rewriter: lowering.Rewriter, pair: ir.Node, result: Type) -> ir.Node:
    """Sums the pairs of value and weight, and divides the one by the other."""
    member = lowering.member_of(pair)
    total = rewriter.bind(ir.call_intrinsic("federated_sum", pair, lowering.server(member)))

    def divide(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        return _on_leaves(inner, _divide, ir.select(parameter, 0), ir.select(parameter, 1))

    function = rewriter.function(member, divide)
    return ir.call_intrinsic("federated_apply", lowering.pack([function, total]), result)


def _on_leaves(
    rewriter: lowering.Rewriter, function: Any, value: ir.Node, weight: ir.Node
) -> ir.Node:
    """Calls a portable function of (leaves, weight) that gives new leaves."""
    argument = lowering.pack([lowering.leaves(value), weight])
    leaf_types = ir.select(argument, 0).type_signature
    name = function.__name__.removeprefix("_")
    computation = lowering.portable(function, name, argument.type_signature, leaf_types)
    leaves = rewriter.bind(ir.Call(computation, argument))
    return lowering.unflatten(value.type_signature, leaves)


def _multiply(argument: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    values, weight = argument
    xp = portable.namespace_of(values, weight)
    return tuple(value * xp.cast(weight, xp.dtype_of(value)) for value in values)


def _divide(argument: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    values, weight = argument
    xp = portable.namespace_of(values, weight)
    return tuple(value / xp.cast(weight, xp.dtype_of(value)) for value in values)


def _extreme(
    rewriter: lowering.Rewriter, argument: ir.Node, result: Type, *, largest: bool
) -> ir.Node:
    """The fold whose state is the extreme so far, leaf by leaf, and the number of clients."""
    member = lowering.member_of(argument)
    leaf_types = lowering.leaves(ir.Reference("value", member)).type_signature
    assert isinstance(leaf_types, StructType)
    state_type = StructType([leaf_types, _COUNT_TYPE])
    name = "larger" if largest else "smaller"
    start = functools.partial(_start, leaf_types, largest)
    zero = rewriter.bind(ir.Call(lowering.portable(start, f"before_{name}", None, state_type)))
    choose = functools.partial(_choose, largest)

    def accumulate(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        state, value = ir.select(parameter, 0), ir.select(parameter, 1)
        one = ir.Literal(np.int32(1), _COUNT_TYPE)
        pair = lowering.pack([state, lowering.pack([lowering.leaves(value), one])])
        return inner.bind(
            ir.Call(lowering.portable(choose, name, pair.type_signature, state_type), pair)
        )

    def report(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        finish = functools.partial(_finish, largest)
        computation = lowering.portable(finish, f"after_{name}", state_type, leaf_types)
        return lowering.unflatten(member, inner.bind(ir.Call(computation, parameter)))

    functions = [
        rewriter.function(StructType([state_type, member]), accumulate),
        lowering.portable(choose, name, StructType([state_type, state_type]), state_type),
        rewriter.function(state_type, report),
    ]
    return ir.call_intrinsic(
        "federated_aggregate", lowering.pack([argument, zero, *functions]), result
    )


def _start(leaf_types: StructType, largest: bool) -> tuple[tuple[Any, ...], Any]:
    """The state before the first client, which every number replaces."""
    leaves: list[Any] = []
    for leaf in leaf_types.children():
        assert isinstance(leaf, TensorType)
        number = dtypes.outermost(leaf.dtype, largest=not largest, finite=False)
        sizes = [size or 0 for size in leaf.shape or ()]
        leaves.append(portable.NUMPY.full(sizes, number, leaf.dtype))
    return tuple(leaves), np.int32(0)


def _choose(
    largest: bool, argument: tuple[tuple[tuple[Any, ...], Any], tuple[tuple[Any, ...], Any]]
) -> tuple[tuple[Any, ...], Any]:
    """The state after two parts of the clients."""
    (one, one_count), (other, other_count) = argument
    xp = portable.namespace_of(one, other, one_count)

    def further(x: Any, y: Any) -> Any:
        left, right = lowering.widened(x), lowering.widened(y)
        is_further = left >= right if largest else left <= right
        # A number that is not a number differs from itself, and is kept.
        return xp.where(xp.logical_or(is_further, xp.logical_not(left == left)), x, y)

    leaves = tuple(further(x, y) for x, y in zip(one, other, strict=True))
    return leaves, one_count + other_count


def _finish(largest: bool, argument: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    """The extremes; without clients the outermost finite number on the other side."""
    leaves, count = argument
    xp = portable.namespace_of(leaves, count)
    found: list[Any] = []
    for leaf in leaves:
        dtype = xp.dtype_of(leaf)
        number = dtypes.outermost(dtype, largest=not largest, finite=True)
        without = xp.zeros_like(leaf) + xp.asarray(number, dtype)
        found.append(xp.where(count > 0, leaf, without))
    return tuple(found)


def _reduction(rewriter: lowering.Rewriter, argument: ir.Node, result: Type) -> ir.Node:
    value, zero, operator = (ir.select(argument, index) for index in range(3))
    collected = rewriter.bind(
        ir.call_intrinsic(
            "federated_collect",
            value,
            lowering.server(SequenceType(lowering.member_of(value))),
        )
    )

    def reduce(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        parts = lowering.pack([parameter, zero, operator])
        return inner.bind(ir.call_intrinsic("sequence_reduce", parts, ir.unplaced(result)))

    function = rewriter.function(lowering.member_of(collected), reduce)
    return ir.call_intrinsic("federated_apply", lowering.pack([function, collected]), result)
