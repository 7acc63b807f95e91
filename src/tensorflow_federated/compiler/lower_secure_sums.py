"""Writes secure sums as folds that compute the same in plain text, and count broken promises.

The state of such a fold is the sums, the number of clients that broke what they promised, and the
bounds, leaf by leaf. Its report hands the sums to `checked_secure_sum`, with the name of the secure
sum: by that name a plan says which protocol a value was asked to go through.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.compiler import lowering
from tensorflow_federated.core import dtypes, intrinsic_defs, ir, portable, traversal
from tensorflow_federated.core.types import StructType, TensorType, Type

CHECK_URI = "checked_secure_sum"

_COUNT_TYPE = TensorType(np.int32)
_URI_TYPE = TensorType(np.str_)


def lower_secure_sums(program: ir.Lambda) -> ir.Lambda:
    """Replaces the secure sums.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda in call-dominant form, without secure sums.
    """
    rules = {uri: functools.partial(_lower, uri) for uri in _SUMS}
    return lowering.rewrite(program, rules)


def protocol_of(report: ir.Node) -> str | None:
    """The secure sum that a fold stands for, by its report; None if it is no secure sum."""
    for node in traversal.iterate(report):
        match node:
            case ir.Call(function=ir.Intrinsic(uri=uri), argument=ir.Node() as argument):
                if uri == CHECK_URI:
                    return protocol_of_check(argument)
            case _:
                pass
    return None


def protocol_of_check(argument: ir.Node) -> str:
    """The secure sum whose result is checked, from the argument of `checked_secure_sum`."""
    label = ir.select(argument, 2)
    assert isinstance(label, ir.Literal)
    return label.value.decode()


Bound = Callable[[Any, "np.dtype[Any]"], tuple[Any, Any]]
"""From a bound as the user gave it, and the dtype of the values: the bound in that dtype, and
whether no client could keep to it."""

Add = Callable[[Any, Any, Any], Any]
"""The sum of two numbers, given the bound."""


@dataclasses.dataclass(frozen=True)
class _SecureSum:
    """What is different between the secure sums."""

    bound: Bound
    add: Add
    limits_values: bool


def _lower(uri: str, rewriter: lowering.Rewriter, argument: ir.Node, result: Type) -> ir.Node:
    secure_sum = _SUMS[uri]
    value, bounds = ir.select(argument, 0), ir.select(argument, 1)
    member = lowering.member_of(value)
    value_leaves = lowering.leaves(ir.Reference("value", member)).type_signature
    assert isinstance(value_leaves, StructType)
    counts = StructType([_COUNT_TYPE] * len(value_leaves))
    bound_types = [_scalar(leaf) for leaf in value_leaves.children()]
    state_type = StructType([value_leaves, counts, StructType(bound_types)])

    given = _bounds_of_leaves(bounds, len(value_leaves))
    start = functools.partial(_start, secure_sum, value_leaves)
    starts = lowering.portable(start, "start", given.type_signature, state_type)
    zero = rewriter.bind(ir.Call(starts, given))

    def accumulate(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        pair = lowering.pack([ir.select(parameter, 0), lowering.leaves(ir.select(parameter, 1))])
        function = functools.partial(_accumulate, secure_sum)
        computation = lowering.portable(function, "add", pair.type_signature, state_type)
        return inner.bind(ir.Call(computation, pair))

    def report(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        sums = lowering.unflatten(member, ir.select(parameter, 0))
        breaches = lowering.unflatten(member, ir.select(parameter, 1))
        label = ir.Literal(uri.encode(), _URI_TYPE)
        return inner.bind(
            ir.call_intrinsic(CHECK_URI, lowering.pack([sums, breaches, label]), member)
        )

    pair_type = StructType([state_type, state_type])
    functions = [
        rewriter.function(StructType([state_type, member]), accumulate),
        lowering.portable(functools.partial(_merge, secure_sum), "add", pair_type, state_type),
        rewriter.function(state_type, report),
    ]
    return ir.call_intrinsic(
        "federated_aggregate", lowering.pack([value, zero, *functions]), result
    )


def _scalar(leaf: Type) -> TensorType:
    assert isinstance(leaf, TensorType)
    return TensorType(leaf.dtype)


def _bounds_of_leaves(bounds: ir.Node, count: int) -> ir.Struct:
    """The bound of each leaf: one number may stand for all of them."""
    if isinstance(bounds.type_signature, TensorType):
        return lowering.pack([bounds] * count)
    return lowering.leaves(bounds)


def _start(
    secure_sum: _SecureSum, value_leaves: StructType, bounds: tuple[Any, ...]
) -> tuple[tuple[Any, ...], ...]:
    """The state before the first client."""
    xp = portable.namespace_of(bounds)
    sums: list[Any] = []
    breaches: list[Any] = []
    own_bounds: list[Any] = []
    for leaf, bound in zip(value_leaves.children(), bounds, strict=True):
        assert isinstance(leaf, TensorType)
        own, is_impossible = secure_sum.bound(bound, leaf.dtype)
        sums.append(xp.zeros([size or 0 for size in leaf.shape or ()], leaf.dtype))
        breaches.append(xp.cast(is_impossible, np.int32))
        own_bounds.append(own)
    return tuple(sums), tuple(breaches), tuple(own_bounds)


def _accumulate(
    secure_sum: _SecureSum, argument: tuple[tuple[tuple[Any, ...], ...], tuple[Any, ...]]
) -> tuple[tuple[Any, ...], ...]:
    """The state with one client more."""
    (sums, breaches, bounds), values = argument
    xp = portable.namespace_of(sums, values)
    counted = breaches
    if secure_sum.limits_values:
        counted = tuple(
            before + xp.cast(xp.any(lowering.widened(value) > lowering.widened(bound)), np.int32)
            for before, value, bound in zip(breaches, values, bounds, strict=True)
        )
    return _added(secure_sum, sums, values, bounds), counted, bounds


def _merge(
    secure_sum: _SecureSum,
    argument: tuple[tuple[tuple[Any, ...], ...], tuple[tuple[Any, ...], ...]],
) -> tuple[tuple[Any, ...], ...]:
    """The state of two parts of the clients."""
    (sums, breaches, bounds), (other_sums, other_breaches, _) = argument
    pairs = zip(breaches, other_breaches, strict=True)
    counted = tuple(one + other for one, other in pairs)
    return _added(secure_sum, sums, other_sums, bounds), counted, bounds


def _added(
    secure_sum: _SecureSum, sums: tuple[Any, ...], others: tuple[Any, ...], bounds: tuple[Any, ...]
) -> tuple[Any, ...]:
    xp = portable.namespace_of(sums, others)
    return tuple(
        xp.cast(
            secure_sum.add(lowering.widened(x), lowering.widened(y), lowering.widened(bound)),
            xp.dtype_of(x),
        )
        for x, y, bound in zip(sums, others, bounds, strict=True)
    )


def _largest_value(bound: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The largest value, or the nearest one that the dtype has."""
    xp = portable.namespace_of(bound)
    low, high = _common_range(xp.dtype_of(bound), dtype)
    return xp.cast(xp.clip(bound, low, high), dtype), xp.asarray(False)


def _largest_of_bits(bitwidth: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The largest value of so many bits, or the largest one that the dtype has."""
    xp = portable.namespace_of(bitwidth)
    bits = xp.cast(bitwidth, np.int64)
    is_impossible = xp.logical_or(bits < 0, bits > intrinsic_defs.LARGEST_BITWIDTH)
    largest = dtypes.integer_range(dtype)[1]
    known_bits = min(largest.bit_length(), intrinsic_defs.LARGEST_BITWIDTH)
    power = xp.pow(xp.asarray(2, np.int64), xp.clip(bits, 0, known_bits)) - 1
    limit = xp.where(
        bits >= largest.bit_length(), xp.asarray(largest, dtype), xp.cast(power, dtype)
    )
    return limit, is_impossible


def _modulus(modulus: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The modulus, which is from 1 to the largest number of the dtype."""
    xp = portable.namespace_of(modulus)
    _, high = _common_range(xp.dtype_of(modulus), dtype)
    is_impossible = xp.logical_or(modulus < 1, modulus > high)
    return xp.cast(xp.clip(modulus, 1, high), dtype), is_impossible


def _common_range(one: np.dtype[Any], other: np.dtype[Any]) -> tuple[int, int]:
    """The smallest and the largest number that both dtypes have."""
    low, high = zip(dtypes.integer_range(one), dtypes.integer_range(other), strict=True)
    return max(low), min(high)


def _plain_sum(x: Any, y: Any, bound: Any) -> Any:
    del bound
    return x + y


def _modular_sum(x: Any, y: Any, modulus: Any) -> Any:
    """The remainder of a sum that is itself never computed, for it may be too large."""
    xp = portable.namespace_of(x, y, modulus)
    remainder = y % modulus
    room = modulus - remainder
    return xp.where(x >= room, x - room, x + remainder)


_SUMS = {
    "federated_secure_modular_sum": _SecureSum(_modulus, _modular_sum, limits_values=False),
    "federated_secure_sum": _SecureSum(_largest_value, _plain_sum, limits_values=True),
    "federated_secure_sum_bitwidth": _SecureSum(_largest_of_bits, _plain_sum, limits_values=True),
}
